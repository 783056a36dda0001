/** The ring that events go through, and the code that fills it at probes. */
/// <reference path="../jit/webassembly.d.ts" />
import { expect, test } from "vitest";
import { CPU_FS_BASE, CPU_PAGES } from "../jit/cpu-block.js";
import { CpuState } from "../jit/cpu-state.js";
import { SOURCE_FS_BASE, SOURCE_G, SOURCE_NUMBER, type Capture, type ProbePlan } from "../src/trace/capture.js";
import { EventRing, EventWriter, type RawEvent } from "../src/trace/event-ring.js";
import { allocateShared, NOTE_WORDS, recorderModule } from "../src/trace/recorder-module.js";

const BASE = 0x10000;
const TID = 40;
const always: ProbePlan = {
  captures: [],
  times: Infinity,
  timed: true,
  note: false,
  takesNote: false,
  afterNote: false,
};

/** A Worker's side, with a page of guest memory: `probe(number)`, and what comes out of the ring. */
function recorder(plans: readonly ProbePlan[], shared = allocateShared(plans)) {
  const guest = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const cpuMemory = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  const memory = EventRing.allocate();
  const writer = new EventWriter(memory, shared);
  const ring = new EventRing(memory);
  writer.tid = TID;
  let now = 2 ** 45;
  const imports = { m: { g: guest, c: cpuMemory, e: memory, t: shared }, f: { now: () => ++now } };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(recorderModule(plans, 1, BASE)), imports);
  return {
    probe: exports["probe"] as (number: number) => number,
    writer,
    ring,
    take: (): RawEvent[] => ring.take(Infinity),
    words: new Uint32Array(guest.buffer),
    cpu: new CpuState(cpuMemory.buffer as SharedArrayBuffer),
    cpuMemory,
  };
}

test("a ring hands over events of both writers in order, and counts those that find it full", () => {
  const { probe, writer, ring, cpu } = recorder([{ ...always, captures: [{ source: 3, path: [], words: 2 }] }]);
  let written = 0;
  let taken = 0;
  for (let round = 0; round < 3; round++) {
    let dropped = 0;
    while (dropped === 0) {
      cpu.gpr[3] = BigInt(written);
      if (written % 3 === 0) writer.write(77, 2 ** 45 + written, [written, 1, 2, 3, 4]);
      else probe(0);
      dropped = ring.takeDropped();
      if (dropped === 0) written++;
    }
    expect(dropped).toBe(1);
    for (const { kind, tid, payload } of ring.take(round === 1 ? 1000 : Infinity)) {
      const expected = taken % 3 === 0 ? [77, 5, taken] : [0, 4, 0];
      if (kind !== expected[0] || payload.length !== expected[1] || payload[0] !== expected[2] || tid !== TID)
        throw new Error(`event ${taken}`);
      if (kind === 0 && payload[NOTE_WORDS] !== taken) throw new Error(`event ${taken}`);
      taken++;
    }
  }
  taken += ring.take(Infinity).length;
  expect(taken).toBe(written);
  expect(written).toBeGreaterThan(100_000);
});

test("captures follow pointers, and what is not there is 0", () => {
  const captures: readonly (readonly [Capture, readonly number[]])[] = [
    [{ source: 3, path: [], words: 2 }, [0x9abcdef0, 0x12345678]],
    [{ source: SOURCE_G, path: [], words: 1 }, [BASE + 0x200]],
    [{ source: SOURCE_G, path: [0x30, 0x10], words: 2 }, [5, 6]],
    [{ source: SOURCE_G, path: [0x40, 0x10], words: 1 }, [0]],
    [{ source: SOURCE_NUMBER, number: BASE + 0x310, path: [0], words: 1 }, [5]],
    [{ source: SOURCE_NUMBER, number: BASE + 0x312, path: [0], words: 1 }, [5]],
    [{ source: SOURCE_NUMBER, number: 0xffff_fff0, path: [0], words: 1 }, [0]],
    [{ source: SOURCE_NUMBER, number: BASE + 0xfffc, path: [0], words: 2 }, [9, 0]],
    [{ source: SOURCE_FS_BASE, path: [], words: 2 }, [BASE + 0x108, 0]],
  ];
  const { probe, take, words, cpu, cpuMemory } = recorder([
    { ...always, captures: captures.map(([capture]) => capture) },
  ]);
  new BigUint64Array(cpuMemory.buffer, CPU_FS_BASE, 1)[0] = BigInt(BASE + 0x108);
  cpu.gpr[3] = 0x1234_5678_9abc_def0n;
  words[0x100 / 4] = BASE + 0x200; // g
  words[0x230 / 4] = BASE + 0x300; // g.m
  words[0x310 / 4] = 5;
  words[0x314 / 4] = 6;
  words[0xfffc / 4] = 9;
  probe(0);
  expect([...take()[0]!.payload.subarray(NOTE_WORDS)]).toEqual(captures.flatMap(([, expected]) => expected));
});

test("events of all threads have one order, and a time if they ask for it", () => {
  const plans = [always, { ...always, timed: false }];
  const shared = allocateShared(plans);
  const [first, second] = [recorder(plans, shared), recorder(plans, shared)];
  first.probe(0);
  second.probe(0);
  second.writer.write(77, 5, []);
  first.probe(1);
  const facts = ({ take }: typeof first) => take().map(({ order, timeNs }) => [order, timeNs]);
  expect(facts(first)).toEqual([
    [0, 2 ** 45 + 1],
    [3, 0],
  ]);
  expect(facts(second)).toEqual([
    [1, 2 ** 45 + 1],
    [2, 5],
  ]);
});

test("a probe makes so many events, in all Workers together", () => {
  const plans = [{ ...always, times: 3 }];
  const shared = allocateShared(plans);
  const workers = [recorder(plans, shared), recorder(plans, shared)];
  for (let i = 0; i < 4; i++) for (const { probe } of workers) expect(probe(0)).toBe(0);
  expect(workers.map(({ take }) => take().length)).toEqual([2, 1]);
});

test("notes go with the next event that takes them", () => {
  const word: Capture = { source: 6, path: [], words: 1 };
  const { probe, take, cpu } = recorder([
    { ...always, times: 0, note: true, captures: [word] },
    always,
    { ...always, takesNote: true },
    { ...always, afterNote: true },
  ]);
  cpu.gpr[6] = 1234n;
  for (const number of [3, 0, 1, 3, 2, 2, 3]) probe(number);
  expect(take().map(({ kind, payload }) => [kind, ...payload])).toEqual([
    [1, 1, 1234],
    [3, 1, 1234],
    [2, 1, 1234],
    [2, 0, 1234],
  ]);
});
