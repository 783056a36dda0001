/** Tests that are not compared, because of what gojit does not do on purpose. */
interface LeftOut {
  readonly reason: string;
  /** Import path → names of tests or subtests, with their own subtests; * stands for any text. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** What gojit does not do is listed in docs/syscalls.md and docs/quirks.md. */
const leftOut: readonly LeftOut[] = [
  {
    reason: "starts other processes",
    tests: {
      "math/big": ["TestEscape"],
      os: [
        "TestErrProcessDone",
        "TestExecutable",
        "TestExecutableDeleted",
        "TestFileChdirTestlog",
        "TestFindProcessViaPidfd",
        "TestGetppid",
        "TestHostname",
        "TestKillFindProcess",
        "TestKillStartProcess",
        "TestProcessReleaseTwice",
        "TestProcessWithHandleLinux",
        "TestReadNonblockingFd",
        "TestStartProcess",
        "TestStartProcessWithPidfd",
        "TestStatStdin",
        "TestStdPipe",
        "TestUNIXProcessAlive",
      ],
      "os/signal": ["TestAtomicStop", "TestDetectNohup", "TestNohup", "TestNotifyContextNotifications"],
      "runtime/debug": ["TestSetCrashOutput", "TestStack"],
      "runtime/pprof": ["TestCPUProfileWithFork", "TestMapping"],
      sync: ["TestIssue76126", "TestMutexMisuse"],
    },
  },
  {
    reason: "opens sockets",
    tests: {
      bufio: ["TestCopyUnixpacket"],
      "encoding/json": ["TestHTTPDecoding"],
      os: [
        "TestGetPollFDAndNetwork",
        "TestLargeCopyViaNetwork",
        "TestRootConsistency*/unix_domain_socket_*",
        "TestSendFile",
        "TestSpliceFile",
      ],
    },
  },
  {
    reason: "makes a FIFO (docs/quirks-files.md)",
    tests: {
      os: ["TestFIFONonBlockingEOF", "TestFifoEOF"],
    },
  },
  {
    reason: "writes to read-only memory (docs/quirks-kernel.md)",
    tests: {
      reflect: ["TestTypeFieldReadOnly"],
      "runtime/debug": ["TestPanicOnFault"],
    },
  },
];

/** Why a test or a subtest is left out; undefined: it is compared. */
export function reasonToLeaveOut(packageName: string, test: string): string | undefined {
  return leftOut.find(({ tests }) => tests[packageName]?.some((pattern) => matches(pattern, test)))?.reason;
}

function matches(pattern: string, test: string): boolean {
  const source = pattern.split("*").map((text) => text.replace(/[^\w/]/g, "\\$&"));
  return new RegExp(`^${source.join(".*")}(/|$)`).test(test);
}
