/** What a program's runtime does, as an async iterable: the events that `gojit trace` prints. */
import type { ProgramLayout } from "../go/program-layout.js";
import type { Machine } from "../machine/machine.js";
import type { Program } from "../program.js";
import type { Group } from "../trace/groups.js";
import type { TracePlan } from "../trace/recorder.js";
import type { TraceEvent } from "../trace/trace-event.js";
import { ProgramTrace } from "../trace/trace-plan.js";
import { Tracer } from "../trace/tracer.js";

export class EventStream {
  /** For the machine. */
  readonly probes: readonly number[];
  readonly trace: TracePlan;
  private readonly program: ProgramTrace;
  private tracer: Tracer | undefined;
  private readonly kept: TraceEvent[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  /** @param memoryPages Wasm pages of the guest's memory */
  constructor(program: Program, layout: ProgramLayout, groups: readonly Group[], memoryPages: number) {
    this.program = new ProgramTrace(program, layout, new Set(groups));
    this.probes = this.program.addresses;
    this.trace = this.program.plan(memoryPages);
  }

  begin(machine: Machine, nowNs: () => number): void {
    const sink = {
      add: (event: TraceEvent) => this.put(event),
      end: () => {
        this.ended = true;
        this.wake?.();
      },
    };
    this.tracer = new Tracer(this.program, machine.eventRings, nowNs, [sink], () => true);
    this.tracer.start();
  }
  /** Nothing more will come. */
  end(): void {
    this.tracer?.end();
    this.tracer = undefined;
  }

  /** Events in order, each to whoever asks first. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TraceEvent> {
    for (;;) {
      const events = this.kept.splice(0);
      yield* events;
      if (events.length > 0) continue;
      if (this.ended) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private put(event: TraceEvent): void {
    this.kept.push(event);
    this.wake?.();
  }
}
