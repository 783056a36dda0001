/**
 * Requests for translation, from any guest thread to the translator Worker, over a SharedArrayBuffer: `request` waits
 * for the answer, `offer` does not. The supervisor says what is worth more effort than it got at first: `improve`.
 */

const LOCK = 0;
const STATE = 1;
const PC = 2;
const RESULT = 3;
const STARTED = 4;
/** Changes with every request and offer. */
const NEWS = 5;
/** How many more offers there have to be before a translator is started for them. */
const PATIENCE = 6;
const OFFERS_AT = 7;
// Words of a ring, before its entries: how many were put and taken, modulo 2^32.
const R_PUT = 0;
const R_TAKEN = 1;
const R_ENTRIES = 2;
const RING_ENTRIES = 1024;
const IMPROVEMENTS_AT = OFFERS_AT + R_ENTRIES + RING_ENTRIES;
const WORDS = IMPROVEMENTS_AT + R_ENTRIES + RING_ENTRIES;

/** How long the translator rests at most: V8 may be waiting for its thread to collect garbage (see runtime-shims/lock.ts). */
const NAP_MS = 1000;

const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;

export class TranslationChannel {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS * 4);
  }
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
  }

  /** From now on no translator is started for fewer offers than that; a request does not wait for them. */
  startAfter(offers: number): void {
    Atomics.store(this.words, PATIENCE, offers);
  }
  /** True if there have been so many offers that a translator is worth starting. */
  get isInDemand(): boolean {
    return Atomics.load(this.words, PATIENCE) <= 0;
  }

  /** True for exactly one caller: the one that has to see to it that a translator is started. */
  claimStart(): boolean {
    return Atomics.compareExchange(this.words, STARTED, 0, 1) === 0;
  }

  /** Asks for the region at `pc` and waits. Returns true if it has been published, false if no code is there. */
  request(pc: number): boolean {
    const { words } = this;
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) Atomics.wait(words, LOCK, 1);
    Atomics.store(words, PC, pc | 0);
    Atomics.store(words, STATE, ASKED);
    this.announce();
    while (Atomics.load(words, STATE) !== ANSWERED) Atomics.wait(words, STATE, ASKED);
    const result = Atomics.load(words, RESULT);
    Atomics.store(words, STATE, IDLE);
    Atomics.store(words, LOCK, 0);
    Atomics.notify(words, LOCK, 1);
    return result !== 0;
  }

  /** Proposes the region at `pc`. It is forgotten if too many wait already: what is hot is proposed again. */
  offer(pc: number): void {
    const { words } = this;
    if (!this.isInDemand) Atomics.sub(words, PATIENCE, 1);
    if (this.put(OFFERS_AT, pc)) this.announce();
  }

  /** Proposes to translate the region at `pc` again, with more effort. It is forgotten if too many wait already. */
  improve(pc: number): void {
    if (this.put(IMPROVEMENTS_AT, pc)) this.announce();
  }

  /**
   * The translator's side: waits for requests for ever.
   * @param translate gets what is asked for or offered, and takes along more of what is offered
   */
  serve(translate: (pc: number, more: () => number) => boolean, improve: (pc: number) => void): never {
    const { words } = this;
    const more = (): number => (Atomics.load(words, STATE) === ASKED ? 0 : this.take(OFFERS_AT));
    for (;;) {
      const news = Atomics.load(words, NEWS);
      if (Atomics.load(words, STATE) === ASKED) {
        // Whoever asks waits for this one.
        const published = translate(Atomics.load(words, PC) >>> 0, () => 0);
        Atomics.store(words, RESULT, published ? 1 : 0);
        Atomics.store(words, STATE, ANSWERED);
        Atomics.notify(words, STATE);
        continue;
      }
      // What is to be improved takes much of the time.
      const slow = this.take(IMPROVEMENTS_AT);
      const hot = slow ? 0 : this.take(OFFERS_AT);
      if (slow) improve(slow);
      else if (hot) translate(hot, more);
      else Atomics.wait(words, NEWS, news, NAP_MS);
    }
  }

  /** False if the ring at `ring` is half full. */
  private put(ring: number, pc: number): boolean {
    const { words } = this;
    if (Atomics.load(words, ring + R_PUT) - Atomics.load(words, ring + R_TAKEN) >= RING_ENTRIES / 2) return false;
    const entry = Atomics.add(words, ring + R_PUT, 1) & (RING_ENTRIES - 1);
    Atomics.store(words, ring + R_ENTRIES + entry, pc | 0);
    return true;
  }
  /** The oldest address in the ring at `ring`, or 0. */
  private take(ring: number): number {
    const { words } = this;
    const taken = Atomics.load(words, ring + R_TAKEN);
    if (taken === Atomics.load(words, ring + R_PUT)) return 0;
    // 0 while its thread is still writing it: that announces it afterwards.
    const pc = Atomics.exchange(words, ring + R_ENTRIES + (taken & (RING_ENTRIES - 1)), 0) >>> 0;
    if (pc) Atomics.store(words, ring + R_TAKEN, taken + 1);
    return pc;
  }

  private announce(): void {
    Atomics.add(this.words, NEWS, 1);
    Atomics.notify(this.words, NEWS);
  }
}
