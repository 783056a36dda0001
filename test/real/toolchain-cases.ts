import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { goFiles } from "../../src/cli/bench/suites/real.js";
import { parseImage } from "../../src/elf/image.js";
import { outputs, toolsOf, type Build } from "./build-steps.js";
import type { RealCase } from "./real-case.js";
import type { Toolchain } from "../std/toolchain.js";
import { fixtures } from "./trees.js";

/** A case of one of a toolchain's programs. */
export interface ToolchainCase extends RealCase {
  /** Path of the executable. */
  readonly executable: string;
}

/** The cases of a toolchain's programs that need no build before. */
export function toolchainCases(toolchain: Toolchain): ToolchainCase[] {
  return [...gofmtCases(toolchain), ...goCases(toolchain)];
}

function gofmtCases({ goRoot }: Toolchain): ToolchainCase[] {
  const executable = path.join(goRoot, "bin", "gofmt");
  const std = goFiles(path.join(goRoot, "src"));
  const prepare = (directory: string): void => {
    const text = readFileSync(path.join(fixtures, "fixture-go", "http", "main.go"), "utf8");
    writeFileSync(path.join(directory, "untidy.go"), text.replaceAll("\t", "  ").replaceAll(" := ", ":="));
    writeFileSync(path.join(directory, "broken.go"), text.replace("func main() {", "func main( {"));
  };
  return [
    { executable, name: "gofmt -l -d std", args: ["-l", "-d", ...std], prepare },
    { executable, name: "gofmt -w", args: ["-l", "-w", "-s", "-r", "a[b:len(a)] -> a[b:]", "untidy.go"], prepare },
    { executable, name: "gofmt of mistakes", args: ["-l", "-e", "."], prepare },
  ];
}

/** What `go` does without a child process. Debian's `go` is linked dynamically up to Go 1.19, which gojit does not run. */
function goCases({ go, goRoot }: Toolchain): ToolchainCase[] {
  if (!isStatic(go)) return [];
  const prepare = (directory: string): void =>
    cpSync(path.join(fixtures, "fixture-go", "http"), directory, { recursive: true });
  const fields = "-json=ImportPath,Name,Doc,GoFiles,SFiles,EmbedFiles,Imports,ImportMap,TestImports";
  return [
    ["version"],
    ["env", "GOROOT", "GOVERSION", "GOOS", "GOARCH", "GOTOOLDIR"],
    ["help", "build"],
    ["list", "std"],
    ["list", "-deps", fields, "."],
    ["list", "-m", "-json"],
    ["list", "./nothing"],
    ["mod", "graph"],
    ["mod", "edit", "-json"],
    ["version", "-m", path.join(goRoot, "bin", "gofmt")],
    ["clean", "-n"],
    ["nonsense"],
  ].map((args) => ({ executable: go, name: `go ${args.slice(0, 2).join(" ")}`, args, prepare }));
}

/** vet of a package with mistakes, with the packages of a build as what it imports. */
export function vetCase(toolchain: Toolchain, build: Build): ToolchainCase {
  const prepare = (directory: string): void => {
    cpSync(path.join(fixtures, "fixture-go", "vet"), directory, { recursive: true });
    const configuration = {
      ID: "vet",
      Compiler: "gc",
      Dir: directory,
      ImportPath: "vet",
      GoFiles: [path.join(directory, "main.go")],
      ImportMap: { fmt: "fmt" },
      PackageFile: Object.fromEntries(packageFiles(build)),
      PackageVetx: {},
      VetxOutput: path.join(directory, "vet.out"),
      GoVersion: "go1.22",
    };
    writeFileSync(path.join(directory, "vet.cfg"), JSON.stringify(configuration));
  };
  return { executable: path.join(toolsOf(toolchain), "vet"), name: "vet", args: ["vet.cfg"], prepare };
}

/** Import path and archive of each package that a build compiles. */
function packageFiles({ steps }: Build): [string, string][] {
  return steps.flatMap((step): [string, string][] => {
    if (step.kind !== "tool" || step.tool !== "compile") return [];
    return [[step.package, outputs(step.words)[0]!]];
  });
}

function isStatic(file: string): boolean {
  try {
    parseImage(readFileSync(file));
    return true;
  } catch {
    return false;
  }
}
