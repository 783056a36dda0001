/** The tracing side of a Worker that runs guest threads: its ring, and what is written there. */
import { EventWriter, KIND_THREAD_BEGIN, KIND_THREAD_END } from "./event-ring.js";

/** What is traced; shared by all Workers. */
export interface TracePlan {
  /** Of `recorderModule`. */
  readonly module: WebAssembly.Module;
  /** Of `allocateShared`. */
  readonly shared: WebAssembly.Memory;
  /** Probes with a number below this are the trace's. */
  readonly probes: number;
  /** Numbers of the plans for the beginning and the end of system calls, or null. */
  readonly systemCalls: SystemCallPlans | null;
}

export interface SystemCallPlans {
  readonly call: number;
  readonly return: number;
}

export class Recorder {
  /** `probe(number) → 0`, in WebAssembly: see `recorderModule`. */
  readonly probe: (number: number) => number;
  private readonly writer: EventWriter;
  private readonly nowNs: () => number;
  private readonly systemCalls: SystemCallPlans | null;

  /**
   * @param ring memory of `EventRing`
   * @param nowNs the clock that all Workers share
   */
  constructor(
    { module, shared, systemCalls }: TracePlan,
    ring: WebAssembly.Memory,
    memories: { readonly guestMemory: WebAssembly.Memory; readonly cpuMemory: WebAssembly.Memory },
    nowNs: () => number,
  ) {
    const { guestMemory, cpuMemory } = memories;
    const imports = { m: { g: guestMemory, c: cpuMemory, e: ring, t: shared }, f: { now: nowNs } };
    this.probe = new WebAssembly.Instance(module, imports).exports["probe"] as (number: number) => number;
    this.writer = new EventWriter(ring, shared);
    this.nowNs = nowNs;
    this.systemCalls = systemCalls;
  }

  beginThread(tid: number): void {
    this.writer.tid = tid;
    this.writer.write(KIND_THREAD_BEGIN, this.nowNs(), []);
  }
  endThread(): void {
    this.writer.write(KIND_THREAD_END, this.nowNs(), []);
  }

  callBegins(): void {
    if (this.systemCalls) this.probe(this.systemCalls.call);
  }
  callReturned(): void {
    if (this.systemCalls) this.probe(this.systemCalls.return);
  }
}
