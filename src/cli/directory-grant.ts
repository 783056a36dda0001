import { GojitError } from "../errors.js";

/** A host directory or file that the guest may see. */
export interface DirectoryGrant {
  /** As given; relative to the current directory. */
  readonly host: string;
  /** Absolute guest path; undefined: the host's own. */
  readonly guest: string | undefined;
  readonly readOnly: boolean;
}

/** Parses HOST[:GUEST][:ro]. The colon of a drive (C:\\…, with a backslash) belongs to HOST. @throws GojitError (exit status 2) */
export function parseDirectoryGrant(text: string): DirectoryGrant {
  const drive = /^[A-Za-z]:\\/.test(text) ? text.slice(0, 2) : "";
  const parts = text.slice(drive.length).split(":");
  const readOnly = parts.length > 1 && (parts.at(-1) === "ro" || parts.at(-1) === "rw") && parts.pop() === "ro";
  const host = drive + parts.shift()!;
  const guest = parts.length > 0 ? parts.join(":") : undefined;
  if (host === "") throw new GojitError("bad-option", `--dir: "${text}" names no directory; give HOST[:GUEST][:ro].`);
  if (guest !== undefined && !guest.startsWith("/")) {
    throw new GojitError("bad-option", `--dir: the guest path "${guest}" is not absolute; begin it with "/".`);
  }
  return { host, guest, readOnly };
}
