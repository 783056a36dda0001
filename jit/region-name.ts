/** The name of a region's function: tells module and entry in a trap's stack text. */
export const regionName = (module: number, pc: number): string => `r${module}_${pc.toString(16)}`;
export const REGION_NAME = /\br(\d+)_([0-9a-f]+)\b/;
/** Names of the interpreter's functions that can trap. */
export const HANDLER_NAME = /^op_/;
/** A mark is the instruction's address minus the region's entry, plus this (backward jumps make the difference negative). */
export const MARK_BIAS = 1 << 29;
