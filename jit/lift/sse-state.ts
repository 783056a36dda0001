/** MXCSR and the FXSAVE area. */
import { CPU_MXCSR, DEFAULT_MXCSR } from "../cpu-block.js";
import { ALL_GPR, ALL_REGISTERS } from "../registers.js";
import { CPU, GUEST, i32, i64, v128, type Expr } from "../wasm.js";
import type { Access, InstructionEntry } from "./entry.js";
import { VECTOR_GP, type Lifter, type Place } from "./lifter.js";

/** Bits that may be set; LDMXCSR with others raises #GP. */
const MXCSR_MASK = 0xffff;

/** Offsets in the FXSAVE area. */
const FXSAVE_MXCSR = 24;
const FXSAVE_XMM = 160;
/** x87 control word after reset. */
const DEFAULT_FCW = 0x037f;

const readMxcsr = ({ w }: Lifter): Expr =>
  w.i32.xor(w.load(CPU, i32, 4, w.i32.const(0), CPU_MXCSR), w.i32.const(DEFAULT_MXCSR));
function writeMxcsr(lifter: Lifter, value: Expr): void {
  const { w } = lifter;
  lifter.emit(w.store(CPU, i32, 4, w.i32.const(0), w.i32.xor(value, w.i32.const(DEFAULT_MXCSR)), CPU_MXCSR));
}

/** Raises #GP if `value` sets a reserved bit. */
function checkMxcsr(lifter: Lifter, value: Expr): void {
  const { w } = lifter;
  const raise = lifter.nested(() => lifter.raise(VECTOR_GP));
  lifter.emit(w.if(w.i32.and(value, w.i32.const(~MXCSR_MASK)), raise));
}

const ALL_XMM = ALL_REGISTERS & ~ALL_GPR;

/** Address `offset` bytes into the operand. */
const within = (lifter: Lifter, place: Place, offset: number) => {
  const { base, offset: start } = lifter.placeAddress(place);
  return [base, start + offset] as const;
};

function save(lifter: Lifter, place: Place): void {
  const { w } = lifter;
  const store64 = (offset: number, value: Expr): void => {
    const [base, at] = within(lifter, place, offset);
    lifter.emit(lifter.mark(w.store(GUEST, i64, 8, base, value, at)));
  };
  // x87 and MMX registers: empty. The area's last 96 bytes are not written.
  for (let offset = 0; offset < FXSAVE_XMM; offset += 8) {
    if (offset === 0) store64(offset, w.i64.const(DEFAULT_FCW));
    else if (offset !== FXSAVE_MXCSR) store64(offset, w.i64.const(0));
    else {
      const mask = w.i64.const(BigInt(MXCSR_MASK) << 32n);
      store64(offset, w.i64.or(w.i64.extend_i32_u(readMxcsr(lifter)), mask));
    }
  }
  for (let register = 0; register < 16; register++) {
    const [base, at] = within(lifter, place, FXSAVE_XMM + 16 * register);
    lifter.emit(lifter.mark(w.store(GUEST, v128, 16, base, lifter.xmm(register), at)));
  }
}

function restore(lifter: Lifter, place: Place): void {
  const { w } = lifter;
  const [mxcsrBase, mxcsrAt] = within(lifter, place, FXSAVE_MXCSR);
  const mxcsr = lifter.value(i32, lifter.mark(w.load(GUEST, i32, 4, mxcsrBase, mxcsrAt)));
  checkMxcsr(lifter, lifter.get(mxcsr));
  const loaded = Array.from({ length: 16 }, (_, register) => {
    const [base, at] = within(lifter, place, FXSAVE_XMM + 16 * register);
    return lifter.value(v128, lifter.mark(w.load(GUEST, v128, 16, base, at)));
  });
  writeMxcsr(lifter, lifter.get(mxcsr));
  loaded.forEach((value, register) => lifter.setXmm(register, lifter.get(value)));
}

const area = (
  mnemonic: string,
  access: Access,
  encodings: readonly string[],
  lift: (lifter: Lifter, place: Place) => void,
): InstructionEntry => ({
  mnemonic,
  operands: [access],
  ...(access === "w" ? { reads: ALL_XMM } : { writes: ALL_XMM }),
  cpuid: "base",
  samples: encodings,
  lift: (lifter, { operands: [operand] }) => lift(lifter, lifter.place(operand!)),
});

export const sseState: readonly InstructionEntry[] = [
  {
    mnemonic: "Ldmxcsr",
    operands: ["r"],
    cpuid: "sse",
    samples: ["0fae5310"],
    lift: (lifter, { operands: [source] }) => {
      const value = lifter.value(i32, lifter.read(source!));
      checkMxcsr(lifter, lifter.get(value));
      writeMxcsr(lifter, lifter.get(value));
    },
  },
  {
    mnemonic: "Stmxcsr",
    operands: ["w"],
    cpuid: "sse",
    samples: ["0fae5b10"],
    lift: (lifter, { operands: [target] }) => lifter.write(target!, readMxcsr(lifter)),
  },
  area("Fxsave", "w", ["0fae4310"], save),
  area("Fxsave64", "w", ["480fae4310"], save),
  area("Fxrstor", "r", ["0fae4b10"], restore),
  area("Fxrstor64", "r", ["480fae4b10"], restore),
];
