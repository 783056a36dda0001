/** What packets are made of: numbers, bytes and texts in hexadecimal, and errors. */

/** Numbers of errors; gdb prints them and makes no difference between them. Linux's, errno.h. */
export const ERROR = { noSuch: 3, cannot: 14, busy: 16, malformed: 22, full: 28 } as const;

/** A packet that cannot be carried out; the answer is an error number. */
export class PacketError extends Error {
  readonly number: number;
  constructor(number: number) {
    super(`packet error ${number}`);
    this.number = number;
  }
}

/** An unsigned number in hexadecimal; above 2^53 it is rounded. @throws PacketError */
export function parseHex(text: string | undefined): number {
  if (text === undefined || !/^[0-9a-f]{1,16}$/i.test(text)) throw new PacketError(ERROR.malformed);
  return parseInt(text, 16);
}

/** Two numbers, as in `ADDRESS,LENGTH`. @throws PacketError */
export function parsePair(text: string): [number, number] {
  const [first, second, more] = text.split(",");
  if (more !== undefined) throw new PacketError(ERROR.malformed);
  return [parseHex(first), parseHex(second)];
}

/** Bytes, two digits each. @throws PacketError */
export function parseBytes(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw new PacketError(ERROR.malformed);
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** The same the other way. */
export const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A text in UTF-8, two digits each byte. */
export const hexText = (text: string): string => hexBytes(new TextEncoder().encode(text));

/** Bytes as a text of as many characters. */
export function binaryText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
