/**
 * A trace for ui.perfetto.dev and chrome://tracing: Chrome's JSON trace event format, with a track for each M, P and goroutine, one for the
 * steps of the bootstrap, and one for the collector.
 */
import { Timeline, type Span } from "./timeline.js";
import type { TraceEvent, TraceSink } from "./trace-event.js";

/** The format's processes group tracks; its threads are the tracks. */
const PROCESSES = { bootstrap: 1, m: 2, p: 3, goroutine: 4, gc: 5 } as const;
type Process = keyof typeof PROCESSES;

const TITLES: Readonly<Record<Process, string>> = {
  bootstrap: "Bootstrap",
  m: "Ms (threads)",
  p: "Ps",
  goroutine: "Goroutines",
  gc: "Collector",
};

const TRACK_NAMES: Readonly<Record<Process, (id: number) => string>> = {
  bootstrap: () => "steps",
  m: (id) => `M${id}`,
  p: (id) => `P${id}`,
  goroutine: (id) => `g${id}`,
  gc: () => "phases",
};

/** Colours that the viewers know by name. */
const COLOURS: Readonly<Record<Span["kind"], string>> = {
  running: "thread_state_running",
  runnable: "thread_state_runnable",
  waiting: "thread_state_sleeping",
  syscall: "thread_state_iowait",
};

export class PerfettoSink implements TraceSink {
  private readonly write: (text: string) => void;
  private readonly timeline = new Timeline((span) => this.span(span));
  private readonly known = new Set<string>();
  /** By goroutine: its function. */
  private readonly functions = new Map<number, string>();
  private readonly begun: Partial<Record<"bootstrap" | "gc", TraceEvent>> = {};
  private separator = "[\n";
  private text = "";
  private lastUs = 0;

  constructor(write: (text: string) => void) {
    this.write = write;
    for (const [key, pid] of Object.entries(PROCESSES)) {
      this.put({ ph: "M", name: "process_name", pid, args: { name: TITLES[key as Process] } });
      this.put({ ph: "M", name: "process_sort_index", pid, args: { sort_index: pid } });
    }
  }

  add(event: TraceEvent): void {
    const { group, goroutine, values, timeUs } = event;
    this.lastUs = timeUs;
    if (event.event === "goroutine-created") this.functions.set(goroutine, String(values["function"]));
    this.timeline.add(event);
    if (group === "bootstrap" || group === "gc") {
      this.closePhase(group);
      this.begun[group] = event;
    } else if (group === "sched" && !event.event.startsWith("goroutine-")) {
      const { pid, tid } = this.track("m", event.m);
      this.put({ ph: "i", s: "t", name: event.event, cat: group, pid, tid, ts: timeUs, args: { text: event.text } });
    }
  }

  end(): void {
    this.timeline.end();
    this.closePhase("bootstrap");
    this.closePhase("gc");
    this.write(`${this.text}\n]\n`);
  }

  /** A step lasts until the next one. */
  private closePhase(group: "bootstrap" | "gc"): void {
    const event = this.begun[group];
    if (!event) return;
    const { pid, tid } = this.track(group, 0);
    const name = group === "bootstrap" ? event.function : event.event;
    const args = { ...event.values, text: event.text, pc: `0x${event.pc.toString(16)}` };
    this.put({ ph: "X", name, cat: group, pid, tid, ts: event.timeUs, dur: this.lastUs - event.timeUs, args });
    delete this.begun[group];
  }

  private span({ track, id, kind, startUs, endUs, goroutine, text }: Span): void {
    const { pid, tid } = this.track(track, id);
    const running = `g${goroutine} ${this.functions.get(goroutine) ?? ""}`.trim();
    const name = kind === "syscall" ? text.replace(/\(.*/, "") : track === "goroutine" ? kind : running;
    this.put({
      ph: "X",
      name,
      cat: kind,
      cname: COLOURS[kind],
      pid,
      tid,
      ts: startUs,
      dur: endUs - startUs,
      args: { text },
    });
  }

  /** The track's numbers in the format; its name is told when it is first used. */
  private track(process: Process, id: number): { pid: number; tid: number } {
    const pid = PROCESSES[process];
    // Thread 0 is no thread.
    const tid = id + 1;
    const key = `${pid}.${tid}`;
    if (!this.known.has(key)) {
      this.known.add(key);
      const name =
        `${TRACK_NAMES[process](id)} ${process === "goroutine" ? (this.functions.get(id) ?? "") : ""}`.trim();
      this.put({ ph: "M", name: "thread_name", pid, tid, args: { name } });
      this.put({ ph: "M", name: "thread_sort_index", pid, tid, args: { sort_index: id } });
    }
    return { pid, tid };
  }

  private put(record: object): void {
    this.text += this.separator + JSON.stringify(record);
    this.separator = ",\n";
    if (this.text.length < 1 << 16) return;
    this.write(this.text);
    this.text = "";
  }
}
