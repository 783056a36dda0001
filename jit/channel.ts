/**
 * Requests for translation, from any guest thread to the translator Worker, over a SharedArrayBuffer: `request` waits
 * for the answer, `offer` does not.
 */

const LOCK = 0;
const STATE = 1;
const PC = 2;
const RESULT = 3;
const STARTED = 4;
/** Changes with every request and offer. */
const NEWS = 5;
/** Offers made and taken, modulo 2^32. */
const OFFERED = 6;
const TAKEN = 7;
/** How many more offers there have to be before a translator is started for them. */
const PATIENCE = 8;
const OFFERS_AT = 9;
const MAX_OFFERS = 1024;

/** How long the translator rests at most: V8 may be waiting for its thread to collect garbage (see runtime-shims/lock.ts). */
const NAP_MS = 1000;

const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;

export class TranslationChannel {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer((OFFERS_AT + MAX_OFFERS) * 4);
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
    if (Atomics.load(words, OFFERED) - Atomics.load(words, TAKEN) >= MAX_OFFERS / 2) return;
    Atomics.store(words, OFFERS_AT + (Atomics.add(words, OFFERED, 1) & (MAX_OFFERS - 1)), pc | 0);
    this.announce();
  }

  /** The translator's side: waits for requests for ever. */
  serve(translate: (pc: number, more: () => number) => boolean): never {
    const { words } = this;
    const more = (): number => (Atomics.load(words, STATE) === ASKED ? 0 : this.takeOffer());
    for (;;) {
      const news = Atomics.load(words, NEWS);
      if (Atomics.load(words, STATE) === ASKED) {
        // Whoever asks waits for this one.
        const published = translate(Atomics.load(words, PC) >>> 0, () => 0);
        Atomics.store(words, RESULT, published ? 1 : 0);
        Atomics.store(words, STATE, ANSWERED);
        Atomics.notify(words, STATE);
      } else {
        const pc = this.takeOffer();
        if (pc) translate(pc, more);
        else Atomics.wait(words, NEWS, news, NAP_MS);
      }
    }
  }

  /** The oldest offer, or 0. */
  private takeOffer(): number {
    const { words } = this;
    const taken = Atomics.load(words, TAKEN);
    if (taken === Atomics.load(words, OFFERED)) return 0;
    // 0 while its thread is still writing it: that announces it afterwards.
    const pc = Atomics.exchange(words, OFFERS_AT + (taken & (MAX_OFFERS - 1)), 0) >>> 0;
    if (pc) Atomics.store(words, TAKEN, taken + 1);
    return pc;
  }

  private announce(): void {
    Atomics.add(this.words, NEWS, 1);
    Atomics.notify(this.words, NEWS);
  }
}
