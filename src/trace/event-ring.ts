/**
 * Where one Worker puts down what happens, and from where the supervisor takes it: a ring of 32-bit words in a memory of its own, with one
 * writer and one reader that never wait for each other. What finds it full is dropped and counted.
 *
 * An event is a header and its payload, whose meaning the reader knows by the kind:
 *
 *     word 0   kind, 16 bits; then its count of payload words, 8 bits
 *     word 1   time in ns on the host's monotonic clock, low word
 *     word 2   the same, high word; both 0: the time of the next event that has one
 *     word 3   thread id
 *     word 4   place in the order of all threads' events, modulo 2^32
 *
 * Events do not wrap: where one does not fit before the ring's end, a word of kind `KIND_SKIP` says so.
 *
 * The writer is JavaScript (this file) and WebAssembly (recorder-module.ts): what both need is in the memory too.
 */

// Words before the ring. The reader's is in a cache line of its own. Positions are words modulo 2^32.
export const RING_WRITTEN = 0;
export const RING_DROPPED = 1;
/** The writer's: where it may write up to; the thread's id; what it has noted. */
export const RING_LIMIT = 2;
export const RING_TID = 3;
export const RING_NOTE = 4;
export const RING_NOTE_WORD = 5;
export const RING_READ = 16;
export const RING_HEADER_WORDS = 32;
export const RING_WORDS = 1 << 20;
export const RING_PAGES = Math.ceil((4 * (RING_HEADER_WORDS + RING_WORDS)) / 65536);

export const EVENT_HEADER_WORDS = 5;

/** Of the memory that all writers share: how many events there have been. */
export const SHARED_ORDER = 0;

/** Kinds below this are the numbers of probes. */
export const KIND_THREAD_BEGIN = 0xfff2;
export const KIND_THREAD_END = 0xfff3;
export const KIND_SKIP = 0xffff;

export interface RawEvent {
  readonly kind: number;
  /** 0: that of the next event. */
  readonly timeNs: number;
  readonly tid: number;
  readonly order: number;
  readonly payload: Uint32Array;
}

/** A ring as its reader sees it. */
export class EventRing {
  readonly memory: WebAssembly.Memory;
  private readonly words: Int32Array;

  static allocate(): WebAssembly.Memory {
    return new WebAssembly.Memory({ initial: RING_PAGES, maximum: RING_PAGES, shared: true });
  }
  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.words = new Int32Array(memory.buffer);
  }

  /** Takes out up to `most` events, in the order in which they were put in. */
  take(most: number): RawEvent[] {
    const { words } = this;
    const end = Atomics.load(words, RING_WRITTEN);
    let at = Atomics.load(words, RING_READ);
    const taken: RawEvent[] = [];
    while (at !== end && taken.length < most) {
      const index = RING_HEADER_WORDS + (at & (RING_WORDS - 1));
      const first = words[index]!;
      const kind = first & 0xffff;
      if (kind === KIND_SKIP) {
        at = (at + RING_WORDS - (at & (RING_WORDS - 1))) | 0;
        continue;
      }
      const size = EVENT_HEADER_WORDS + ((first >>> 16) & 0xff);
      taken.push({
        kind,
        timeNs: words[index + 2]! * 0x1_0000_0000 + (words[index + 1]! >>> 0),
        tid: words[index + 3]!,
        order: words[index + 4]! >>> 0,
        payload: Uint32Array.from(words.subarray(index + EVENT_HEADER_WORDS, index + size)),
      });
      at = (at + size) | 0;
    }
    Atomics.store(words, RING_READ, at);
    return taken;
  }
  /** Events dropped since this was last called. */
  takeDropped(): number {
    return Atomics.exchange(this.words, RING_DROPPED, 0);
  }
}

/** The same as its writer sees it. */
export class EventWriter {
  private readonly words: Int32Array;
  private readonly shared: Int32Array;

  /** @param shared by all writers of a trace: its first word counts their events */
  constructor(memory: WebAssembly.Memory, shared: WebAssembly.Memory) {
    this.words = new Int32Array(memory.buffer);
    this.shared = new Int32Array(shared.buffer);
  }

  set tid(tid: number) {
    this.words[RING_TID] = tid;
    this.words[RING_NOTE] = 0;
  }

  /** Puts down an event. */
  write(kind: number, timeNs: number, payload: readonly number[]): void {
    const { words } = this;
    const size = EVENT_HEADER_WORDS + payload.length;
    const start = words[RING_WRITTEN]!;
    const offset = start & (RING_WORDS - 1);
    const skipped = offset + size > RING_WORDS ? RING_WORDS - offset : 0;
    const end = (start + skipped + size) | 0;
    words[RING_LIMIT] = (Atomics.load(words, RING_READ) + RING_WORDS) | 0;
    if (((words[RING_LIMIT] - end) | 0) < 0) {
      Atomics.add(words, RING_DROPPED, 1);
      return;
    }
    if (skipped) words[RING_HEADER_WORDS + offset] = KIND_SKIP;
    const at = RING_HEADER_WORDS + ((start + skipped) & (RING_WORDS - 1));
    words[at] = kind | (payload.length << 16);
    words[at + 1] = timeNs | 0;
    words[at + 2] = timeNs / 0x1_0000_0000;
    words[at + 3] = words[RING_TID]!;
    words[at + 4] = Atomics.add(this.shared, SHARED_ORDER, 1);
    words.set(payload, at + EVENT_HEADER_WORDS);
    Atomics.store(words, RING_WRITTEN, end);
  }
}
