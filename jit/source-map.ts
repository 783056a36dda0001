/** Source maps as Binaryen writes them: JSON in ASCII, revision 3, one line, fields as differences in base 64 VLQ. */

/** Columns of the debug locations that gojit makes. Those from `FIRST_LAG_COLUMN` on belong to what may trap. */
export const UNLIKELY_COLUMN = 0;
export const LIKELY_COLUMN = 1;
const FIRST_LAG_COLUMN = 2;

/** The column that stands for RSP's distance from its copy in the CPU block: 0, -1, 1, -2, 2, and so on. */
export const columnOfLag = (lag: number): number => FIRST_LAG_COLUMN + (lag < 0 ? -2 * lag - 1 : 2 * lag);

/** The distance that a column stands for; null if it is that of a hinted branch. */
export function lagOfColumn(column: number): number | null {
  const code = column - FIRST_LAG_COLUMN;
  if (code < 0) return null;
  return code & 1 ? -(code + 1) / 2 : code / 2;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGITS = new Uint8Array(128);
for (let i = 0; i < BASE64.length; i++) DIGITS[BASE64.charCodeAt(i)] = i;
/** Says that another digit of the same number follows. */
const MORE = 32;
const COMMA = 0x2c;
const QUOTE = 0x22;
const MAPPINGS = Array.from('"mappings":"', (char) => char.charCodeAt(0));

/**
 * What a mapping says of the code from its offset in the module on.
 * @param line from 0; -1 where the code has no source
 * @returns true if that was enough
 */
export type MappingVisitor = (offset: number, line: number, column: number) => boolean;

/** Calls `visit` for each mapping, by ascending offsets. */
export function visitMappings(map: Uint8Array, visit: MappingVisitor): void {
  // Offset, source, line, column.
  const fields = [0, 0, 0, 0];
  let count = 0;
  let value = 0;
  let shift = 0;
  for (let at = mappingsStart(map); ; at++) {
    const char = map[at]!;
    if (char === COMMA || char === QUOTE) {
      if (count > 0 && visit(fields[0]!, count < 4 ? -1 : fields[2]!, fields[3]!)) return;
      if (char === QUOTE) return;
      count = 0;
      continue;
    }
    const digit = DIGITS[char]!;
    value |= (digit & (MORE - 1)) << shift;
    shift += 5;
    if (digit & MORE) continue;
    fields[count++]! += value & 1 ? -(value >>> 1) : value >>> 1;
    value = 0;
    shift = 0;
  }
}

/** The map of a module whose code has moved back by `distance` bytes. */
export function movedMap(map: Uint8Array, distance: number): Uint8Array {
  // Only the first offset is not relative to another.
  const start = mappingsStart(map);
  let end = start;
  let value = 0;
  for (let shift = 0; map[end] !== QUOTE; shift += 5) {
    const digit = DIGITS[map[end++]!]!;
    value |= (digit & (MORE - 1)) << shift;
    if (!(digit & MORE)) break;
  }
  if (end === start) return map;
  const first: number[] = [];
  let rest = value + 2 * distance;
  for (; rest >= MORE; rest >>>= 5) first.push(BASE64.charCodeAt((rest & (MORE - 1)) | MORE));
  first.push(BASE64.charCodeAt(rest));
  const moved = new Uint8Array(map.length - (end - start) + first.length);
  moved.set(map.subarray(0, start));
  moved.set(first, start);
  moved.set(map.subarray(end), start + first.length);
  return moved;
}

function mappingsStart(map: Uint8Array): number {
  for (let at = 0; ; at = map.indexOf(MAPPINGS[0]!, at + 1)) {
    if (MAPPINGS.every((char, i) => map[at + i] === char)) return at + MAPPINGS.length;
  }
}
