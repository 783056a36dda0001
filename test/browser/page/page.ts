/** The page under test: runs what the driver asks for, with gojit's own root export. */
import { _setFileData, type FileData, preopens } from "@bytecodealliance/preview2-shim/filesystem";
import { run, start } from "gojit";
import "../protocol.js";

globalThis.runGuest = async ({ program, args, env, stdin, cpus, timeoutMs, workDirectory, files }) => {
  const response = await fetch(program);
  const shimFiles: FileData = { dir: {} };
  _setFileData(shimFiles);
  const result = await run({
    program: new Uint8Array(await response.arrayBuffer()),
    args,
    env,
    cpus,
    currentDirectory: "/guest",
    ...(workDirectory === "shim" && { directories: { "/guest": preopens.getDirectories()[0]![0] } }),
    stdin: fromBase64(stdin),
    abort: AbortSignal.timeout(timeoutMs),
  });
  const contentOf = (name: string): Uint8Array | undefined =>
    workDirectory === "shim" ? findInShim(shimFiles, name) : result.readFile(`/guest/${name}`);
  return {
    status: result.status,
    stdout: toBase64(result.stdout),
    stderr: toBase64(result.stderr),
    files: Object.fromEntries(
      files.map((name) => {
        const content = contentOf(name);
        return [name, content === undefined ? null : toBase64(content)];
      }),
    ),
  };
};

/** Stops a program at a function and goes on a few lines from there. */
globalThis.debugGuest = async ({ program, args, stopAt, lines }) => {
  const guest = await start({ program: new URL(program, location.href), args, cpus: 2 });
  const places: string[] = [];
  const note = (thread: number): void => {
    const { function: name, line } = guest.backtrace({ thread })[0]!;
    places.push(`${name}:${line}`);
  };
  note(guest.stopped!.thread);
  const breakpoint = guest.breakAt(stopAt);
  let stop = await guest.continue();
  breakpoint.remove();
  for (let i = 0; stop && i <= lines; i++) {
    note(stop.thread);
    if (i < lines) stop = await guest.stepLine(stop.thread);
  }
  const goroutines = guest.goroutines().length;
  guest.resume();
  const { status } = await guest.ended;
  return { places, goroutines, status };
};

function findInShim(top: FileData, name: string): Uint8Array | undefined {
  let entry: FileData | undefined = top;
  for (const part of name.split("/")) entry = entry?.dir?.[part];
  return entry?.source instanceof Uint8Array ? entry.source : undefined;
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
