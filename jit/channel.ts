/** Requests for translation, from any guest thread to the translator Worker, over a SharedArrayBuffer. */

const LOCK = 0;
const STATE = 1;
const PC = 2;
const RESULT = 3;
const STARTED = 4;

const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;

export class TranslationChannel {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(32);
  }
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
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
    Atomics.notify(words, STATE);
    while (Atomics.load(words, STATE) !== ANSWERED) Atomics.wait(words, STATE, ASKED);
    const result = Atomics.load(words, RESULT);
    Atomics.store(words, STATE, IDLE);
    Atomics.store(words, LOCK, 0);
    Atomics.notify(words, LOCK, 1);
    return result !== 0;
  }

  /** The translator's side: waits for requests for ever. */
  serve(translate: (pc: number) => boolean): never {
    const { words } = this;
    for (;;) {
      const state = Atomics.load(words, STATE);
      if (state !== ASKED) {
        Atomics.wait(words, STATE, state);
        continue;
      }
      const published = translate(Atomics.load(words, PC) >>> 0);
      Atomics.store(words, RESULT, published ? 1 : 0);
      Atomics.store(words, STATE, ANSWERED);
      Atomics.notify(words, STATE);
    }
  }
}
