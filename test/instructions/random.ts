/** Reproducible random values, with a taste for edge cases. */

const INTEGERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 8n, 9n, 15n, 16n, 17n, 31n, 32n, 33n, 63n, 64n, 65n, 100n, 127n, 128n, 129n, 255n, 256n],
  ...[0x7fffn, 0x8000n, 0x8001n, 0xffffn, 0x10000n, 0x7fffffffn, 0x80000000n, 0x80000001n, 0xffffffffn, 0x100000000n],
  ...[
    0x7fffffffffffffffn,
    0x8000000000000000n,
    0x8000000000000001n,
    -1n,
    -2n,
    -8n,
    -128n,
    -129n,
    -32768n,
    -0x80000000n,
  ],
  ...[0x5555555555555555n, 0xaaaaaaaaaaaaaaaan, 0x0123456789abcdefn, 0xff00ff00ff00ff00n, 0xffffffff00000000n],
].map((value) => BigInt.asUintN(64, value));

/** Bit patterns of doubles. */
const DOUBLES: readonly bigint[] = [
  ...[0x0000000000000000n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x3fe0000000000000n],
  ...[0x0000000000000001n, 0x8000000000000001n, 0x000fffffffffffffn, 0x0010000000000000n, 0x7fefffffffffffffn],
  ...[0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff0000000000001n],
  ...[0xfff4000000000123n, 0x7ffc000000000456n, 0x41dfffffffc00000n, 0x41e0000000000000n, 0xc1e0000000000000n],
  ...[0xc1e0000000200000n, 0x43dfffffffffffffn, 0x43e0000000000000n, 0xc3e0000000000000n, 0x3ff8000000000000n],
  ...[0x4004000000000000n, 0xc004000000000000n, 0x41efffffffe00000n, 0x36a0000000000000n, 0x47efffffe0000000n],
];
/** Bit patterns of floats. */
const FLOATS: readonly number[] = [
  ...[0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000],
  ...[0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffa00123, 0x7fe00456, 0x4effffff],
  ...[0x4f000000, 0xcf000000, 0x5effffff, 0x5f000000, 0xdf000000, 0x3fc00000, 0x40200000, 0xc0200000, 0x4b000001],
];

/** xorshift128; the same seed gives the same sequence everywhere. */
export class Random {
  private a: number;
  private b = 0x9e3779b9;
  private c = 0x243f6a88;
  private d = 0xb7e15162;

  constructor(seed: number) {
    this.a = seed | 0;
    for (let i = 0; i < 16; i++) this.word();
  }
  /** 32 random bits, unsigned. */
  word(): number {
    let t = this.d;
    const s = this.a;
    this.d = this.c;
    this.c = this.b;
    this.b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.a = t ^ s ^ (s >>> 19);
    return this.a >>> 0;
  }
  /** 0 <= result < limit. */
  below(limit: number): number {
    return this.word() % limit;
  }
  /** True in about `percent` of the cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
  quad(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
  /** A 64-bit value such as bugs like. */
  integer(): bigint {
    switch (this.below(6)) {
      case 0:
      case 1:
        return this.pick(INTEGERS);
      case 2:
        return BigInt(this.below(256));
      case 3:
        return BigInt.asUintN(64, BigInt(this.word() | 0) >> BigInt(this.below(32)));
      case 4:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) - BigInt(this.below(3)));
      default:
        return this.quad();
    }
  }
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.word();
      bytes[i] = word;
      bytes[i + 1] = word >>> 8;
      bytes[i + 2] = word >>> 16;
      bytes[i + 3] = word >>> 24;
    }
  }
  /** Fills 16 bytes with a vector: edge doubles, edge floats, integers or noise. */
  vector(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    switch (this.below(5)) {
      case 0:
      case 1:
        for (let i = 0; i < 16; i += 8) view.setBigUint64(i, this.chance(80) ? this.pick(DOUBLES) : this.quad(), true);
        break;
      case 2:
      case 3:
        for (let i = 0; i < 16; i += 4) view.setUint32(i, this.chance(80) ? this.pick(FLOATS) : this.word(), true);
        break;
      default:
        for (let i = 0; i < 16; i += 8) view.setBigUint64(i, this.integer(), true);
    }
  }
}
