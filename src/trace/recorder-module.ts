/**
 * The code that runs at the probes of a trace: a WebAssembly module made from their plans, which every Worker instantiates. A goroutine
 * switch passes some ten probes, and JavaScript would take longer there than the switch itself.
 */
import { CPU_FS_BASE, CPU_GPR, CPU_PAGES } from "../../jit/cpu-block.js";
import { SOURCE_FS_BASE, SOURCE_G, SOURCE_NUMBER, wordsOf, type Capture, type ProbePlan } from "./capture.js";
import {
  EVENT_HEADER_WORDS,
  KIND_SKIP,
  RING_DROPPED,
  RING_HEADER_WORDS,
  RING_LIMIT,
  RING_NOTE,
  RING_NOTE_WORD,
  RING_PAGES,
  RING_READ,
  RING_TID,
  RING_WORDS,
  RING_WRITTEN,
  SHARED_ORDER,
} from "./event-ring.js";
import { code, moduleBytes, type Code } from "./wasm-bytes.js";

// Memories, in the order in which they are imported.
const GUEST = 0;
const CPU = 1;
const RING = 2;
/** SHARED_ORDER; then one word for each probe: how often it may still make an event. */
const SHARED = 3;
const COUNTS_AT = 4;

// Functions.
const NOW = 0;
const BEGIN = 1;

// Locals of `probe`.
const PROBE = 0;
const EVENT = 1;
const TEMPORARY = 2;
const LOCALS = 2;

/** Words of payload before what is captured: the note, and its word. */
export const NOTE_WORDS = 2;

/** The memory that all Workers share, ready for a run. */
export function allocateShared(plans: readonly ProbePlan[]): WebAssembly.Memory {
  const pages = sharedPages(plans);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  new Int32Array(memory.buffer, COUNTS_AT).set(plans.map(({ times }) => (times === Infinity ? 0 : times)));
  return memory;
}
const sharedPages = (plans: readonly ProbePlan[]): number => Math.ceil((COUNTS_AT + 4 * plans.length) / 65536);

/**
 * A module with the memories "m.g" (guest), "m.c" (CPU block), "m.e" (of `EventRing`), "m.t" (of `allocateShared`) and the clock "f.now",
 * ns, that exports `probe(number) → 0`.
 * @param guestPages size of the guest's memory
 * @param guestBase guest address of its first byte
 */
export function recorderModule(
  plans: readonly ProbePlan[],
  guestPages: number,
  guestBase: number,
): Uint8Array<ArrayBuffer> {
  const probe = new ProbeCode(guestPages, guestBase);
  // A block for each probe and one around them; innermost the switch. Behind the end of block i comes what probe i does.
  const body = [
    ...[...plans, undefined].flatMap(() => code.block),
    ...code.get(PROBE),
    ...code.breakTable(
      plans.map((_, i) => i),
      plans.length,
    ),
    ...plans.flatMap((plan, number) => [...code.end, ...probe.at(number, plan), ...code.const(0), ...code.return]),
    ...[...code.end, ...code.const(0)],
  ];
  return moduleBytes(
    [
      { name: "g", pages: [0, 65535] },
      { name: "c", pages: [CPU_PAGES, CPU_PAGES] },
      { name: "e", pages: [RING_PAGES, RING_PAGES] },
      { name: "t", pages: [sharedPages(plans), sharedPages(plans)] },
    ],
    [
      { parameters: 1, results: 1, locals: 3, code: begin },
      { parameters: 1, results: 1, locals: LOCALS, code: body, name: "probe" },
    ],
  );
}

const ringWord = (word: number): Code => [...code.const(0), ...code.load(RING, 4 * word)];
const setRingWord = (word: number, value: Code): Code => [...code.const(0), ...value, ...code.store(RING, 4 * word)];

/** `begin(words) → address`: room for an event of so many words, header included; 0 if there is none, which is counted. */
const begin: Code = (() => {
  const [words, start, offset, end] = [0, 1, 2, 3];
  return [
    ...[...ringWord(RING_WRITTEN), ...code.tee(start), ...code.const(RING_WORDS - 1), ...code.and, ...code.set(offset)],
    // Past the ring's end?
    ...[...code.get(start), ...code.get(words), ...code.add, ...code.set(end)],
    ...[...code.get(offset), ...code.get(words), ...code.add, ...code.const(RING_WORDS), ...code.gtU],
    ...code.if([
      ...code.get(end),
      ...code.const(RING_WORDS),
      ...code.get(offset),
      ...code.sub,
      ...code.add,
      ...code.set(end),
    ]),
    // No room, as far as was known? And now?
    ...[...ringWord(RING_LIMIT), ...code.get(end), ...code.sub, ...code.const(0), ...code.ltS],
    ...code.if([
      ...setRingWord(RING_LIMIT, [
        ...code.const(0),
        ...code.atomicLoad(RING, 4 * RING_READ),
        ...code.const(RING_WORDS),
        ...code.add,
      ]),
      ...[...ringWord(RING_LIMIT), ...code.get(end), ...code.sub, ...code.const(0), ...code.ltS],
      ...code.if([
        ...[...code.const(0), ...code.const(1), ...code.atomicAdd(RING, 4 * RING_DROPPED), ...code.drop],
        ...[...code.const(0), ...code.return],
      ]),
    ]),
    ...[...code.get(end), ...code.get(start), ...code.sub, ...code.get(words), ...code.gtU],
    ...code.if([
      ...[
        ...code.get(offset),
        ...code.const(2),
        ...code.shl,
        ...code.const(KIND_SKIP),
        ...code.store(RING, 4 * RING_HEADER_WORDS),
      ],
      ...[...code.const(0), ...code.set(offset)],
    ]),
    ...[...code.get(offset), ...code.const(2), ...code.shl, ...code.const(4 * RING_HEADER_WORDS), ...code.add],
  ];
})();

class ProbeCode {
  private readonly guestBytes: number;
  private readonly guestBase: number;

  constructor(guestPages: number, guestBase: number) {
    this.guestBytes = guestPages * 65536;
    this.guestBase = guestBase;
  }

  at(number: number, plan: ProbePlan): Code {
    const { captures, times, note } = plan;
    const out: number[] = [];
    // The event in a block of its own, which it leaves where there is to be none.
    if (times > 0) out.push(...code.block, ...this.event(number, plan), ...code.end);
    if (note) {
      out.push(...setRingWord(RING_NOTE, code.const(number + 1)));
      if (captures[0]) out.push(...setRingWord(RING_NOTE_WORD, this.word(captures[0], 0)));
    }
    return out;
  }

  private event(number: number, { captures, times, timed, takesNote, afterNote }: ProbePlan): Code {
    const words = NOTE_WORDS + wordsOf(captures);
    const out: number[] = [];
    if (times !== Infinity) {
      const count = COUNTS_AT + 4 * number;
      out.push(...code.const(0), ...code.load(SHARED, count), ...code.const(0), ...code.leS, ...code.breakIf(0));
      out.push(
        ...code.const(0),
        ...code.const(1),
        ...code.atomicSub(SHARED, count),
        ...code.const(0),
        ...code.leS,
        ...code.breakIf(0),
      );
    }
    if (afterNote) out.push(...ringWord(RING_NOTE), ...code.eqz, ...code.breakIf(0));
    const filled: number[] = [];
    const put = (word: number, value: Code): void =>
      void filled.push(...code.get(EVENT), ...value, ...code.store(RING, 4 * word));
    put(0, code.const(number | (words << 16)));
    if (timed) filled.push(...code.get(EVENT), ...code.call(NOW), ...code.truncate, ...code.store64(RING, 4));
    else for (const word of [1, 2]) put(word, code.const(0));
    put(3, ringWord(RING_TID));
    put(4, [...code.const(0), ...code.const(1), ...code.atomicAdd(SHARED, 4 * SHARED_ORDER)]);
    let at = EVENT_HEADER_WORDS;
    put(at++, ringWord(RING_NOTE));
    put(at++, ringWord(RING_NOTE_WORD));
    for (const capture of captures) for (let i = 0; i < capture.words; i++) put(at++, this.word(capture, i));
    // Visible from here on.
    const end: Code = [...code.get(EVENT), ...code.const(4 * RING_HEADER_WORDS), ...code.sub];
    filled.push(...code.const(0), ...this.positionOf(end, at), ...code.atomicStore(RING, 4 * RING_WRITTEN));
    out.push(...code.const(EVENT_HEADER_WORDS + words), ...code.call(BEGIN), ...code.tee(EVENT), ...code.if(filled));
    if (takesNote) out.push(...setRingWord(RING_NOTE, code.const(0)));
    return out;
  }

  /** The ring's position behind an event of `words` at byte `offset` of the ring: the next one after what was written before. */
  private positionOf(offset: Code, words: number): Code {
    const written = ringWord(RING_WRITTEN);
    // written + ((offset / 4 - written) mod RING_WORDS) + words
    return [
      ...written,
      ...[
        ...offset,
        ...code.const(2),
        ...code.shrU,
        ...written,
        ...code.sub,
        ...code.const(RING_WORDS - 1),
        ...code.and,
      ],
      ...[...code.add, ...code.const(words), ...code.add],
    ];
  }

  /** Word `index` of what is captured. */
  private word({ source, number = 0, path }: Capture, index: number): Code {
    if (path.length === 0) return this.source(source, number, index);
    let at = this.source(source, number, 0);
    path.forEach((offset, step) => {
      const last = step === path.length - 1;
      at = this.guestWord(at, offset + (last ? 4 * index : 0));
    });
    return at;
  }

  private source(source: number, number: number, index: number): Code {
    switch (source) {
      case SOURCE_NUMBER:
        return code.const(index ? 0 : number);
      case SOURCE_FS_BASE:
        return [...code.const(0), ...code.load(CPU, CPU_FS_BASE + 4 * index)];
      case SOURCE_G:
        // The thread's first local variable is below FS.base.
        return index ? code.const(0) : this.guestWord(this.source(SOURCE_FS_BASE, 0, 0), -8);
      default:
        return [...code.const(0), ...code.load(CPU, CPU_GPR + 8 * source + 4 * index)];
    }
  }

  /** The word at an address plus `offset`, or around it; 0 outside the guest's memory. */
  private guestWord(address: Code, offset: number): Code {
    return [
      ...[...address, ...code.const(offset - this.guestBase), ...code.add, ...code.const(-4), ...code.and],
      ...[...code.tee(TEMPORARY), ...code.const(this.guestBytes), ...code.ltU],
      ...code.ifElse([...code.get(TEMPORARY), ...code.load(GUEST, 0)], code.const(0)),
    ];
  }
}
