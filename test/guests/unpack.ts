import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { brotliDecompressSync } from "node:zlib";

/** The repository's root, from the sources and from `dist` alike. */
export const projectRoot = findRoot(path.dirname(fileURLToPath(import.meta.url)));

const guestsDir = path.join(projectRoot, "test", "guests");

/** Go versions with committed guest executables, oldest first, as in `1.15`. */
export function guestVersions(): string[] {
  return readdirSync(path.join(guestsDir, "bin"))
    .map((name) => name.replace(/^go/, ""))
    .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));
}

/**
 * Unpacks a committed guest executable into a cache directory under the system's temporary directory.
 * Safe in parallel: the file appears under its final name only when it is complete.
 * @param version Go version, as in `1.27`
 * @param name `guests` or `hello`
 * @returns the path of an executable file; its name depends on its content
 * @throws the file system's error when there is no such guest or the directory cannot be written
 */
export function unpack(version: string, name: "guests" | "hello"): string {
  const packed = readFileSync(path.join(guestsDir, "bin", `go${version}`, `${name}.br`));
  const key = createHash("sha256").update(packed).digest("hex").slice(0, 12);
  const dir = path.join(tmpdir(), `gojit-guests-${process.getuid?.() ?? "user"}`);
  const file = path.join(dir, `${name}-go${version}-${key}`);
  if (existsSync(file)) return file;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const part = `${file}.${process.pid}.${Date.now()}.part`;
  try {
    writeFileSync(part, brotliDecompressSync(packed));
    chmodSync(part, 0o755);
    renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
  return file;
}

function findRoot(start: string): string {
  let dir = start;
  while (!existsSync(path.join(dir, "package.json"))) {
    const parent = path.dirname(dir);
    if (parent === dir) throw new Error(`no package.json above ${start}`);
    dir = parent;
  }
  return dir;
}
