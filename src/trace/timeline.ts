/** Spans of time out of events: which goroutine was on which M and P, and what each goroutine was doing. */
import type { TraceEvent, TraceSink } from "./trace-event.js";

export type SpanKind = "running" | "runnable" | "waiting" | "syscall";

/** What one M, P or goroutine did for a while. */
export interface Span {
  readonly track: "m" | "p" | "goroutine";
  /** Number of the M, P or goroutine. */
  readonly id: number;
  readonly kind: SpanKind;
  readonly startUs: number;
  readonly endUs: number;
  readonly goroutine: number;
  /** Why it waits, or the system call. */
  readonly text: string;
}

type Open = Omit<Span, "endUs">;

/** Events that begin another state of the goroutine that they are about. */
const STATES: Readonly<Record<string, SpanKind>> = {
  "goroutine-created": "runnable",
  "goroutine-readied": "runnable",
  "goroutine-yields": "runnable",
  "goroutine-yields-briefly": "runnable",
  "goroutine-runs": "running",
  "goroutine-parks": "waiting",
  "goroutine-stops": "waiting",
};

/** Hands on each span when it ends. */
export class Timeline implements TraceSink {
  private readonly closed: (span: Span) => void;
  private readonly open = new Map<string, Open>();
  private lastUs = 0;

  constructor(closed: (span: Span) => void) {
    this.closed = closed;
  }

  add({ timeUs, m, p, goroutine, event, text, values }: TraceEvent): void {
    this.lastUs = timeUs;
    if (m < 0) return;
    if (event === "syscall") {
      const startUs = timeUs - Number(values["durationUs"]);
      this.closed({ track: "m", id: m, kind: "syscall", startUs, endUs: timeUs, goroutine, text });
      return;
    }
    if (event === "m-parks" || event === "m-ends") this.close("m", m);
    if (event === "p-released") this.close("p", p);
    const kind = STATES[event];
    if (kind === undefined && event !== "goroutine-ends") return;
    const before = this.close("goroutine", goroutine);
    if (before?.kind === "running" && kind !== "running") {
      this.close("m", m);
      this.close("p", p);
    }
    if (kind === undefined) return;
    const span = { kind, startUs: timeUs, goroutine, text };
    this.begin({ track: "goroutine", id: goroutine, ...span });
    if (kind !== "running") return;
    this.begin({ track: "m", id: m, ...span });
    if (p >= 0) this.begin({ track: "p", id: p, ...span });
  }

  end(): void {
    for (const { track, id } of [...this.open.values()]) this.close(track, id);
  }

  private begin(span: Open): void {
    this.close(span.track, span.id);
    this.open.set(`${span.track}${span.id}`, span);
  }
  private close(track: Span["track"], id: number): Open | undefined {
    const key = `${track}${id}`;
    const span = this.open.get(key);
    if (!span) return undefined;
    this.open.delete(key);
    this.closed({ ...span, endUs: this.lastUs });
    return span;
  }
}
