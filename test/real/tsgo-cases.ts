import { rmSync } from "node:fs";
import path from "node:path";
import type { RealCase } from "./real-case.js";
import { thisProject, typescriptFixture } from "./trees.js";

/** The fixture without its syntax errors, which hide all others. */
function withoutSyntaxErrors(directory: string): void {
  typescriptFixture(directory);
  rmSync(path.join(directory, "broken.ts"));
}

/** Times and memory differ, and with them how far the figures are indented. */
const withoutFigures = (text: string): string =>
  text.replace(/^(.*(?:time|Memory).*?:) .*$/gim, "$1 N").replace(/: {2,}/g, ": ");

export const tsgoCases: readonly RealCase[] = [
  { name: "version", args: ["--version"], prepare: () => {} },
  { name: "help", args: ["--help", "--all"], prepare: () => {} },
  { name: "init", args: ["--init"], prepare: () => {} },
  { name: "show configuration", args: ["-p", ".", "--showConfig"], prepare: typescriptFixture },
  { name: "no project", args: ["-p", "nowhere"], prepare: () => {} },
  { name: "syntax errors", args: ["-p", "."], prepare: typescriptFixture },
  { name: "type errors", args: ["-p", ".", "--pretty", "--outDir", "out"], prepare: withoutSyntaxErrors },
  {
    name: "one thread",
    args: ["-p", ".", "--singleThreaded", "--outDir", "out", "--listFiles", "--listEmittedFiles"],
    prepare: withoutSyntaxErrors,
  },
  {
    name: "this project, checked",
    args: ["-p", "jit", "--noEmit", "--lib", "es2015", "--extendedDiagnostics"],
    prepare: thisProject,
    normalize: withoutFigures,
  },
  { name: "this project, built", args: ["-b", "--verbose"], prepare: thisProject, normalize: withoutClock },
];

/** `--verbose` puts the time of day before each line. */
function withoutClock(text: string): string {
  return text.replace(/\d+:\d\d:\d\d [AP]M|\[[^\]]*\d+:\d\d[^\]]*\]/g, "TIME");
}
