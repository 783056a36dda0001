/**
 * The CPU block: one small shared memory per guest thread ("c" in emitted code), holding its registers at constant
 * addresses whenever translated code is outside a region, and the thread's dispatcher tables.
 *
 * All offsets are bytes from the start of the memory.
 */

/** 16 general registers, 8 bytes each, in x86 encoding order. */
export const CPU_GPR = 0;
/** 16 XMM registers, 16 bytes each. */
export const CPU_XMM = 128;
/** Status flags and DF: one 32-bit word (0 or 1) each, in the order of `FLAG_BITS`. */
export const CPU_FLAGS = 384;
/** Guest address of the next instruction, 32 bits; exact at system calls and in the dispatcher. */
export const CPU_RIP = 416;
/** Base of the FS segment, 64 bits. */
export const CPU_FS_BASE = 424;
/** Non-zero asks translated code to return to the dispatcher at the next loop back-edge, 32 bits. */
export const CPU_POLL = 432;
/** Non-zero asks which region the thread is in, 32 bits: the next one that is sampled writes 0 here, and its entry behind it. */
export const CPU_SAMPLE = 436;
/** Entry of the region that answered last, 32 bits. */
export const CPU_SAMPLED = 440;
/** Processor exception raised by translated code: vector + 1, or 0; 32 bits. */
export const CPU_TRAP_VECTOR = 444;
/** Always 0, 64 bits: the base or index of interpreted addresses that have none. */
export const CPU_ZERO = 448;
/** MXCSR XOR its default, 32 bits: a zeroed block holds the default. */
export const CPU_MXCSR = 472;
/** Round to nearest, all exceptions masked. Arithmetic always works so, whatever LDMXCSR loaded (docs/quirks.md). */
export const DEFAULT_MXCSR = 0x1f80;

/** Guest instructions that translated code has come to, where it counts them; 64 bits. */
export const CPU_EXECUTED = 480;

/** Direct-mapped cache of guest address → table slot: `LOOKUP_ENTRIES` pairs of 32-bit words (address, slot). */
export const CPU_LOOKUP = 4096;
export const LOOKUP_ENTRIES = 16384;

/** What a known function's body works in; aligned to 16 bytes. */
export const CPU_SCRATCH = CPU_LOOKUP + LOOKUP_ENTRIES * 8;
export const SCRATCH_BYTES = 16 << 10;

export const CPU_PAGES = Math.ceil((CPU_SCRATCH + SCRATCH_BYTES) / 65536);
