import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** Where packages, code caches for their programs and the trees they work on are kept: `gojit-real` in the user's cache. */
export const cacheDirectory = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "gojit-real");

/**
 * Fetches an npm package with `npm pack`, once, and unpacks it, or only `folder` of it.
 * @param name package with version, as in `esbuild-wasm@0.28.2`
 * @returns the directory of what was unpacked, as if it were the whole package
 * @throws Error with npm's or tar's words when that fails
 */
export function fetchPackage(name: string, folder = ""): string {
  const directory = path.join(cacheDirectory, name.replaceAll("/", "+"));
  const content = path.join(directory, "package");
  if (existsSync(content)) return content;
  mkdirSync(cacheDirectory, { recursive: true });
  const part = mkdtempSync(path.join(cacheDirectory, "part-"));
  try {
    const run = (command: string, args: readonly string[]): string =>
      execFileSync(command, args, { encoding: "utf8", cwd: part, stdio: ["ignore", "pipe", "pipe"] });
    const archive = run("npm", ["pack", "--silent", "--pack-destination", part, name]).trim().split("\n").at(-1)!;
    run("tar", ["-xzf", archive, path.posix.join("package", folder)]);
    rmSync(path.join(part, archive));
    if (!existsSync(directory)) renameSync(part, directory);
  } catch (error) {
    const words = String((error as { stderr?: unknown }).stderr ?? "").trim() || (error as Error).message;
    throw new Error(`${name} cannot be fetched: ${words.split("\n", 1)[0]}`, { cause: error });
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return content;
}

/**
 * Fetches a package for an executable in it, and unpacks the executable's folder.
 * @returns the path of the executable
 * @throws as fetchPackage
 */
export function fetchExecutable(name: string, file: string): string {
  const executable = path.join(fetchPackage(name, path.posix.dirname(file)), file);
  chmodSync(executable, 0o755);
  return executable;
}
