import { GojitError } from "./errors.js";

/** The bytes behind a URL. @throws GojitError (file-not-found, file-unreadable) */
export async function fetchProgram(from: string | URL): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(from);
  } catch (error) {
    throw unreadable(from, error as Error);
  }
  if (!response.ok) throw unreadable(from, { message: `${response.status} ${response.statusText}` });
  return new Uint8Array(await response.arrayBuffer());
}

export const unreadable = (from: string | URL, { code, message }: { code?: string; message: string }): GojitError =>
  new GojitError(code === "ENOENT" ? "file-not-found" : "file-unreadable", `${from} cannot be read: ${message}.`);
