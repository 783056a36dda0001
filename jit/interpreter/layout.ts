/**
 * The record memory ("d"): instructions decoded for interpretation, shared by all threads.
 *
 * A *record* is one decoded instruction; the records of straight code follow each other. Two tables lead from a guest
 * address to its record: the directory has one word for each 128 bytes of code, the offset of a leaf after `LEAVES`,
 * or 0; a leaf has one word for each byte, the address of the record that begins there, or 0. Offset 0 is an empty leaf,
 * so that a look-up needs no test in between.
 *
 * All offsets are bytes.
 */

export const GRANULE_BITS = 7;
const DIRECTORY_BYTES = 4 << (32 - GRANULE_BITS);
/** The empty leaf. */
export const LEAVES = DIRECTORY_BYTES;
export const LEAF_BYTES = 4 << GRANULE_BITS;
/** Before each leaf: the number of its granule, and the leaf that was made before it, as the directory has it. */
export const LEAF_HEADER_BYTES = 32;
export const L_GRANULE = -8;
export const L_PREVIOUS = -4;

/** How often an entry or a loop is interpreted before it is translated, minus 1: a power of two minus 1. */
export const D_HOT = LEAVES + LEAF_BYTES;
export const D_LOCK = D_HOT + 4;
/** First free byte. */
export const D_FREE = D_HOT + 8;
/** Instructions decoded. */
export const D_COUNT = D_HOT + 12;
/** The leaf that was made last, as the directory has it. */
export const D_LAST_LEAF = D_HOT + 16;

export const FIRST_FREE = D_HOT + 64;

/**
 * The whole memory, in Wasm pages; the host commits what is touched. It does not grow: after one
 * thread had grown it, others were seen to keep a view of the old size, however often they asked for another.
 */
export const RECORD_PAGES = (DIRECTORY_BYTES + (112 << 20)) / 65536;

// A record.
export const RECORD_BYTES = 32;
/** Table index of its handler. */
export const R_HANDLER = 0;
/** Guest address. */
export const R_PC = 4;
/** Addresses in the CPU block of the first and second operand if they are registers, 16 bits each. */
export const R_FIRST = 8;
export const R_SECOND = 10;
/** The same of a memory operand's base and index; of a zero where it has none. */
export const R_BASE = 12;
export const R_INDEX = 14;
/** Its displacement, signed, 32 bits. */
export const R_DISP = 16;
/** How often control came here by a call, a backward jump or from outside, modulo 2^16. */
export const R_TIMES = 20;
/** Binary logarithm of the index's scale, 8 bits. */
export const R_SCALE = 22;
/** Length of the instruction, 8 bits. */
export const R_LENGTH = 23;
/** The immediate, 64 bits. */
export const R_IMMEDIATE = 24;
/** Conditional branches: how often control went to the target, and how often past it, modulo 2^32. */
export const R_TAKEN = 8;
export const R_FALLEN = 12;
/** Computed calls: the two commonest targets. */
export const R_LIKELY = 24;
export const R_ALSO_LIKELY = 28;
/** By how many each of them leads, 8 bits; where other instructions have their second operand. */
export const R_LEAD = 10;
export const R_ALSO_LEAD = 11;
/** Direct jumps and calls: the target's address, and its record once it is known. */
export const R_TARGET_PC = 24;
export const R_TARGET = 28;
/** Probes: the number. */
export const R_PROBE = 24;
