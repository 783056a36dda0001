/** System calls: plans that no address leads to; the Worker's side of the personality calls them. */
import { RAX } from "../../jit/registers.js";
import { errnoName } from "../../runtime-shims/errno.js";
import { ARG_REGISTERS, NUMBER_REGISTER } from "../../runtime-shims/syscalls/table.js";
import { syscallTable } from "../../runtime-shims/syscalls/index.js";
import type { Field, Row, Values } from "./row.js";

const register = (source: number): Field => ({ capture: { source, path: [], words: 2 }, shown: "address" });

export const callRow: Row = {
  event: "syscall-begins",
  group: "sys",
  at: [],
  fields: () => ({
    number: { capture: { source: NUMBER_REGISTER, path: [], words: 1 }, shown: "int" },
    ...Object.fromEntries(ARG_REGISTERS.map((source, index) => [`arg${index}`, register(source)])),
  }),
  // The return tells it.
  text: () => null,
};

export const returnRow: Row = {
  event: "syscall",
  group: "sys",
  at: [],
  fields: () => ({ result: register(RAX) }),
  text: () => null,
};

/** What a system call was, of what its beginning and its return have captured; it has not returned if `result` is undefined. */
export function describeCall(
  call: Values,
  result: string | undefined,
): { readonly name: string; readonly args: string; readonly result: string } {
  const number = Number(call["number"]);
  const row = syscallTable[number];
  const args = Array.from({ length: row?.args.length ?? ARG_REGISTERS.length }, (_, i) =>
    shown(String(call[`arg${i}`])),
  );
  return {
    name: row?.name ?? `number ${number}`,
    args: args.join(", "),
    result: result === undefined ? "?" : shownResult(result),
  };
}

/** Small numbers in decimal, others in hexadecimal. */
function shown(hex: string): string {
  const value = BigInt.asIntN(64, BigInt(hex));
  if (value < 0n && value > -0x1_0000n) return `${value}`;
  if (value >= 0xffff_f000n && value <= 0xffff_ffffn) return `${value - 0x1_0000_0000n}`;
  return value >= 0n && value < 0x1_0000n ? `${value}` : hex;
}

function shownResult(hex: string): string {
  const value = BigInt.asIntN(64, BigInt(hex));
  return value < 0n && value > -4096n ? `-1 ${errnoName(-Number(value))}` : shown(hex);
}
