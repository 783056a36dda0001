import { GojitError } from "../errors.js";

const sizeUnits: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
const timeUnitsMs: Record<string, number> = { ms: 1, "": 1000, s: 1000, m: 60_000, h: 3_600_000 };
/** The longest delay that timers of JavaScript engines take. */
const maxTimeoutMs = 2 ** 31 - 1;

/** A whole number from `low` to `high`. @throws GojitError (exit status 2) */
export function parseInteger(option: string, text: string, low: number, high: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= low && value <= high) return value;
  throw new GojitError("bad-option", `${option}: "${text}" is not a whole number from ${low} to ${high}.`);
}

/** Bytes from 4096, 512K, 1500M, 1500MB, 1.5GiB; powers of 1024 throughout. @throws GojitError (exit status 2) */
export function parseSize(option: string, text: string, low: number, high: number): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?$/i.exec(text);
  const bytes = match ? Math.round(Number(match[1]) * sizeUnits[match[2]!.toLowerCase()]!) : NaN;
  if (bytes >= low && bytes <= high) return bytes;
  const range = `from ${low / 2 ** 20}M to ${high / 2 ** 30}G`;
  throw new GojitError("bad-option", `${option}: "${text}" is not a size ${range}, such as 1500M or 3G.`);
}

/** Milliseconds from 500ms, 10s, 10 (seconds), 1.5m, 1h. @throws GojitError (exit status 2) */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text);
  const milliseconds = match ? Number(match[1]) * timeUnitsMs[match[2]!]! : NaN;
  if (milliseconds > 0 && milliseconds <= maxTimeoutMs) return milliseconds;
  throw new GojitError(
    "bad-option",
    `${option}: "${text}" is not a time such as 500ms, 10s, 5m or 1h (at most 24 days).`,
  );
}
