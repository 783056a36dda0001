import { GojitError } from "../errors.js";

/** Where something listens on this machine. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1)$/;

/**
 * Parses [HOST:]PORT and unix:PATH. Whoever can connect has the program in hand, so that HOST must be this machine.
 * @throws GojitError (exit status 2)
 */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix:") && text.length > 5) return { path: text.slice(5) };
  const match = /^(?:(\[[^\]]*\]|[^:]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65535)
    throw new GojitError("bad-option", `--gdb: "${text}" is no address; give [HOST:]PORT or unix:PATH.`);
  const name = (match[1] ?? "").replace(/^\[|\]$/g, "");
  const host = name === "" || name === "localhost" ? "127.0.0.1" : name;
  if (!LOOPBACK.test(host))
    throw new GojitError("bad-option", `--gdb: ${name} is not this machine; give a PORT alone, or 127.0.0.1:PORT.`);
  return { host, port };
}
