/** Instructions that read or write the flags themselves. */
import { ALL_FLAGS, CF, DF, FLAG_BITS, gprBit, OF, RAX, RSP, STATUS_FLAGS, type FlagSet } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { constantFlags, givenFlags } from "./flag-definitions.js";
import type { Lifter } from "./lifter.js";
import { dropSlot, loadTop, pushValue } from "./move.js";
import { highByte } from "./operands.js";

/** Bit 1 of RFLAGS reads as one, and user mode always has interrupts enabled (bit 9). */
const FIXED_BITS = 0x202;

/** The given flags at their places in RFLAGS, as an i32. */
function gather(lifter: Lifter, flags: FlagSet, fixed: number): Expr {
  const { w } = lifter;
  let sum = w.i32.const(fixed);
  for (const { flag, rflagsBit } of FLAG_BITS)
    if (flags & flag) sum = w.i32.or(sum, w.i32.shl(lifter.flag(flag), w.i32.const(rflagsBit)));
  return sum;
}
/** Defines flags from their places in an i32. */
function scatter(lifter: Lifter, flags: FlagSet, image: Expr): void {
  const { w } = lifter;
  const kept = lifter.value(i32, image);
  const bitOf = new Map(FLAG_BITS.map(({ flag, rflagsBit }) => [flag, rflagsBit]));
  lifter.define(
    givenFlags(flags, [kept], (flag) =>
      w.i32.and(w.i32.shr_u(lifter.get(kept), w.i32.const(bitOf.get(flag)!)), w.i32.const(1)),
    ),
  );
}

const setTo =
  (flag: FlagSet, value: 0 | 1): InstructionEntry["lift"] =>
  (lifter) =>
    lifter.define(constantFlags(lifter, flag, value));

function cmc(lifter: Lifter): void {
  const old = lifter.value(i32, lifter.flag(CF));
  lifter.define(givenFlags(CF, [old], () => lifter.w.i32.eqz(lifter.get(old))));
}
function lahf(lifter: Lifter): void {
  lifter.write(highByte(RAX), gather(lifter, STATUS_FLAGS & ~OF, FIXED_BITS & 0xff));
}
function sahf(lifter: Lifter): void {
  scatter(lifter, STATUS_FLAGS & ~OF, lifter.read(highByte(RAX)));
}
function pushfq(lifter: Lifter): void {
  pushValue(lifter, lifter.w.i64.extend_i32_u(gather(lifter, ALL_FLAGS, FIXED_BITS)), 8);
}
/** Bits that are neither status flags nor DF (trap, alignment check, ID) are ignored. */
function popfq(lifter: Lifter): void {
  scatter(lifter, ALL_FLAGS, lifter.w.i32.wrap(loadTop(lifter, 8)));
  dropSlot(lifter, 8);
}

const simple = (mnemonic: string, flag: FlagSet, value: 0 | 1, sample: string): InstructionEntry => ({
  mnemonic,
  operands: [],
  flagsWritten: flag,
  cpuid: "base",
  lift: setTo(flag, value),
  samples: [sample],
});

export const FLAGS: readonly InstructionEntry[] = [
  simple("Clc", CF, 0, "f8"),
  simple("Stc", CF, 1, "f9"),
  simple("Cld", DF, 0, "fc"),
  simple("Std", DF, 1, "fd"),
  {
    mnemonic: "Cmc",
    operands: [],
    flagsRead: CF,
    flagsWritten: CF,
    cpuid: "base",
    lift: cmc,
    samples: ["f5"],
  },
  {
    mnemonic: "Lahf",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RAX),
    flagsRead: STATUS_FLAGS & ~OF,
    cpuid: "base",
    lift: lahf,
    samples: ["9f"],
  },
  {
    mnemonic: "Sahf",
    operands: [],
    reads: gprBit(RAX),
    flagsWritten: STATUS_FLAGS & ~OF,
    cpuid: "base",
    lift: sahf,
    samples: ["9e"],
  },
  {
    mnemonic: "Pushfq",
    operands: [],
    reads: gprBit(RSP),
    writes: gprBit(RSP),
    flagsRead: ALL_FLAGS,
    cpuid: "base",
    lift: pushfq,
    samples: ["9c"],
  },
  {
    mnemonic: "Popfq",
    operands: [],
    reads: gprBit(RSP),
    writes: gprBit(RSP),
    flagsWritten: ALL_FLAGS,
    cpuid: "base",
    lift: popfq,
    samples: ["9d"],
  },
];
