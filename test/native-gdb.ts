/** A gdb of this machine on native processes: the oracle for what debuggers and traces show. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** The whole environment of the programs, natively and under gojit. */
export const ENVIRONMENT = { PATH: "/bin", GOMAXPROCS: "1" };
const SETTINGS = Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`);

/** Commands that bring a program to its entry in a native process; addresses are not random. */
export const START_NATIVELY: readonly string[] = [`set exec-wrapper env -i ${SETTINGS.join(" ")}`, "starti"];

const HEAP_PAGE = 8192;
/** How far from the first goroutine's g the heap of a program that starts may reach. */
const HEAP_BYTES = 64 * 2 ** 20;

/**
 * Numbers the pages of a Go heap in the order in which they are seen. Where a page is differs from run to run: from Go 1.26 on
 * the heap begins at a random page, which changes what it is cut into. What is where in a page is the same.
 */
export class HeapPages {
  private readonly g: number;
  private readonly pages = new Map<number, number>();

  /** @param g address of the first goroutine's g */
  constructor(g: number) {
    this.g = g;
  }
  /** The number of the page that an address is in and the offset there; undefined outside the heap. */
  find(address: number): { readonly page: number; readonly offset: number } | undefined {
    if (Math.abs(address - this.g) >= HEAP_BYTES) return undefined;
    const at = Math.floor(address / HEAP_PAGE);
    const page = this.pages.get(at) ?? this.pages.size;
    this.pages.set(at, page);
    return { page, offset: address % HEAP_PAGE };
  }
}

/** Why there is no such oracle here, or "". */
export function whyNoGdb(): string {
  if (process.platform !== "linux" || process.arch !== "x64") return "this is not linux/x64";
  const { error, stdout } = spawnSync("gdb", ["-nx", "-batch", "-ex", "starti", "-ex", "kill", "/bin/true"], {
    encoding: "utf8",
  });
  if (error) return "there is no gdb";
  return stdout.includes("Program stopped") ? "" : "gdb may not trace programs here";
}

/**
 * Runs gdb on a program.
 * @param script a file of commands that come last; one whose name ends in .py is Python
 * @param words the program and its arguments
 * @param env what gdb itself sees besides this process's environment
 * @returns what it writes to standard output. What it complains of, such as the runtime's source, which is not here, would come in between
 */
export async function gdb(
  commands: readonly string[],
  script: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const args = ["-nx", "-batch", ...commands.flatMap((command) => ["-ex", command]), "-x", script, "--args", ...words];
  const child = spawn("gdb", args, { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...env } });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  return output;
}
