import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { projectRoot } from "../guests/unpack.js";

/** A Go toolchain that builds test binaries. */
export interface Toolchain {
  /** What `go version` says, as in `1.27.4`. */
  readonly version: string;
  readonly goRoot: string;
  /** Path of `go`. */
  readonly go: string;
  /** Where test binaries and logs are kept. */
  readonly workDir: string;
}

/** The test binary of one package. */
export interface TestBinary {
  /** Import path. */
  readonly name: string;
  readonly file: string;
  /** The package's sources, where its tests expect to run. */
  readonly directory: string;
}

/** Nothing is fetched: neither a toolchain nor modules. */
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
  const [goRoot, version] = ask(go, ["env", "GOROOT", "GOVERSION"], homedir()).split("\n");
  const name = version!.replace(/^go/, "");
  const cache = process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache");
  const workDir = path.join(cache, "gojit-std", name);
  mkdirSync(workDir, { recursive: true });
  return { version: name, goRoot: goRoot!, go, workDir };
}

/** Import paths of all packages of the standard library that have tests. */
export function packagesWithTests({ go, goRoot }: Toolchain): string[] {
  const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}";
  return ask(go, ["list", "-f", format, "std"], path.join(goRoot, "src")).split("\n").filter(Boolean);
}

/** Builds the tests of one package. @throws with the compiler's words when it does not compile */
export function buildTests({ go, goRoot, workDir }: Toolchain, name: string): TestBinary {
  const file = path.join(workDir, `${name.replaceAll("/", "_")}.test`);
  const directory = path.join(goRoot, "src", name);
  // Debian's packages may lack the file that the tests of time read; the same data can be built in.
  const zones = existsSync(path.join(goRoot, "lib", "time", "zoneinfo.zip")) ? [] : ["-tags=timetzdata"];
  ask(go, ["test", "-c", ...zones, "-o", file, "."], directory);
  return { name, file, directory };
}

function ask(go: string, args: readonly string[], cwd: string): string {
  const env = { ...process.env, ...goEnvironment };
  return execFileSync(go, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}
