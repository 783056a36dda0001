/** What the scheduler and the collector do, for as long as the program runs. */
import { follow, statusName, type Field, type FieldMaker, type Row } from "./row.js";

/** A probe that only says by which way the next event came about. */
const way = (event: string, names: readonly string[], word?: (at: FieldMaker) => Field): Row => ({
  event,
  group: "sched",
  at: names,
  times: 0,
  note: true,
  optional: true,
  ...(word ? { fields: (at: FieldMaker) => ({ word: word(at) }) } : {}),
  text: () => null,
});

const collector = (event: string, names: readonly string[], what: string, more: Partial<Row> = {}): Row => ({
  event,
  group: "gc",
  at: names,
  text: () => what,
  ...more,
});

const goid = (at: FieldMaker, index: number): Field => at.arg(index, "number", at.layout.gGoid);

/** Why a goroutine leaves its thread to others, by what was noted before. */
const YIELDS: Readonly<Record<string, string>> = {
  gosched: "it yields: Gosched",
  "async-preempt": "preempted by SIGURG, in the middle of a function",
  "stack-check": "preempted at a function's beginning, where the stack is checked",
};

/** Where the scheduler found what it runs, by what was noted last. */
const SOURCES: Readonly<Record<string, string>> = {
  "local-queue": "from the P's queue",
  "global-queue": "from the global queue",
  stealing: "stolen from P",
  polling: "from the network poller",
  "collector-worker": "as a worker of the collector",
  locked: "locked to this thread, whose P comes from the M that found it",
};

export const schedulerRows: readonly Row[] = [
  // --- goroutines ---
  {
    event: "goroutine-asked",
    group: "sched",
    at: ["runtime.newproc1"],
    timed: false,
    fields: (at) => ({ function: at.arg(0, "code", 0), caller: at.newprocCaller() }),
    // What `goroutine-created` then tells.
    text: () => null,
  },
  {
    event: "goroutine-created",
    group: "sched",
    at: ["runtime.runqput"],
    afterNote: true,
    takesNote: true,
    fields: (at) => {
      const g = at.arg(1, "address");
      return {
        goid: goid(at, 1),
        status: follow(g, "int", at.layout.gStatus),
        next: at.arg(2, "flag"),
        newG: g,
        ...at.stackOf(g),
        ...at.schedOf(g),
        returnTo: follow(follow(g, "address", at.layout.gSched), "code", 0),
      };
    },
    text: (v) =>
      `${statusName(v["status"]!)}, stack [${v["lo"]}, ${v["hi"]}); sched: sp ${v["sp"]} with the return to ${v["returnTo"]}, pc ${v["pc"]}, g ${v["gobufG"]}; ` +
      (v["next"] === true ? "into P's runnext" : "to the end of P's queue"),
  },
  {
    event: "goroutine-runs",
    group: "sched",
    at: ["runtime.execute"],
    takesNote: true,
    fields: (at) => ({
      goid: goid(at, 0),
      inheritTime: at.arg(1, "flag"),
      tick: at.g("int", at.layout.gM, at.layout.mP, at.layout.pSchedtick),
      queueHead: at.g("int", at.layout.gM, at.layout.mP, at.layout.pRunqhead),
    }),
    text: (v, from, word) => {
      if (v["inheritTime"] === true) return "from P's runnext, with the time that is left";
      const tick = Number(v["tick"]) % 61 === 0 ? ", this being a 61st tick" : "";
      if (from === "global-queue") return `from the global queue${tick}`;
      if (from === "stealing") return `stolen from P${word}`;
      return SOURCES[from] ?? "from P's queue";
    },
  },
  {
    event: "goroutine-parks",
    group: "sched",
    // Not gopark: what begins by looking at its stack may begin twice.
    at: ["runtime.park_m"],
    timed: false,
    fields: (at) => ({ goid: goid(at, 0), reason: at.arg(0, "byte", at.layout.gWaitreason) }),
    text: (v) => `waits: ${v["reasonName"]}`,
  },
  {
    event: "goroutine-yields",
    group: "sched",
    at: ["runtime.goschedImpl"],
    timed: false,
    takesNote: true,
    fields: (at) => ({ goid: goid(at, 0) }),
    text: (_, from) => `${YIELDS[from] ?? "preempted"}; to the global queue`,
  },
  {
    event: "goroutine-stops",
    group: "sched",
    at: ["runtime.preemptPark"],
    optional: true,
    fields: (at) => ({ goid: goid(at, 0) }),
    text: () => "stopped, for its stack to be scanned or shrunk",
  },
  {
    event: "goroutine-yields-briefly",
    group: "sched",
    at: ["runtime.goyield_m"],
    timed: false,
    optional: true,
    fields: (at) => ({ goid: goid(at, 0) }),
    text: () => "to the end of P's own queue",
  },
  {
    event: "goroutine-readied",
    group: "sched",
    at: ["runtime.ready"],
    fields: (at) => ({ goid: goid(at, 0), next: at.arg(2, "flag") }),
    text: (v) => `runnable again, ${v["next"] === true ? "into P's runnext" : "to the end of P's queue"}`,
  },
  {
    event: "goroutine-ends",
    group: "sched",
    at: ["runtime.goexit0"],
    fields: (at) => ({ goid: goid(at, 0) }),
    text: () => "its function has returned into goexit, which called mcall(goexit0)",
  },
  {
    event: "goroutine-freed",
    group: "sched",
    at: ["runtime.gfput"],
    fields: (at) => ({ goid: goid(at, 1) }),
    text: () => "its g goes to P's list of free ones, for the next `go`",
  },
  {
    event: "stack-copied",
    group: "sched",
    at: ["runtime.copystack"],
    takesNote: true,
    fields: (at) => {
      const g = at.arg(0, "address");
      const { lo, hi } = at.stackOf(g);
      return { goid: goid(at, 0), lo, hi, size: at.arg(1, "number") };
    },
    text: (v, from) => {
      const old = parseInt(String(v["hi"]), 16) - parseInt(String(v["lo"]), 16);
      return `stack ${from === "shrinking" ? "shrinks" : "grows"} from ${old} bytes [${v["lo"]}, ${v["hi"]}) to ${v["size"]}`;
    },
  },
  way("gosched", ["runtime.gosched_m", "runtime.goschedguarded_m"]),
  way("async-preempt", ["runtime.asyncPreempt2"]),
  way("stack-check", ["runtime.newstack"]),
  way("shrinking", ["runtime.shrinkstack"]),
  way("local-queue", ["runtime.runqget"]),
  way("global-queue", ["runtime.globrunqget"]),
  way("global-queue", ["runtime.globrunqgetbatch"]),
  way("stealing", ["runtime.runqsteal"], (at) => at.arg(1, "int", at.layout.pId)),
  way("polling", ["runtime.netpoll"]),
  way("collector-worker", ["runtime.(*gcControllerState).findRunnableGCWorker"]),

  way("locked", ["runtime.stoplockedm"]),

  // --- threads and Ps ---
  {
    event: "m-created",
    group: "sched",
    at: ["runtime.newosproc"],
    fields: (at) => {
      const g0 = at.arg(0, "address", at.layout.mG0);
      return {
        newM: at.arg(0, "int", at.layout.mId),
        start: at.arg(0, "code", at.layout.mStartfn, 0),
        ...at.stackOf(g0),
      };
    },
    text: (v) => {
      const start = v["start"] === "" ? "" : `, to run ${v["start"]}`;
      return `clone(2) for M${v["newM"]}${start}, on a g0 stack [${v["lo"]}, ${v["hi"]})`;
    },
  },
  {
    event: "m-starts",
    group: "sched",
    at: ["runtime.mstart1"],
    fields: (at) => at.stackOf(at.g("address")),
    text: (v) => `on its g0's stack [${v["lo"]}, ${v["hi"]}), stackguard0 ${v["guard0"]}`,
  },
  {
    event: "m-parks",
    group: "sched",
    at: ["runtime.stopm"],
    text: () => "nothing to run: sleeps until another M wakes it",
  },
  { event: "m-ends", group: "sched", at: ["runtime.mexit"], optional: true, text: () => "the thread ends" },
  {
    event: "p-acquired",
    group: "sched",
    at: ["runtime.acquirep"],
    fields: (at) => ({ takes: at.arg(0, "int", at.layout.pId) }),
    text: (v) => `takes P${v["takes"]}`,
  },
  { event: "p-released", group: "sched", at: ["runtime.releasep"], text: () => "gives its P away" },
  {
    event: "p-idle",
    group: "sched",
    at: ["runtime.pidleput"],
    fields: (at) => ({ p: at.arg(0, "int", at.layout.pId) }),
    text: (v) => `P${v["p"]} goes to the list of idle Ps`,
  },
  {
    event: "p-handed-off",
    group: "sched",
    at: ["runtime.handoffp"],
    fields: (at) => ({ hands: at.arg(0, "int", at.layout.pId) }),
    text: (v) => `P${v["hands"]} is taken from an M that is in a system call or stops, for another one`,
  },
  {
    event: "preemption-asked",
    group: "sched",
    at: ["runtime.preemptone"],
    optional: true,
    fields: (at) => ({
      of: at.arg(0, "int", at.layout.pId),
      tick: at.arg(0, "int", at.layout.pSchedtick),
    }),
    text: (v) => `the goroutine on P${v["of"]} has run for too long, or the collector wants it to stop`,
  },
  {
    event: "preemption-signal",
    group: "sched",
    at: ["runtime.doSigPreempt"],
    optional: true,
    fields: (at) => ({ goid: goid(at, 0) }),
    text: () => "SIGURG has come; where it is safe the goroutine is made to call asyncPreempt",
  },

  // --- the collector ---
  collector("gc-asked", ["runtime.gcStart"], "the collector is to begin, unless it has"),
  collector(
    "gc-mark",
    ["runtime.(*gcControllerState).startCycle"],
    "the world has stopped, marking begins beside the program",
  ),
  collector("gc-mark-done", ["runtime.gcMarkDone"], "a worker has run out of work: is all marked?"),
  collector("gc-mark-termination", ["runtime.gcMarkTermination"], "all is marked, the write barrier goes off"),
  collector("gc-sweep", ["runtime.gcSweep"], "sweeping begins beside the program"),
  collector("world-stops", ["runtime.stopTheWorldWithSema"], "every P is stopped"),
  collector("world-starts", ["runtime.startTheWorldWithSema"], "every P goes on"),
];
