import { readdirSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../../src/cli/bench/root.js";
import { unpackProgram } from "../../src/cli/bench/unpack.js";

export { projectRoot };

const guestsDir = path.join(projectRoot, "test", "guests");

/** Go versions with committed guest executables, oldest first, as in `1.15`. */
export function guestVersions(): string[] {
  return readdirSync(path.join(guestsDir, "bin"))
    .map((name) => name.replace(/^go/, ""))
    .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));
}

/**
 * Unpacks a committed guest executable into a cache directory (see unpackProgram).
 * @param version Go version, as in `1.27`
 * @param name `guests` or `hello`
 * @returns the path of an executable file; its name depends on its content
 * @throws the file system's error when there is no such guest or the directory cannot be written
 */
export function unpack(version: string, name: "guests" | "hello"): string {
  return unpackProgram(path.join(guestsDir, "bin", `go${version}`, `${name}.br`), `${name}-go${version}`);
}
