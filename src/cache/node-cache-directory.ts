import { homedir } from "node:os";
import path from "node:path";

/** Where packs are kept unless the user says otherwise; undefined if the host tells no home directory. */
export function defaultCacheDirectory(
  platform: NodeJS.Platform = process.platform,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const { isAbsolute, join } = platform === "win32" ? path.win32 : path.posix;
  const named = environment["XDG_CACHE_HOME"];
  // The XDG base directory specification: relative paths are invalid and ignored.
  if (named && isAbsolute(named)) return join(named, "gojit");
  const home = environment["HOME"] ?? environment["USERPROFILE"] ?? homedirOrNothing();
  switch (platform) {
    case "win32": {
      const local = environment["LOCALAPPDATA"] ?? (home && join(home, "AppData", "Local"));
      return local ? join(local, "gojit", "Cache") : undefined;
    }
    case "darwin":
      return home ? join(home, "Library", "Caches", "gojit") : undefined;
    default:
      return home ? join(home, ".cache", "gojit") : undefined;
  }
}

function homedirOrNothing(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
