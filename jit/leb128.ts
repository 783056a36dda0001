/** Numbers in LEB128, as the WebAssembly core specification has them. */

/** Appends a number below 2^32. */
export function pushUnsigned(out: number[], value: number): void {
  let rest = value >>> 0;
  for (; rest >= 128; rest >>>= 7) out.push((rest & 127) | 128);
  out.push(rest);
}

/** A number below 2^32. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  pushUnsigned(out, value);
  return out;
}

/** A 32-bit number with its sign. */
export function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (; rest < -64 || rest >= 64; rest >>= 7) out.push((rest & 127) | 128);
  out.push(rest & 127);
  return out;
}
