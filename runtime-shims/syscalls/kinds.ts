import { decodeText } from "../guest-memory.js";
import type { ArgKind } from "./table.js";

const hex = (value: number): string => (value === 0 ? "NULL" : `0x${value.toString(16)}`);

/** Signed 32-bit integer. */
export const int: ArgKind = { decode: "int", format: (value) => `${value}` };
/** Unsigned 32-bit integer. */
export const uint: ArgKind = { decode: "uint", format: (value) => `${value}` };
/** File descriptor. */
export const fd: ArgKind = { ...int };
/** Directory file descriptor of an *at call. */
export const dirfd: ArgKind = { decode: "int", format: (value) => (value === -100 ? "AT_FDCWD" : `${value}`) };
/** Length in bytes. */
export const size: ArgKind = { decode: "ulong", format: (value) => `${value}` };
/** Signed 64-bit number, such as a file offset. */
export const long: ArgKind = { decode: "long", format: (value) => `${value}` };
/** Octal file mode. */
export const mode: ArgKind = { decode: "uint", format: (value) => `0${value.toString(8)}` };
/** Guest address that `run` checks itself. */
export const address: ArgKind = { decode: "ulong", format: hex };

/** Pointer to `bytes` bytes that the call writes, checked before `run`. */
export const pointerOut = (bytes: number, nullable = false): ArgKind => ({
  decode: "ulong",
  check: { access: "out", bytes, nullable },
  format: hex,
});

/** NUL-terminated string, which `run` checks. */
export const cstring: ArgKind = {
  decode: "ulong",
  format: (value, thread) => {
    const memory = thread.process.memory;
    const length = memory.stringLength(value, 4096);
    return length < 0 ? hex(value) : JSON.stringify(decodeText(memory.slice(value, length)));
  },
};

const quoteBytes = (bytes: Uint8Array, more: boolean): string => {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0x0a) text += "\\n";
    else if (byte === 0x09) text += "\\t";
    else if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${byte.toString(8)}`;
  }
  return `"${text}"${more ? "..." : ""}`;
};

/**
 * Data buffer; its length is argument `lengthArg`, or the result of the call when `lengthArg` is "result".
 * `run` checks it.
 */
export const buffer = (lengthArg: number | "result"): ArgKind => ({
  decode: "ulong",
  format: (value, thread, args, result) => {
    const length = lengthArg === "result" ? result : args[lengthArg];
    const shown = Math.min(length, 32);
    if (!(shown >= 0) || !thread.process.memory.readable(value, shown)) return hex(value);
    return quoteBytes(thread.process.memory.slice(value, shown), length > shown);
  },
});

/** Set of flags; `names` in order, entries with several bits before their parts; 0 shows as `zero`. */
export const flags = (names: Readonly<Record<string, number>>, zero = "0"): ArgKind => {
  const entries = Object.entries(names);
  return {
    decode: "uint",
    format: (value) => {
      let rest = value;
      const parts: string[] = [];
      for (const [name, bits] of entries) {
        if (bits !== 0 && (rest & bits) === bits) {
          parts.push(name);
          rest &= ~bits;
        }
      }
      if (rest !== 0) parts.push(`0x${(rest >>> 0).toString(16)}`);
      return parts.length === 0 ? zero : parts.join("|");
    },
  };
};

/** One of several named values. */
export const choice = (names: Readonly<Record<string, number>>): ArgKind => {
  const byValue = new Map(Object.entries(names).map(([name, value]) => [value, name]));
  return { decode: "int", format: (value) => byValue.get(value) ?? `${value}` };
};
