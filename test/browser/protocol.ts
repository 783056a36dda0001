/** What driver and page say to each other; bytes are in Base64. */

export interface GuestRequest {
  /** URL of the executable. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  readonly cpus: number;
  readonly timeoutMs: number;
  /** Where the working directory is: in gojit's files in memory, or in those of preview2-shim. */
  readonly workDirectory: "memory" | "shim";
  /** Files to bring back, relative to the working directory. */
  readonly files: readonly string[];
}

export interface GuestResponse {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Null for a file that is not there. */
  readonly files: Readonly<Record<string, string | null>>;
}

export interface DebugRequest {
  /** URL of the executable. */
  readonly program: string;
  readonly args: readonly string[];
  /** A function. */
  readonly stopAt: string;
  /** How many lines to go on from there. */
  readonly lines: number;
}

export interface DebugResponse {
  /** Function and line: of the entry, of the stop, and after each line. */
  readonly places: readonly string[];
  readonly goroutines: number;
  readonly status: number;
}

declare global {
  /** The page's side, called by the driver. */
  var runGuest: (request: GuestRequest) => Promise<GuestResponse>;
  var debugGuest: (request: DebugRequest) => Promise<DebugResponse>;
}
