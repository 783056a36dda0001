/** The trees that programs work on. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { fetchPackage } from "../../src/cli/bench/fetch-package.js";
import { projectRoot } from "../guests/unpack.js";

export const fixtures = path.join(projectRoot, "test", "real");

/** Copies the TypeScript fixture. */
export function typescriptFixture(directory: string): void {
  cpSync(path.join(fixtures, "fixture-ts"), directory, { recursive: true });
}

/** Copies RxJS's TypeScript: a real tree in a syntax that the oldest esbuild reads. Without its settings, which ask for ES5. */
export function rxjs(directory: string): void {
  const source = path.join(fetchPackage("rxjs@6.6.7", "src"), "src");
  cpSync(source, path.join(directory, "src"), { recursive: true, filter: (file) => !file.endsWith("tsconfig.json") });
}

/** Copies what git has of this project's TypeScript and its settings, with its dependencies beside it. */
export function thisProject(directory: string): void {
  const patterns = ["*.ts", "*.json", "*.js"];
  const names = execFileSync("git", ["ls-files", "-z", ...patterns], { cwd: projectRoot, encoding: "utf8" });
  for (const name of names.split("\0").filter(Boolean)) {
    const target = path.join(directory, name);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(path.join(projectRoot, name), target);
  }
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(directory, "node_modules"));
}
