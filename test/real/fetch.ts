import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Program } from "./programs.js";

/** Where programs, gojit's code cache for them and the trees they work on are kept: `gojit-real` in the user's cache. */
export const cacheDirectory = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "gojit-real");

/**
 * Fetches a program's package with `npm pack`, once, and unpacks the directory that the executable is in.
 * @returns the path of the executable
 * @throws with npm's or tar's words when that fails
 */
export function fetchProgram(program: Program): string {
  const directory = path.join(cacheDirectory, program.package.replaceAll("/", "+"));
  const file = path.join(directory, "package", program.file);
  if (existsSync(file)) return file;
  mkdirSync(cacheDirectory, { recursive: true });
  const part = mkdtempSync(path.join(cacheDirectory, "part-"));
  try {
    const pack = ["pack", "--silent", "--pack-destination", part, program.package];
    const archive = execFileSync("npm", pack, { encoding: "utf8", cwd: part }).trim().split("\n").at(-1)!;
    const wanted = path.posix.join("package", path.posix.dirname(program.file));
    execFileSync("tar", ["-xzf", archive, wanted], { cwd: part });
    rmSync(path.join(part, archive));
    chmodSync(path.join(part, "package", program.file), 0o755);
    if (!existsSync(file)) renameSync(part, directory);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return file;
}
