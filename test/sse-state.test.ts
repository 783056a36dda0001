/** MXCSR, FXSAVE and the approximations: what recorded vectors cannot compare, because processors differ. */
import { expect, test } from "vitest";
import { decodeOne } from "./instructions/generate.js";
import { Random } from "./instructions/random.js";
import { DATA, newState, type CpuState } from "./instructions/state.js";
import { Translated } from "./instructions/translated.js";

const OFFSET = 0x40;
const MXCSR = 24;
const XMM_AREA = 160;

/** Translated once each; all use [rbx+0x10]. */
const SNIPPETS = {
  stmxcsr: "0fae5b10",
  ldmxcsr: "0fae5310",
  fxsave: "0fae4310",
  fxrstor: "0fae4b10",
  rcpps: "0f53ca",
  rsqrtps: "0f52ca",
};
const names = Object.keys(SNIPPETS) as (keyof typeof SNIPPETS)[];
const translated = new Translated();
translated.load(
  Object.values(SNIPPETS).map((hex) => ({
    instructions: [decodeOne(Uint8Array.from(Buffer.from(hex, "hex")), true)!],
    live: 0,
  })),
);
const run = (name: keyof typeof SNIPPETS, state: CpuState) => translated.run(names.indexOf(name), state);

/** A state whose RBX makes the operand stand at `OFFSET` of the window. */
function stateAt(): CpuState {
  const state = newState();
  state.gpr[3] = BigInt(DATA + OFFSET - 0x10);
  return state;
}
const wordAt = (state: CpuState, offset: number): number =>
  new DataView(state.memory.buffer, state.memory.byteOffset).getUint32(OFFSET + offset, true);
const setWord = (state: CpuState, offset: number, value: number): void =>
  new DataView(state.memory.buffer, state.memory.byteOffset).setUint32(OFFSET + offset, value, true);

test("LDMXCSR and STMXCSR keep a value, reserved bits fault", () => {
  expect(wordAt(run("stmxcsr", stateAt()).state, 0)).toBe(0x1f80);
  const loaded = stateAt();
  setWord(loaded, 0, 0x7fbf);
  expect(run("ldmxcsr", loaded).fault).toBe(null);
  expect(wordAt(run("stmxcsr", stateAt()).state, 0)).toBe(0x7fbf);
  const reserved = stateAt();
  setWord(reserved, 0, 0x11f80);
  expect(run("ldmxcsr", reserved).fault).toBe("SIGSEGV");
  expect(wordAt(run("stmxcsr", stateAt()).state, 0)).toBe(0x7fbf);
  setWord(loaded, 0, 0x1f80);
  expect(run("ldmxcsr", loaded).fault).toBe(null);
});

test("FXSAVE and FXRSTOR carry MXCSR and the XMM registers", () => {
  const before = stateAt();
  before.memory.fill(0xcc);
  before.xmm.forEach((_, i) => (before.xmm[i] = i ^ 0x5a));
  const saved = run("fxsave", before);
  expect(saved.fault).toBe(null);
  // FCW 037Fh; no x87 register in use; MXCSR and its mask.
  expect([0, 4, 8, MXCSR, MXCSR + 4].map((offset) => wordAt(saved.state, offset))).toEqual([
    0x37f, 0, 0, 0x1f80, 0xffff,
  ]);
  const area = saved.state.memory.subarray(OFFSET);
  expect([...area.subarray(XMM_AREA, XMM_AREA + 256)]).toEqual([...before.xmm]);
  expect([...area.subarray(32, XMM_AREA)].every((byte) => byte === 0)).toBe(true);
  expect([...area.subarray(XMM_AREA + 256, 512)].every((byte) => byte === 0xcc)).toBe(true);

  const after = stateAt();
  after.memory.set(saved.state.memory);
  const restored = run("fxrstor", after);
  expect(restored.fault).toBe(null);
  expect([...restored.state.xmm]).toEqual([...before.xmm]);
  setWord(after, MXCSR, 0x80000000);
  expect(run("fxrstor", after).fault).toBe("SIGSEGV");
});

test("RCPPS and RSQRTPS are within the error that the manual allows", () => {
  const random = new Random(1);
  const exact = { rcpps: (x: number) => 1 / x, rsqrtps: (x: number) => 1 / Math.sqrt(x) };
  for (let n = 0; n < 2000; n++) {
    const state = newState();
    random.vector(state.xmm.subarray(32, 48));
    for (const name of ["rcpps", "rsqrtps"] as const) {
      const result = new DataView(run(name, state).state.xmm.buffer, 16, 32);
      for (let lane = 0; lane < 16; lane += 4) {
        const bits = new DataView(state.xmm.buffer).getUint32(32 + lane, true);
        let operand = result.getFloat32(16 + lane, true);
        if ((bits & 0x7f800000) === 0) operand = bits >>> 31 ? -0 : 0;
        // 1 / sqrt(-0) is -Infinity here, as on the processor.
        const wanted = exact[name](operand);
        const got = result.getFloat32(lane, true);
        if (Math.abs(wanted) < 2 ** -126)
          expect(Object.is(got, wanted < 0 || Object.is(wanted, -0) ? -0 : 0)).toBe(true);
        else if (Number.isFinite(wanted)) expect(Math.abs(got / wanted - 1)).toBeLessThan(1.5 / 4096);
        else expect(got).toBe(wanted);
      }
    }
  }
});
