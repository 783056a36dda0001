/** Tests that are not compared, and why. Names are those of top-level tests; an absent version means all. */
export interface LeftOut {
  readonly reason: string;
  /** Import path → names. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** What gojit does not do on purpose (docs/syscalls.md), and the tests that need it. */
export const leftOut: readonly LeftOut[] = [
  {
    reason: "starts other processes",
    tests: {},
  },
  {
    reason: "opens sockets",
    tests: {},
  },
];

/** Why a test is left out; undefined: it is compared. */
export function reasonToLeaveOut(packageName: string, test: string): string | undefined {
  return leftOut.find(({ tests }) => tests[packageName]?.includes(test))?.reason;
}
