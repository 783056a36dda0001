import { LOOKUP_ENTRIES } from "./cpu-block.js";

/** Index in the lookup cache of a guest address. The emitted form is `lookupEntry` in runtime-module.ts. */
export const lookupIndex = (pc: number): number => (pc ^ (pc >>> 9)) & (LOOKUP_ENTRIES - 1);

/** Mark in the slot word of a lookup entry: a function begins at the address. The sign bit, so that one test shows it. */
export const LOOKUP_FUNCTION = 0x80000000 | 0;
