/** The ring that events go through, and what probes capture. */
import { expect, test } from "vitest";
import { CPU_FS_BASE, CPU_PAGES } from "../jit/cpu-block.js";
import { CpuState } from "../jit/cpu-state.js";
import {
  Captures,
  encodePlans,
  SOURCE_FS_BASE,
  SOURCE_G,
  SOURCE_NUMBER,
  SOURCE_XMM,
  type Capture,
} from "../src/trace/capture.js";
import { EventRing } from "../src/trace/event-ring.js";

const BASE = 0x10000;

test("a ring hands over events in order, and counts those that find it full", () => {
  const buffer = EventRing.allocate();
  const writer = new EventRing(buffer);
  const reader = new EventRing(buffer);
  const time = 2 ** 45 + 12345;
  let written = 0;
  let taken = 0;
  for (let round = 0; round < 3; round++) {
    while (writer.begin(3)) {
      writer.put(written);
      writer.put(-1);
      writer.end(written % 7, time + written, 40);
      written++;
    }
    expect(writer.begin(3)).toBe(false);
    for (const { kind, timeNs, tid, payload } of reader.take()) {
      const [first, second] = payload;
      const asWritten = kind === taken % 7 && timeNs === time + taken && tid === 40 && first === taken;
      if (!asWritten || second !== 0xffff_ffff || payload.length !== 2) throw new Error(`not event ${taken}`);
      taken++;
      if (round === 1 && taken % 100 === 0) break;
    }
    expect(reader.takeDropped()).toBe(2);
  }
  taken += [...reader.take()].length;
  expect(taken).toBe(written);
});

test("captures follow pointers, and what is not there is 0", () => {
  const guest = new SharedArrayBuffer(0x10000);
  const words = new Uint32Array(guest);
  const cpuMemory = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  const cpu = new CpuState(cpuMemory.buffer as SharedArrayBuffer);
  new BigUint64Array(cpuMemory.buffer, CPU_FS_BASE, 1)[0] = BigInt(BASE + 0x108);
  cpu.gpr[3] = 0x1234_5678_9abc_def0n;
  new DataView(cpu.xmm.buffer, cpu.xmm.byteOffset).setBigUint64(16, 77n, true);
  words[0x100 / 4] = BASE + 0x200; // g
  words[0x230 / 4] = BASE + 0x300; // g.m
  words[0x310 / 4] = 5;
  words[0x314 / 4] = 6;
  const take = (capture: Capture): number[] => {
    const out: number[] = [];
    const plans = encodePlans([{ captures: [capture], event: true, times: 0 }]);
    new Captures(plans, guest, BASE, cpu).take(0, { put: (word) => out.push(word >>> 0) });
    return out;
  };
  expect(take({ source: 3, path: [], words: 2 })).toEqual([0x9abcdef0, 0x12345678]);
  expect(take({ source: SOURCE_G, path: [], words: 1 })).toEqual([BASE + 0x200]);
  expect(take({ source: SOURCE_G, path: [0x30, 0x10], words: 2 })).toEqual([5, 6]);
  expect(take({ source: SOURCE_G, path: [0x40, 0x10], words: 1 })).toEqual([0]);
  expect(take({ source: SOURCE_NUMBER, number: BASE + 0x310, path: [0], words: 1 })).toEqual([5]);
  expect(take({ source: SOURCE_NUMBER, number: 0xffff_fff0, path: [0], words: 1 })).toEqual([0]);
  expect(take({ source: SOURCE_FS_BASE, path: [], words: 2 })).toEqual([BASE + 0x108, 0]);
  expect(take({ source: SOURCE_XMM, number: 1, path: [], words: 1 })).toEqual([77]);
});

test("a plan is taken so often, in all Workers together", () => {
  const plans = encodePlans([
    { captures: [], event: true, times: 2 },
    { captures: [], event: false, times: 0 },
  ]);
  const cpu = new CpuState(new SharedArrayBuffer(CPU_PAGES * 65536));
  const [first, second] = [0, 1].map(() => new Captures(plans, new SharedArrayBuffer(8), BASE, cpu));
  expect([first!.claim(0), second!.claim(0), first!.claim(0), second!.claim(0)]).toEqual([true, true, false, false]);
  expect([first!.claim(1), first!.claim(1), first!.claim(1)]).toEqual([true, true, true]);
  expect([first!.isEvent(0), first!.isEvent(1)]).toEqual([true, false]);
});
