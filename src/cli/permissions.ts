import { GojitError } from "../errors.js";
import type { DirectoryGrant } from "./directory-grant.js";
import type { Options } from "./options.js";

/** A host directory or file and the guest path where it is seen. */
export interface Mount {
  /** Absolute, normalised, with "/" as separator. */
  readonly guest: string;
  /** Absolute path on the host, in the host's own spelling. */
  readonly host: string;
  readonly readOnly: boolean;
}

/** What the guest may see. Everything else does not exist for it. */
export interface Permissions {
  /** The mount with the longest guest path that contains a path decides. */
  readonly mounts: readonly Mount[];
  /** `NAME=VALUE`, in the guest's order. */
  readonly environment: readonly string[];
  /** Guest path of the current directory. */
  readonly currentDirectory: string;
  /** Whether /tmp is to be a fresh directory that goes when the guest ends. */
  readonly privateTmp: boolean;
}

/** What permissions are decided from; tests and embedders give their own. */
export interface PermissionSource {
  readonly currentDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute path of the program, which may read itself. */
  readonly program: string;
  /** Makes a host path absolute, against the current directory. */
  resolve(path: string): string;
  exists(path: string): boolean;
}

/**
 * Files of the system that every guest may read where the host has them: they hold no secrets, and Go's standard
 * library behaves differently without them. What it reads below /proc, /sys and /dev is synthetic: the personality
 * answers it without asking the host.
 */
export const systemPaths: readonly { readonly path: string; readonly reason: string }[] = [
  { path: "/etc/localtime", reason: "time: the local time zone" },
  { path: "/usr/share/zoneinfo", reason: "time: named zones, for TZ and LoadLocation" },
  { path: "/etc/mime.types", reason: "mime: types of file extensions" },
  { path: "/usr/share/mime/globs2", reason: "mime: the same, asked first" },
];

/** Variables that every guest may see: how to talk to the user, where it is, and the Go runtime's own switches. */
export const defaultVariables: readonly { readonly name: RegExp; readonly reason: string }[] = [
  { name: /^(LANG|LANGUAGE|LC_[A-Z]+)$/, reason: "language" },
  { name: /^(TERM|COLORTERM|COLUMNS|LINES)$/, reason: "what the terminal can do" },
  { name: /^(NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE)$/, reason: "whether to use colours" },
  { name: /^TZ$/, reason: "time zone" },
  { name: /^(PATH|HOME|PWD)$/, reason: "programs give up without them; they name places but open none" },
  { name: /^(GOMAXPROCS|GOGC|GODEBUG|GOTRACEBACK|GOMEMLIMIT)$/, reason: "the Go runtime's switches" },
];

/** Decides what the guest sees: by default its current directory, a private /tmp, and the two lists above. */
export function decidePermissions(options: Options, source: PermissionSource): Permissions {
  const all = options.allowAll === true;
  const here = guestPathOf(source.currentDirectory);
  const mounts = new Map<string, Mount>();
  const add = (host: string, guest: string, readOnly: boolean): void =>
    void mounts.set(guest, { guest, host, readOnly });
  if (all) {
    add(source.resolve("/"), "/", false);
  } else {
    for (const { path } of systemPaths) if (source.exists(path)) add(path, path, true);
    const program = guestPathOf(source.program);
    if (!isBelow(program, here)) add(source.program, program, true);
  }
  // Where the whole tree is one mount, the current directory is no mount point: it can be renamed.
  if (!all || source.resolve("/") !== "/") add(source.currentDirectory, here, false);
  for (const grant of options.directories) {
    const host = source.resolve(grant.host);
    add(host, grant.guest === undefined ? guestPathOf(host) : normalise(grant.guest), grant.readOnly);
  }
  return {
    mounts: [...mounts.values()],
    environment: decideEnvironment(options, source.environment),
    currentDirectory: here,
    privateTmp: !all && !mounts.has("/tmp"),
  };
}

function decideEnvironment(options: Options, host: PermissionSource["environment"]): string[] {
  const all = options.allowAll === true || options.environmentAll === true;
  const chosen = new Map<string, string>();
  for (const [name, value] of Object.entries(host)) {
    if (value !== undefined && (all || defaultVariables.some((row) => row.name.test(name)))) chosen.set(name, value);
  }
  for (const request of options.environment) {
    const equals = request.indexOf("=");
    const name = equals < 0 ? request : request.slice(0, equals);
    const value = equals < 0 ? host[name] : request.slice(equals + 1);
    if (value !== undefined) chosen.set(name, value);
  }
  return [...chosen].map(([name, value]) => `${name}=${value}`);
}

/** Checks that what is to be shown exists. @throws GojitError (exit status 2) */
export function checkGrants(grants: readonly DirectoryGrant[], source: PermissionSource): void {
  for (const { host } of grants) {
    if (!source.exists(source.resolve(host))) {
      throw new GojitError(
        "bad-option",
        `--dir: there is no "${host}" on this machine; give an existing directory or file.`,
      );
    }
  }
}

/** The guest path that stands for an absolute host path: itself, and /c/… for C:\… on Windows. */
export function guestPathOf(hostPath: string): string {
  const drive = /^([A-Za-z]):[\\/]/.exec(hostPath);
  return normalise(drive ? `/${drive[1]!.toLowerCase()}/${hostPath.slice(3).replaceAll("\\", "/")}` : hostPath);
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

function normalise(path: string): string {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") kept.pop();
    else if (part !== "" && part !== ".") kept.push(part);
  }
  return `/${kept.join("/")}`;
}
