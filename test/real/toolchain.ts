import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { projectRoot } from "../guests/unpack.js";

/** A Go toolchain whose programs are run. */
export interface Toolchain {
  /** What `go version` says, as in `1.27.4`. */
  readonly version: string;
  /** Path of `go`. */
  readonly go: string;
  readonly goRoot: string;
  /** Directory of compile, asm, link and vet. */
  readonly tools: string;
}

/** Nothing is fetched, neither a toolchain nor modules, and no C compiler is asked for. */
export const goEnvironment = {
  GOTOOLCHAIN: "local",
  GOPROXY: "off",
  GOFLAGS: "-mod=mod",
  CGO_ENABLED: "0",
  GOAMD64: "v1",
};

/**
 * The toolchain of a Go version, as in `1.27`: what `$GO_TOOLCHAIN_TOOL VERSION` prints, by default the program beside
 * this repository.
 * @throws when there is no such program or it knows no such version
 */
export function findToolchain(version: string): Toolchain {
  const tool = process.env["GO_TOOLCHAIN_TOOL"] ?? path.resolve(projectRoot, "..", "shared", "tools", "go-toolchain");
  if (!existsSync(tool)) throw new Error(`there is no ${tool}; give --go-cmd PATH, or set GO_TOOLCHAIN_TOOL`);
  return toolchainOf(execFileSync(tool, [version], { encoding: "utf8" }).trim());
}

/** The toolchain of this `go`. @throws when it does not run */
export function toolchainOf(go: string): Toolchain {
  const [goRoot, version, tools] = askGo(go, ["env", "GOROOT", "GOVERSION", "GOTOOLDIR"], homedir()).split("\n");
  return { version: version!.replace(/^go/, ""), go, goRoot: goRoot!, tools: tools! };
}

/** What `go` prints on stdout, and on stderr where `also` says so. @throws when it fails */
export function askGo(go: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(go, args, {
    cwd,
    env: { ...process.env, ...goEnvironment, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
  }).trim();
}
