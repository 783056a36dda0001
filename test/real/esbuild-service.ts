/** The protocol that the npm package `esbuild` speaks with the executable over its standard streams (its stdio_types.ts). */

type Value = null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };

/** One request as bytes, given as Latin-1: its size, number and value. */
export function request(id: number, value: Value): string {
  const body = Buffer.concat([uint32(id << 1), encode(value)]);
  return Buffer.concat([uint32(body.length), body]).toString("latin1");
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function withSize(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function encode(value: Value): Buffer {
  if (value === null) return Buffer.of(0);
  if (typeof value === "boolean") return Buffer.of(1, Number(value));
  if (typeof value === "number") return Buffer.concat([Buffer.of(2), uint32(value)]);
  if (typeof value === "string") return Buffer.concat([Buffer.of(3), withSize(Buffer.from(value))]);
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.of(4), withSize(value)]);
  if (Array.isArray(value)) return Buffer.concat([Buffer.of(5), uint32(value.length), ...value.map(encode)]);
  const entries = Object.entries(value).flatMap(([key, part]) => [withSize(Buffer.from(key)), encode(part)]);
  return Buffer.concat([Buffer.of(6), uint32(entries.length / 2), ...entries]);
}
