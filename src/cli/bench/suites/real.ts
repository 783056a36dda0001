/** Real programs at real work: whole processes, with gojit's code cache filled. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Benchmark, BenchmarkCommand, BenchmarkInputs } from "../benchmark.js";
import { cacheDirectory, fetchExecutable } from "../fetch-package.js";
import { askGo, findGo } from "../go-toolchain.js";
import { projectRoot } from "../root.js";
import { esbuild, javascriptTree } from "./esbuild.js";

const TSGO = "@typescript/native-preview-linux-x64@7.0.0-dev.20260707.2";
/** Without assembly, and large. */
const COMPILED_PACKAGE = "net/http";

const FORMATTED = ["crypto", "encoding", "go", "net"];

export const realBenchmarks: readonly Benchmark[] = [
  real("esbuild bundles 12 MB", "three.js three times, minified, with source map", bundle, {
    goal: { of: "ratio", goal: 2, limit: 5 },
    aheadOfJsWasm: true,
  }),
  real("esbuild bundles 12 MB, first run", "the same with gojit's cache empty", bundle, {
    timing: { kind: "process", cache: "empty" },
  }),
  real("tsgo checks this project", "all sources of gojit's engine", checkProject, {
    goal: { of: "ratio", goal: 2.5, limit: 4 },
  }),
  real("gofmt over a large tree", `gofmt -l of the standard library's ${FORMATTED.join(", ")}`, formatTree),
  real("compile a package", `compile of ${COMPILED_PACKAGE}`, compilePackage),
];

function real(
  name: string,
  what: string,
  make: (inputs: BenchmarkInputs) => BenchmarkCommand | string,
  more: Partial<Benchmark> = {},
): Benchmark {
  return {
    suite: "real",
    name,
    go: null,
    what,
    timing: { kind: "process", cache: "warm" },
    prepare: (inputs) => {
      try {
        return make(inputs);
      } catch (error) {
        return (error as Error).message.split("\n", 1)[0]!;
      }
    },
    ...more,
  };
}

function bundle({ scratch }: BenchmarkInputs): BenchmarkCommand | string {
  const output = path.join(scratch, "bundle.js");
  const how = ["--bundle", "--minify", "--sourcemap", "--log-level=error", `--outfile=${output}`];
  return esbuild([javascriptTree(), ...how], output);
}

function checkProject({ scratch }: BenchmarkInputs): BenchmarkCommand | string {
  if (!existsSync(path.join(projectRoot, "tsconfig.json"))) return "it checks a checkout of gojit, and this is none";
  const settings = {
    extends: path.join(projectRoot, "tsconfig.base.json"),
    compilerOptions: {
      composite: false,
      noEmit: true,
      rootDir: "/",
      lib: ["es2024", "esnext.sharedmemory"],
      types: ["node"],
      typeRoots: [path.join(projectRoot, "node_modules", "@types")],
    },
    include: ["jit", "runtime-shims", "src"].map((folder) => path.join(projectRoot, folder, "**", "*.ts")),
    exclude: [path.join(projectRoot, "src", "browser")],
  };
  const file = path.join(scratch, "tsconfig.json");
  writeFileSync(file, JSON.stringify(settings));
  return { program: fetchExecutable(TSGO, "lib/tsgo"), args: ["-p", file] };
}

function formatTree({ go }: BenchmarkInputs): BenchmarkCommand {
  const root = askGo(findGo(go), ["env", "GOROOT"], "/");
  return {
    program: path.join(root, "bin", "gofmt"),
    args: ["-l", ...FORMATTED.flatMap((folder) => goFiles(path.join(root, "src", folder)))],
  };
}

/** Go files below a directory, without those that test tools with mistakes and without the commands. */
export function goFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === "testdata" || entry.name === "cmd" ? [] : goFiles(file);
    return entry.name.endsWith(".go") ? [file] : [];
  });
}

function compilePackage({ go, scratch }: BenchmarkInputs): BenchmarkCommand {
  const command = findGo(go);
  const root = askGo(command, ["env", "GOROOT"], "/");
  const env = { GOCACHE: path.join(cacheDirectory, "go-build"), GOOS: "linux", GOARCH: "amd64" };
  mkdirSync(env.GOCACHE, { recursive: true });
  const list = (...args: string[]): string => askGo(command, ["list", ...args, COMPILED_PACKAGE], "/", env);
  const imports = path.join(scratch, "importcfg");
  const exported = list("-export", "-deps", "-f", "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}");
  // What is vendored is imported by another path than its own.
  const vendored = list(
    "-f",
    '{{range $path, $vendored := .ImportMap}}importmap {{$path}}={{$vendored}}{{"\\n"}}{{end}}',
  );
  writeFileSync(imports, `${exported}\n${vendored}`);
  const files = list("-f", '{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}').split("\n");
  const output = path.join(scratch, "package.a");
  return {
    program: path.join(root, "pkg", "tool", "linux_amd64", "compile"),
    args: ["-o", output, "-p", COMPILED_PACKAGE, "-std", "-complete", "-importcfg", imports, "-pack", ...files],
    output,
  };
}
