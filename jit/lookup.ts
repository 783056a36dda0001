import { LOOKUP_ENTRIES } from "./cpu-block.js";

/** Index in the lookup cache of a guest address. The emitted form is `lookupEntry` in runtime-module.ts. */
export const lookupIndex = (pc: number): number => (pc ^ (pc >>> 9)) & (LOOKUP_ENTRIES - 1);
