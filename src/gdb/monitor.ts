/** gdb's `monitor COMMAND`: what the Go runtime's own structures say, which gdb does not know; stripped programs included. */
import type { DebugThread } from "../debug/debugger.js";
import type { Frame, Goroutine, RuntimeM } from "../debug/runtime-state.js";
import type { Inferior } from "./inferior.js";

interface MonitorRow {
  readonly usage: string;
  readonly help: string;
  readonly run: (inferior: Inferior, thread: DebugThread, argument: string | undefined) => readonly string[];
}

const rows: Readonly<Record<string, MonitorRow>> = {
  goroutines: {
    usage: "goroutines",
    help: "all goroutines: state, thread, and where they are",
    run: ({ state }) => state.goroutines().map((g) => `${goroutineLine(g)}  ${place(state.goroutineFrames(g)[0])}`),
  },
  g: {
    usage: "g N",
    help: "the stack of goroutine N",
    run({ state }, _thread, argument) {
      const found = state.goroutines().find(({ id }) => String(id) === argument);
      if (!found) return [`There is no goroutine ${argument ?? "without a number"}.`];
      return [goroutineLine(found), ...stack(state.goroutineFrames(found))];
    },
  },
  ms: {
    usage: "ms",
    help: "the Ms: thread, goroutine, P",
    run: ({ state }) =>
      state
        .ms()
        .map(({ id, m, thread, goroutine, p }) =>
          [`M${id}`, hex(m), `thread ${thread}`, `g${goroutine}`, p < 0 ? "no P" : `P${p}`].join("  "),
        ),
  },
  ps: {
    usage: "ps",
    help: "the Ps: state, M, length of the local run queue",
    run: ({ state }) =>
      state
        .ps()
        .map(({ id, p, status, m, queued }) =>
          [`P${id}`, hex(p), status, m < 0 ? "no M" : `M${m}`, `${queued} queued`].join("  "),
        ),
  },
  sched: {
    usage: "sched",
    help: "the scheduler in numbers",
    run({ state }) {
      const ps = state.ps();
      const queued = ps.reduce((sum, p) => sum + p.queued, 0);
      return [
        `goroutines: ${count(state.goroutines().map((g) => g.status))}`,
        `Ms: ${state.ms().length}, with a P ${state.ms().filter((m) => m.p >= 0).length}`,
        `Ps: ${count(ps.map((p) => p.status))}; in their run queues: ${queued}`,
      ];
    },
  },
  where: {
    usage: "where",
    help: "the stack of the selected thread, and of the goroutine that it runs",
    run: ({ state }, thread) => stack(state.threadFrames(thread)),
  },
  help: {
    usage: "help",
    help: "this list",
    run: () => Object.values(rows).map(({ usage, help }) => `${usage.padEnd(12)}${help}`),
  },
};

/** Carries out a command; what it prints. The program is stopped. */
export function runMonitor(inferior: Inferior, thread: DebugThread, [name = "", argument]: readonly string[]): string {
  const row = Object.hasOwn(rows, name) ? rows[name]! : rows["help"]!;
  const lines = row.run(inferior, thread, argument);
  return (lines.length === 0 ? ["None."] : lines).map((line) => `${line}\n`).join("");
}

/** A thread as the runtime sees it, as "M3 g17"; empty for one that the runtime does not know yet. */
export function threadText(ms: readonly RuntimeM[], tid: number): string {
  const m = ms.find(({ thread }) => thread === tid);
  return m ? `M${m.id}${m.goroutine ? ` g${m.goroutine}` : ""}` : "";
}

const hex = (address: number): string => `0x${address.toString(16)}`;

function goroutineLine({ id, g, status, waitReason, thread }: Goroutine): string {
  const why = waitReason === "" ? status : `${status} (${waitReason})`;
  return [`g${id}`, hex(g), why, ...(thread === undefined ? [] : [`thread ${thread}`])].join("  ");
}

function place(frame: Frame | undefined): string {
  if (!frame) return "";
  const { pc, function: name, file, line, inlined } = frame;
  const what = `${name || "??"}${inlined ? " (inlined)" : ""}`;
  return [hex(pc), what, ...(file === "" ? [] : [`${file}:${line}`])].join("  ");
}

const stack = (frames: readonly Frame[]): string[] => frames.map((frame, i) => `#${i}  ${place(frame)}`);

/** How often each word is there, such as "3 waiting, 1 running". */
function count(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, number]) => `${number} ${word}`).join(", ") || "none";
}
