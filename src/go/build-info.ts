import { type ByteReader, decodeText } from "../elf/bytes.js";
import { SegmentFlags, type ElfImage } from "../elf/image.js";

/** A module that went into the program. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
  /** Go's checksum of the module, "" if the linker had none. */
  readonly sum: string;
  readonly replacedBy?: GoModule;
}

/** What the linker wrote about the build (runtime/debug.BuildInfo). */
export interface GoBuildInfo {
  readonly goVersion: string;
  /** Import path of the main package. */
  readonly path: string;
  readonly main?: GoModule;
  readonly dependencies: readonly GoModule[];
  /** Settings such as GOAMD64, CGO_ENABLED, -ldflags, vcs.revision. */
  readonly settings: ReadonlyMap<string, string>;
}

// Source: Go's debug/buildinfo, which documents both formats.
const magic = [0xff, 0x20, 0x47, 0x6f, 0x20, 0x62, 0x75, 0x69, 0x6c, 0x64, 0x69, 0x6e, 0x66, 0x3a];
const headerSize = 32;
const inlineStrings = 2;
const maxTextLength = 1 << 22;

/** The build information, undefined if the program has none (Go 1.12, or removed after the build). */
export function readBuildInfo(image: ElfImage, reader: ByteReader): GoBuildInfo | undefined {
  const section = image.section(".go.buildinfo");
  let at = section && isMagic(reader, section.fileOffset) ? section.fileOffset : undefined;
  if (at === undefined && image.sections.length === 0) at = searchMagic(image, reader);
  if (at === undefined) return undefined;
  if (reader.u8(at + 14) !== 8 && (reader.u8(at + 15) & inlineStrings) === 0) return undefined;
  let goVersion: string;
  let modules: string;
  if ((reader.u8(at + 15) & inlineStrings) !== 0) {
    const version = inlineText(reader, at + headerSize);
    goVersion = version.text;
    modules = inlineText(reader, version.end).text;
  } else {
    goVersion = pointedText(image, reader, reader.u64(at + 16));
    modules = pointedText(image, reader, reader.u64(at + 24));
  }
  return goVersion === "" ? undefined : { goVersion, ...parseModuleText(modules) };
}

function isMagic(reader: ByteReader, at: number): boolean {
  return reader.has(at, headerSize) && magic.every((byte, index) => reader.bytes[at + index] === byte);
}

/** The linker aligns the record to 16 and puts it near the start of the writable data; newer ones, in read-only data. */
function searchMagic(image: ElfImage, reader: ByteReader): number | undefined {
  for (const segment of image.segments) {
    if ((segment.flags & SegmentFlags.X) !== 0) continue;
    const end = segment.fileOffset + segment.fileSize - headerSize;
    for (let at = segment.fileOffset + ((16 - (segment.vaddr & 15)) & 15); at <= end; at += 16) {
      if (reader.bytes[at] === 0xff && reader.bytes[at + 1] === 0x20 && isMagic(reader, at)) return at;
    }
  }
  return undefined;
}

function inlineText(reader: ByteReader, at: number): { text: string; end: number } {
  let length = 0;
  let shift = 1;
  for (; reader.has(at, 1) && shift < 2 ** 28; shift *= 128) {
    const byte = reader.u8(at++);
    length += (byte & 127) * shift;
    if (byte < 128) break;
  }
  if (length > maxTextLength || !reader.has(at, length)) return { text: "", end: at };
  return { text: decodeText(reader.bytes, at, at + length), end: at + length };
}

/** The Go string whose header (pointer, length) is at guest address `address`. */
export function pointedText(image: ElfImage, reader: ByteReader, address: number): string {
  const header = image.fileOffsetOf(address, 16);
  if (header === undefined) return "";
  const length = reader.u64(header + 8);
  if (length > maxTextLength) return "";
  const start = image.fileOffsetOf(reader.u64(header), length);
  return start === undefined ? "" : decodeText(reader.bytes, start, start + length);
}

/** Parses the text that `go version -m` prints, between its two sentinels of 16 bytes. */
function parseModuleText(text: string): Omit<GoBuildInfo, "goVersion"> {
  // The sentinels are not valid UTF-8, so lines are recognised by their key instead of by position.
  let path = "";
  let main: GoModule | undefined;
  const dependencies: GoModule[] = [];
  const settings = new Map<string, string>();
  let last: "main" | "dependency" | undefined;
  const lines = text.split("\n");
  if (lines[0] !== undefined) lines[0] = lines[0].replace(/^.*?(?=(path|mod|dep|build)\t)/s, "");
  for (const line of lines) {
    const [key, ...fields] = line.split("\t");
    const module = { path: fields[0] ?? "", version: fields[1] ?? "", sum: fields[2] ?? "" };
    if (key === "path") path = module.path;
    else if (key === "mod") [main, last] = [module, "main"];
    else if (key === "dep") [last] = ["dependency", dependencies.push(module)] as const;
    else if (key === "=>" && last === "main" && main) main = { ...main, replacedBy: module };
    else if (key === "=>" && last === "dependency") dependencies.push({ ...dependencies.pop()!, replacedBy: module });
    else if (key === "build") {
      const [name, value] = splitSetting(fields.join("\t"));
      settings.set(name, value);
    }
  }
  return { path, ...(main ? { main } : {}), dependencies, settings };
}

/** Splits `key=value`, either of which Go quotes if it contains anything unusual. */
function splitSetting(text: string): [string, string] {
  const match = /^("(?:[^"\\]|\\.)*"|[^=]*)=(.*)$/s.exec(text);
  return match ? [unquote(match[1]!), unquote(match[2]!)] : [text, ""];
}

function unquote(text: string): string {
  if (text.startsWith("`") && text.endsWith("`") && text.length > 1) return text.slice(1, -1);
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text; // Go's escapes that JSON does not have
  }
}
