/** Reads WebAssembly's binary format from front to back. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  /** Where the next byte is read. */
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }
  get done(): boolean {
    return this.at >= this.bytes.length;
  }
  byte(): number {
    return this.bytes[this.at++]!;
  }
  leb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  }
  rest(): Uint8Array {
    return this.bytes.subarray(this.at);
  }
  take(length: number): Uint8Array {
    return this.bytes.subarray(this.at, (this.at += length));
  }
  name(): string {
    return String.fromCharCode(...this.take(this.leb()));
  }
}

const CODE_SECTION = 10;

/** Where a module's code section starts, and where the body of each of its functions starts and ends. */
export interface FunctionBodies {
  readonly section: number;
  readonly bodies: readonly { readonly start: number; readonly end: number }[];
}

/** @param module with at least one function */
export function functionBodies(module: Uint8Array): FunctionBodies {
  const reader = new ByteReader(module, 8);
  for (;;) {
    const section = reader.at;
    const id = reader.byte();
    const size = reader.leb();
    if (id !== CODE_SECTION) {
      reader.at += size;
      continue;
    }
    const bodies = [];
    for (let count = reader.leb(); count > 0; count--) {
      const length = reader.leb();
      bodies.push({ start: reader.at, end: (reader.at += length) });
    }
    return { section, bodies };
  }
}
