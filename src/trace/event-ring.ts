/**
 * Where one Worker puts down what happens, and from where the supervisor takes it: a ring of 32-bit words in shared
 * memory, with one writer and one reader that never wait for each other. What finds it full is dropped and counted.
 *
 * An event is a header and its payload, whose meaning the reader knows by the kind:
 *
 *     word 0   kind, 16 bits; then its count of payload words, 8 bits
 *     word 1   time in ns on the host's monotonic clock, low word
 *     word 2   the same, high word
 *     word 3   thread id
 */

// Words before the ring. The reader's and the writer's are in different cache lines.
const WRITTEN = 0;
const DROPPED = 1;
const READ = 16;
const HEADER_WORDS = 32;
const RING_WORDS = 1 << 18;
const MASK = RING_WORDS - 1;

const EVENT_HEADER_WORDS = 4;
export const MAX_PAYLOAD_WORDS = 255;

/** Kinds below this are the numbers of probes. */
export const KIND_SYSCALL = 0xfff0;
export const KIND_SYSCALL_RETURN = 0xfff1;
export const KIND_THREAD_BEGIN = 0xfff2;
export const KIND_THREAD_END = 0xfff3;

export interface RawEvent {
  readonly kind: number;
  readonly timeNs: number;
  readonly tid: number;
  readonly payload: Uint32Array;
}

export class EventRing {
  private readonly words: Int32Array;
  /** The writer's own: where it writes next, modulo 2^32. */
  private at = 0;
  private start = 0;
  private limit = 0;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * (HEADER_WORDS + RING_WORDS));
  }
  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  // --- the writer ---

  /** Begins an event with up to `words` of payload. False if there is no room for it: then it is counted, and no more. */
  begin(words: number): boolean {
    const end = (this.start + EVENT_HEADER_WORDS + words) | 0;
    if (((this.limit - end) | 0) < 0) {
      this.limit = (Atomics.load(this.words, READ) + RING_WORDS) | 0;
      if (((this.limit - end) | 0) < 0) {
        Atomics.add(this.words, DROPPED, 1);
        return false;
      }
    }
    this.at = (this.start + EVENT_HEADER_WORDS) | 0;
    return true;
  }
  /** Adds a word to the payload. */
  put(word: number): void {
    this.words[HEADER_WORDS + (this.at & MASK)] = word;
    this.at = (this.at + 1) | 0;
  }
  /** Publishes the event that was begun. */
  end(kind: number, timeNs: number, tid: number): void {
    const { words, start, at } = this;
    const count = (at - start - EVENT_HEADER_WORDS) | 0;
    words[HEADER_WORDS + (start & MASK)] = kind | (count << 16);
    words[HEADER_WORDS + ((start + 1) & MASK)] = timeNs | 0;
    words[HEADER_WORDS + ((start + 2) & MASK)] = timeNs / 0x1_0000_0000;
    words[HEADER_WORDS + ((start + 3) & MASK)] = tid;
    this.start = at;
    Atomics.store(words, WRITTEN, at);
  }

  // --- the reader ---

  /** Takes out what is there, in the order in which it was put in. */
  *take(): Generator<RawEvent> {
    const { words } = this;
    const end = Atomics.load(words, WRITTEN);
    let at = Atomics.load(words, READ);
    const next = (): number => {
      const word = words[HEADER_WORDS + (at & MASK)]!;
      at = (at + 1) | 0;
      return word;
    };
    while (at !== end) {
      const first = next();
      const low = next() >>> 0;
      const timeNs = next() * 0x1_0000_0000 + low;
      const tid = next();
      const payload = new Uint32Array((first >>> 16) & MAX_PAYLOAD_WORDS);
      for (let i = 0; i < payload.length; i++) payload[i] = next();
      Atomics.store(words, READ, at);
      yield { kind: first & 0xffff, timeNs, tid, payload };
    }
  }
  /** Events dropped since this was last called. */
  takeDropped(): number {
    return Atomics.exchange(this.words, DROPPED, 0);
  }
}
