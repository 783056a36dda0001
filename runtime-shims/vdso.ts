/**
 * The vDSO: a tiny ELF image whose functions make the system call, except that CLOCK_MONOTONIC is read without one,
 * from the time stamp counter: that counts the clock's own nanoseconds. Go up to 1.15 calls the vsyscall page, which
 * does not exist here, unless it finds these.
 */

const VERSION = "LINUX_2.6";

/** CLOCK_MONOTONIC into the timespec at RSI; falls through to the system call for every other clock in EDI. */
const READ_MONOTONIC = [
  ...[0x83, 0xff, 0x01], // cmp edi, 1
  ...[0x75, 0x1d], // jne to the end
  ...[0x0f, 0x31], // rdtsc
  ...[0x48, 0xc1, 0xe2, 0x20], // shl rdx, 32
  ...[0x48, 0x09, 0xd0], // or rax, rdx
  ...[0x31, 0xd2], // xor edx, edx
  ...[0xb9, 0x00, 0xca, 0x9a, 0x3b], // mov ecx, 1000000000
  ...[0x48, 0xf7, 0xf1], // div rcx
  ...[0x48, 0x89, 0x06], // mov [rsi], rax
  ...[0x48, 0x89, 0x56, 0x08], // mov [rsi+8], rdx
  ...[0x31, 0xc0], // xor eax, eax
  ...[0xc3], // ret
];

const functions: readonly { readonly name: string; readonly nr: number; readonly code?: readonly number[] }[] = [
  { name: "__vdso_clock_gettime", nr: 228, code: READ_MONOTONIC },
  { name: "__vdso_gettimeofday", nr: 96 },
  { name: "__vdso_time", nr: 201 },
  { name: "__vdso_getcpu", nr: 309 },
];

/** The hash function of ELF symbol and version tables. */
const elfHash = (name: string): number => {
  let hash = 0;
  for (const character of name) {
    hash = ((hash << 4) + character.charCodeAt(0)) >>> 0;
    const high = hash & 0xf000_0000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
};

const EHDR = 64;
const PHDR = 56;
const SYM = 24;
const CODE_BYTES = 48;

const DT = {
  NULL: 0,
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  SYMENT: 11,
  SONAME: 14,
  VERSYM: 0x6fff_fff0,
  VERDEF: 0x6fff_fffc,
  VERDEFNUM: 0x6fff_fffd,
} as const;

/** String table; returns the offset of a name. */
const stringTable = (): { add(name: string): number; bytes(): Uint8Array } => {
  const encoder = new TextEncoder();
  let text = "\0";
  return {
    add: (name) => {
      const offset = text.length;
      text += `${name}\0`;
      return offset;
    },
    bytes: () => encoder.encode(text),
  };
};

/** Builds the image: at most one page, to be mapped readable and executable at any page boundary. */
export const buildVdso = (): Uint8Array => {
  const strings = stringTable();
  const soname = strings.add("linux-vdso.so.1");
  const version = strings.add(VERSION);
  const names = functions.map(({ name }) => strings.add(name));
  const stringBytes = strings.bytes();

  const align = (offset: number): number => Math.ceil(offset / 16) * 16;
  const symbolCount = functions.length + 1;
  const hashAt = align(EHDR + 2 * PHDR);
  const symbolsAt = align(hashAt + 4 * (2 + 1 + symbolCount));
  const stringsAt = align(symbolsAt + SYM * symbolCount);
  const versionsAt = align(stringsAt + stringBytes.length);
  const definitionsAt = align(versionsAt + 2 * symbolCount);
  const dynamicAt = align(definitionsAt + 2 * 28);
  const dynamic: readonly (readonly [number, number])[] = [
    [DT.SONAME, soname],
    [DT.HASH, hashAt],
    [DT.STRTAB, stringsAt],
    [DT.SYMTAB, symbolsAt],
    [DT.STRSZ, stringBytes.length],
    [DT.SYMENT, SYM],
    [DT.VERSYM, versionsAt],
    [DT.VERDEF, definitionsAt],
    [DT.VERDEFNUM, 2],
    [DT.NULL, 0],
  ];
  const codeAt = align(dynamicAt + 16 * dynamic.length);
  const size = codeAt + CODE_BYTES * functions.length;

  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, true);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, true);

  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  u16(16, 3);
  u16(18, 62);
  u32(20, 1);
  u32(32, EHDR);
  u16(52, EHDR);
  u16(54, PHDR);
  u16(56, 2);
  u16(58, 64);
  const programHeader = (at: number, type: number, flags: number, offset: number, length: number): void => {
    u32(at, type);
    u32(at + 4, flags);
    u32(at + 8, offset);
    u32(at + 16, offset);
    u32(at + 24, offset);
    u32(at + 32, length);
    u32(at + 40, length);
    u32(at + 48, type === 1 ? 4096 : 8);
  };
  programHeader(EHDR, 1, 5, 0, size);
  programHeader(EHDR + PHDR, 2, 4, dynamicAt, 16 * dynamic.length);

  // One bucket: the chain runs through all symbols.
  u32(hashAt, 1);
  u32(hashAt + 4, symbolCount);
  u32(hashAt + 8, 1);
  for (let symbol = 1; symbol < symbolCount; symbol++) {
    u32(hashAt + 12 + 4 * symbol, symbol + 1 < symbolCount ? symbol + 1 : 0);
  }
  functions.forEach(({ nr, code: fast = [] }, index) => {
    const symbol = symbolsAt + SYM * (index + 1);
    const code = codeAt + CODE_BYTES * index;
    u32(symbol, names[index]);
    // Global function in some section.
    bytes[symbol + 4] = 0x12;
    u16(symbol + 6, 1);
    u32(symbol + 8, code);
    u32(symbol + 16, CODE_BYTES);
    // Version index 2, defined below.
    u16(versionsAt + 2 * (index + 1), 2);
    // mov eax, nr; syscall; ret
    bytes.set([...fast, 0xb8, nr & 255, nr >>> 8, 0, 0, 0x0f, 0x05, 0xc3], code);
  });
  bytes.set(stringBytes, stringsAt);
  const definition = (at: number, flags: number, index: number, name: string, offset: number, next: number): void => {
    u16(at, 1);
    u16(at + 2, flags);
    u16(at + 4, index);
    u16(at + 6, 1);
    u32(at + 8, elfHash(name));
    u32(at + 12, 20);
    u32(at + 16, next);
    u32(at + 20, offset);
  };
  definition(definitionsAt, 1, 1, "linux-vdso.so.1", soname, 28);
  definition(definitionsAt + 28, 0, 2, VERSION, version, 0);
  dynamic.forEach(([tag, value], index) => {
    u32(dynamicAt + 16 * index, tag);
    u32(dynamicAt + 16 * index + 8, value);
  });
  return bytes;
};
