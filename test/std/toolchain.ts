import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { askGo, findGo } from "../../src/cli/bench/go-toolchain.js";

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

/** The toolchain of a Go version, as in `1.27`. @throws when it is not found (see findGo) */
export const findToolchain = (version: string): Toolchain => toolchainOf(findGo(version));

/** The toolchain of this `go`. @throws when it does not run */
export function toolchainOf(go: string): Toolchain {
  const [goRoot, version] = askGo(go, ["env", "GOROOT", "GOVERSION"], homedir()).split("\n");
  const name = version!.replace(/^go/, "");
  const cache = process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache");
  const workDir = path.join(cache, "gojit-std", name);
  mkdirSync(workDir, { recursive: true });
  return { version: name, goRoot: goRoot!, go, workDir };
}

/** Import paths of all packages of the standard library that have tests. */
export function packagesWithTests({ go, goRoot }: Toolchain): string[] {
  const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}";
  return askGo(go, ["list", "-f", format, "std"], path.join(goRoot, "src")).split("\n").filter(Boolean);
}

/** Builds the tests of one package. @throws with the compiler's words when it does not compile */
export function buildTests({ go, goRoot, workDir }: Toolchain, name: string): TestBinary {
  const file = path.join(workDir, `${name.replaceAll("/", "_")}.test`);
  const directory = path.join(goRoot, "src", name);
  // Debian's packages may lack the file that the tests of time read; the same data can be built in.
  const zones = existsSync(path.join(goRoot, "lib", "time", "zoneinfo.zip")) ? [] : ["-tags=timetzdata"];
  askGo(go, ["test", "-c", ...zones, "-o", file, "."], directory);
  if (!existsSync(file)) throw new Error("it has no tests");
  return { name, file, directory };
}
