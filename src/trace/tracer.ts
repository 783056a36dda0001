/** The supervisor's side of a trace: takes the events out of the Workers' rings, puts them in order, and says what they mean. */
import { KIND_THREAD_BEGIN, KIND_THREAD_END, type EventRing, type RawEvent } from "./event-ring.js";
import type { Value, Values } from "./row.js";
import { describeCall } from "./syscall-rows.js";
import type { TraceEvent, TraceSink } from "./trace-event.js";
import type { ProgramTrace } from "./trace-plan.js";

/** How long an event is held back, for one that came before it but is not yet written, or for the time of the next one. */
const PATIENCE_MS = 100;
const DRAIN_MS = 5;

/** So many events of a thread are taken before the next thread's. */
const MOST_AT_ONCE = 20_000;

const KIND_DROPPED = -1;

type Moment = Pick<RawEvent, "tid" | "timeNs">;

/** What is known of a thread. */
interface ThreadState {
  m: number;
  p: number;
  goid: number;
  /** A `go` statement that has been begun. */
  asked: Values | undefined;
  /** A system call that it is in. */
  call:
    | {
        readonly tid: number;
        readonly timeNs: number;
        readonly goid: number;
        readonly p: number;
        readonly values: Values;
      }
    | undefined;
  parent: number;
}

export class Tracer {
  private readonly trace: ProgramTrace;
  private readonly rings: readonly EventRing[];
  private readonly nowNs: () => number;
  private readonly sinks: readonly TraceSink[];
  private readonly accepts: (event: TraceEvent) => boolean;
  private pending: RawEvent[] = [];
  private startNs = -1;
  private lastNs = 0;
  /** The order of the next event. */
  private next = 0;
  /** Since when nothing was complete, though there was something; or 0. */
  private waitingSinceNs = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly threads = new Map<number, ThreadState>();
  /** By M: its thread. */
  private readonly threadOf = new Map<number, number>();
  /** By P: where its queue began when it was last looked at. */
  private readonly queueHeads = new Map<number, number>();
  /** By P: its tick when somebody was last asked to leave it. */
  private readonly askedAt = new Map<number, number>();
  /** Initialisation tasks that have begun, by their first function. */
  private readonly tasks = new Set<Value>();
  dropped = 0;

  /**
   * @param rings of the machine; more may come
   * @param nowNs the clock of the Workers
   * @param accepts false: the event is not shown; asked in order, for all
   */
  constructor(
    trace: ProgramTrace,
    rings: readonly EventRing[],
    nowNs: () => number,
    sinks: readonly TraceSink[],
    accepts: (event: TraceEvent) => boolean,
  ) {
    this.trace = trace;
    this.rings = rings;
    this.nowNs = nowNs;
    this.sinks = sinks;
    this.accepts = accepts;
  }

  /** Takes events from now on. It rests as long as it works: the program needs the processors. */
  start(pauseMs = DRAIN_MS): void {
    this.timer = setTimeout(() => {
      const startedNs = this.nowNs();
      this.drain(false);
      this.start(Math.max(DRAIN_MS, (this.nowNs() - startedNs) / 1e6));
    }, pauseMs);
  }
  /** Takes what is left. */
  end(): void {
    clearTimeout(this.timer);
    this.drain(true);
    for (const thread of this.threads.values()) {
      const event = thread.call && this.call({ tid: thread.call.tid, timeNs: this.lastNs }, thread);
      if (event && this.accepts(event)) for (const sink of this.sinks) sink.add(event);
    }
    for (const sink of this.sinks) sink.end();
  }

  /** @param all true: nothing more will come */
  private drain(all: boolean): void {
    for (const ring of this.rings) {
      const taken = ring.take(all ? Infinity : MOST_AT_ONCE);
      // Nearer to what is known than 2^31: the count wraps.
      for (const event of taken) this.pending.push({ ...event, order: this.next + ((event.order - this.next) | 0) });
      const last = this.pending.at(-1);
      const dropped = ring.takeDropped();
      // Where they are missing: behind what was there.
      if (dropped && last) this.pending.push({ ...last, kind: KIND_DROPPED, payload: Uint32Array.of(dropped) });
      this.dropped += dropped;
    }
    const ready = this.ready(all);
    for (const raw of ready) {
      // Begins with the program, not with its thread.
      if (this.startNs < 0 && raw.kind !== KIND_THREAD_BEGIN) this.startNs = raw.timeNs;
      const event = this.interpret(raw);
      if (event && this.accepts(event)) for (const sink of this.sinks) sink.add(event);
    }
  }

  /** Takes out what is complete: events in order, without a gap, up to the last one that has a time. */
  private ready(all: boolean): RawEvent[] {
    const { pending } = this;
    if (pending.length === 0) return [];
    pending.sort((a, b) => a.order - b.order);
    const now = this.nowNs();
    const impatient = all || (this.waitingSinceNs > 0 && now - this.waitingSinceNs > PATIENCE_MS * 1e6);
    let count = 0;
    let complete = 0;
    for (let next = this.next; count < pending.length; count++) {
      const { order, timeNs } = pending[count]!;
      if (order > next && !impatient) break;
      next = order + 1;
      if (timeNs !== 0) complete = count + 1;
    }
    if (impatient) complete = count;
    if (complete === 0) {
      this.waitingSinceNs ||= now;
      return [];
    }
    this.waitingSinceNs = 0;
    const ready = pending.splice(0, complete);
    this.next = ready[complete - 1]!.order + 1;
    let timeNs = all ? Math.max(this.lastNs, ...ready.slice(-1).map((event) => event.timeNs)) : now;
    // A thread may be kept from taking its number when it has read the clock: time does not go back all the same.
    for (let i = complete - 1; i >= 0; i--) {
      const event = ready[i]!;
      if (event.timeNs !== 0) timeNs = Math.min(timeNs, event.timeNs);
      ready[i] = { ...event, timeNs: Math.max(timeNs, this.lastNs) };
    }
    this.lastNs = ready[complete - 1]!.timeNs;
    return ready;
  }

  private interpret(raw: RawEvent): TraceEvent | null {
    const { kind, tid, payload } = raw;
    let thread = this.threads.get(tid);
    if (!thread || kind === KIND_THREAD_BEGIN) {
      thread = { m: 0, p: -1, goid: 0, asked: undefined, call: undefined, parent: 0 };
      this.threads.set(tid, thread);
    }
    switch (kind) {
      case KIND_DROPPED:
        return this.plain(
          raw,
          thread,
          "sched",
          "dropped",
          { count: payload[0]! },
          `${payload[0]} events of this thread came too fast and are missing`,
        );
      case KIND_THREAD_BEGIN:
        return null;
      case KIND_THREAD_END:
        if (this.threadOf.get(thread.m) === tid) this.threadOf.delete(thread.m);
        return null;
      default:
        return this.probe(raw, thread);
    }
  }

  private probe(raw: RawEvent, thread: ThreadState): TraceEvent | null {
    const decoded = this.trace.decode(raw.kind, raw.payload);
    // A new thread has its creator's thread pointer, and so its g, until it has set its own.
    const owner = this.threadOf.get(decoded.m) ?? raw.tid;
    this.threadOf.set(decoded.m, owner);
    const { probe, goid, m, p, values, text } = owner === raw.tid ? decoded : { ...decoded, goid: 0, m: -1, p: -1 };
    const { event, group } = probe.row;
    thread.m = m;
    thread.p = p;
    const of = (goroutine: number, more: Values, what: string | null): TraceEvent | null =>
      what === null
        ? null
        : {
            ...this.at(raw, thread),
            goroutine,
            group,
            event,
            pc: probe.pc,
            function: probe.function,
            values: more,
            text: what,
          };
    const about = typeof values["goid"] === "number" ? values["goid"] : goid;
    switch (event) {
      case "syscall-begins":
        thread.call = { tid: raw.tid, timeNs: raw.timeNs, goid, p, values };
        return null;
      case "syscall":
        return this.call(raw, thread, String(values["result"]));
      case "goroutine-asked":
        thread.asked = values;
        thread.parent = thread.goid;
        return null;
      case "goroutine-created": {
        const { asked } = thread;
        // Else it is one that has been there before, and is runnable again.
        if (!asked) return null;
        thread.asked = undefined;
        const more = { ...values, ...asked, parent: thread.parent };
        return of(about, more, `for ${asked["function"]}, by ${asked["caller"]}: ${text}`);
      }
      case "goroutine-runs": {
        thread.goid = about;
        const head = Number(values["queueHead"]);
        const moved = this.queueHeads.get(p) !== head;
        this.queueHeads.set(p, head);
        // Where the compiler has inlined how the global queue is looked at.
        const fromGlobal = text === "from P's queue" && !moved && Number(values["tick"]) % 61 === 0;
        return of(about, values, fromGlobal ? "from the global queue, this being a 61st tick" : text);
      }
      case "goroutine-parks":
      case "goroutine-yields":
      case "goroutine-yields-briefly":
      case "goroutine-stops":
      case "goroutine-ends":
        thread.goid = 0;
        return of(about, values, text);
      case "init-task": {
        // A goroutine that is preempted in a function's prologue begins the function again.
        const first = values["first"]!;
        if (this.tasks.has(first)) return null;
        this.tasks.add(first);
        return of(about, values, text);
      }
      case "preemption-asked": {
        // The monitor asks again and again.
        const target = Number(values["of"]);
        if (this.askedAt.get(target) === values["tick"]) return null;
        this.askedAt.set(target, Number(values["tick"]));
        return of(about, values, text);
      }
      default:
        return of(about, values, text);
    }
  }

  /** A system call, when it has returned, or when nothing is left to wait for. */
  private call(raw: Moment, thread: ThreadState, result?: string): TraceEvent | null {
    const { call } = thread;
    if (!call) return null;
    thread.call = undefined;
    const described = describeCall(call.values, result);
    const durationUs = Math.round(raw.timeNs - call.timeNs) / 1000;
    const { name, args, result: shown } = described;
    const text = `${name}(${args}) = ${shown}`;
    return {
      ...this.plain(raw, thread, "sys", "syscall", { ...described, durationUs }, text),
      goroutine: call.goid,
      p: call.p,
    };
  }

  private plain(
    raw: Moment,
    thread: ThreadState,
    group: TraceEvent["group"],
    event: string,
    values: Values,
    text: string,
  ): TraceEvent {
    return { ...this.at(raw, thread), goroutine: thread.goid, group, event, pc: -1, function: "", values, text };
  }
  private at(raw: Moment, { m, p }: ThreadState): Pick<TraceEvent, "timeUs" | "thread" | "m" | "p"> {
    return { timeUs: Math.round(raw.timeNs - this.startNs) / 1000, thread: raw.tid, m, p };
  }
}
