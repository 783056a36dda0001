import type { Readable } from "node:stream";
import { resultOfError } from "./errors.js";

/** Takes bytes from a stream of Node when it is told to, and no sooner. */
export class ChunkReader {
  readonly #stream: Readable;
  /** Errno, 0 at the end of the stream. */
  #ended: number | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("end", () => (this.#ended = 0));
    stream.on("close", () => (this.#ended ??= 0));
    stream.on("error", (error: unknown) => (this.#ended = -resultOfError(error)));
  }

  /** The next bytes, at most `limit`; or 0 at the end, errno if the stream failed. */
  async next(limit: number): Promise<Uint8Array | number> {
    for (;;) {
      const chunk = this.#stream.read(Math.min(limit, this.#stream.readableLength) || undefined) as Buffer | null;
      if (chunk !== null) return chunk;
      if (this.#ended !== undefined) return this.#ended;
      await this.#news();
    }
  }

  #news(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const events = ["readable", "end", "close", "error"];
      const done = (): void => {
        for (const event of events) stream.off(event, done);
        resolve();
      };
      for (const event of events) stream.on(event, done);
    });
  }
}
