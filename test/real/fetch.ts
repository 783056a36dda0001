import { fetchExecutable } from "../../src/cli/bench/fetch-package.js";
import type { Program } from "./programs.js";

/** Fetches a program's package, once. Returns the path of the executable. @throws with npm's or tar's words when that fails */
export const fetchProgram = (program: Program): string => fetchExecutable(program.package, program.file);
