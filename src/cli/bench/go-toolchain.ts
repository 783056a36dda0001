import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "./root.js";

/** Nothing is fetched: neither a toolchain nor modules. */
export const goEnvironment = {
  GOTOOLCHAIN: "local",
  GOPROXY: "off",
  GOFLAGS: "-mod=mod",
  CGO_ENABLED: "0",
  GOAMD64: "v1",
};

/**
 * Path of `go` of a Go version, as in `1.27`: what `$GO_TOOLCHAIN_TOOL VERSION` prints, by default the program beside
 * this repository.
 * @throws Error when there is no such program or it knows no such version
 */
export function findGo(version: string): string {
  const tool = process.env["GO_TOOLCHAIN_TOOL"] ?? path.resolve(projectRoot, "..", "shared", "tools", "go-toolchain");
  if (!existsSync(tool)) throw new Error(`there is no ${tool}; set GO_TOOLCHAIN_TOOL`);
  return execFileSync(tool, [version], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** What `go` prints. @throws Error with its words when it fails */
export function askGo(go: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(go, args, {
    cwd,
    env: { ...process.env, ...goEnvironment, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 26,
  }).trim();
}
