/** What an instruction's encoding tells of the address that it faulted at. */

const PREFIXES: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** One-byte opcodes with a ModRM byte: bit n of word k stands for opcode 32k + n. */
const ONE_BYTE_MODRM = [0x0f0f0f0f, 0x0f0f0f0f, 0, 0x00000a08, 0x0000ffff, 0, 0xff0f00c3, 0xc0c00000];

const hasModRm = (opcode: number): boolean => ((ONE_BYTE_MODRM[opcode >>> 5]! >>> (opcode & 31)) & 1) !== 0;

/**
 * The displacement of the memory operand of the instruction at the start of `code`; 0 if it has none. An access that
 * Wasm traps has a base of 0 in almost every case (a nil pointer), so this is where it faulted: registers are lost.
 */
export function memoryDisplacement(code: Uint8Array): number {
  let at = 0;
  while (PREFIXES.has(code[at]!)) at++;
  if ((code[at]! & 0xf0) === 0x40) at++;
  const opcode = code[at++]!;
  if (opcode === 0x0f) {
    const second = code[at++]!;
    if (second === 0x38 || second === 0x3a) at++;
  } else if (!hasModRm(opcode)) return 0;
  const modRm = code[at++]!;
  const mode = modRm >>> 6;
  const rm = modRm & 7;
  const base = mode !== 3 && rm === 4 ? code[at++]! & 7 : rm;
  const view = new DataView(code.buffer, code.byteOffset + at, 4);
  if (mode === 1) return view.getInt8(0);
  // Without a base register, and relative to RIP (which never faults at address 0): 32 bits as well.
  if (mode === 2 || (mode === 0 && base === 5 && rm === 4)) return view.getInt32(0, true);
  return 0;
}
