/** How a test ended. CRASH: its process died; HANG: nothing happened for too long; MISSING: it was never started. */
export type Result = "PASS" | "FAIL" | "SKIP" | "CRASH" | "HANG" | "MISSING";

/** Results by name; a subtest's name has a slash. */
export type Results = Map<string, Result>;

/** Reads what a test binary writes with `-test.v`, line by line. Source: package testing, `src/testing/testing.go`. */
export class ResultReader {
  readonly results: Results = new Map();
  /** Top-level tests that have begun, neither ended nor waiting for their turn to run in parallel. */
  readonly running = new Set<string>();
  /** Top-level tests that wait for their turn. */
  readonly paused = new Set<string>();

  /** Takes one line, without its end. A test's own output may stand in front of a result on the same line. */
  line(text: string): void {
    const [, verb, name] = /=== (RUN|PAUSE|CONT) +(\S+)$/.exec(text) ?? [];
    if (verb !== undefined) return this.#moved(verb, name!);
    const [, result, ended] = /--- (PASS|FAIL|SKIP): (\S+) \(\d+\.\d+s\)$/.exec(text) ?? [];
    if (result === undefined) return;
    this.results.set(withoutAddresses(ended!), result as Result);
    this.running.delete(ended!);
    this.paused.delete(ended!);
  }

  #moved(verb: string, name: string): void {
    if (name.includes("/")) return;
    const [to, from] = verb === "PAUSE" ? [this.paused, this.running] : [this.running, this.paused];
    from.delete(name);
    to.add(name);
  }
}

/** Some subtests are named after the address of a value; tests have the names of their functions. */
function withoutAddresses(name: string): string {
  const [test, ...subtests] = name.split("/");
  return [test, ...subtests.map((subtest) => subtest.replace(/0x[0-9a-f]{6,}/g, "0x..."))].join("/");
}

/** A test whose results differ; undefined: the run did not name it. */
export interface Difference {
  readonly name: string;
  readonly native: Result | undefined;
  readonly gojit: Result | undefined;
}

/** Tests with other results under gojit than natively, by name. */
export function differences(native: Results, gojit: Results): Difference[] {
  const names = [...new Set([...native.keys(), ...gojit.keys()])].sort();
  return names
    .map((name) => ({ name, native: native.get(name), gojit: gojit.get(name) }))
    .filter((test) => test.native !== test.gojit);
}
