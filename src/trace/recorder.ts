/** The tracing side of a Worker that runs guest threads: turns probes and system calls into events of its ring. */
import type { CpuState } from "../../jit/cpu-state.js";
import { CONTINUE, type Continuation } from "../../jit/executor.js";
import { GUEST_BASE } from "../../runtime-shims/guest-memory.js";
import { ARG_REGISTERS, NUMBER_REGISTER } from "../../runtime-shims/syscalls/table.js";
import { Captures } from "./capture.js";
import { EventRing, KIND_SYSCALL, KIND_SYSCALL_RETURN, KIND_THREAD_BEGIN, KIND_THREAD_END } from "./event-ring.js";

const RAX = 0;

/** What is traced; shared by all Workers. */
export interface TracePlan {
  /** As `encodePlans` makes it, by number of the probe. */
  readonly plans: SharedArrayBuffer;
  readonly systemCalls: boolean;
}

export class Recorder {
  private readonly ring: EventRing;
  private readonly captures: Captures;
  private readonly cpu: CpuState;
  private readonly nowNs: () => number;
  private readonly systemCalls: boolean;
  private tid = 0;
  /** The last probe that is only remembered, + 1. */
  private noted = 0;

  /** @param nowNs the clock that all Workers share */
  constructor(
    { plans, systemCalls }: TracePlan,
    ring: SharedArrayBuffer,
    guestMemory: SharedArrayBuffer,
    cpu: CpuState,
    nowNs: () => number,
  ) {
    this.ring = new EventRing(ring);
    this.captures = new Captures(plans, guestMemory, GUEST_BASE, cpu);
    this.cpu = cpu;
    this.nowNs = nowNs;
    this.systemCalls = systemCalls;
  }

  beginThread(tid: number): void {
    this.tid = tid;
    this.noted = 0;
    this.mark(KIND_THREAD_BEGIN);
  }
  endThread(): void {
    this.mark(KIND_THREAD_END);
  }

  /** Payload: the probe + 1 that was noted since the last event, or 0; then what its captures take. */
  probe(probe: number): Continuation {
    const { captures, ring } = this;
    if (!captures.claim(probe)) return CONTINUE;
    if (!captures.isEvent(probe)) {
      this.noted = probe + 1;
      return CONTINUE;
    }
    if (ring.begin(1 + captures.sizeOf(probe))) {
      ring.put(this.noted);
      captures.take(probe, ring);
      ring.end(probe, this.nowNs(), this.tid);
    }
    this.noted = 0;
    return CONTINUE;
  }

  /** Runs a system call. Payloads: its number, and 6 arguments of two words; then its number and its result. */
  systemCall(run: () => Continuation): Continuation {
    if (!this.systemCalls) return run();
    const { ring, cpu } = this;
    const { gpr32 } = cpu;
    const number = gpr32[2 * NUMBER_REGISTER]!;
    if (ring.begin(1 + 2 * ARG_REGISTERS.length)) {
      ring.put(number);
      for (const register of ARG_REGISTERS) {
        ring.put(gpr32[2 * register]!);
        ring.put(gpr32[2 * register + 1]!);
      }
      ring.end(KIND_SYSCALL, this.nowNs(), this.tid);
    }
    const continuation = run();
    if (continuation === CONTINUE && ring.begin(3)) {
      ring.put(number);
      ring.put(gpr32[2 * RAX]!);
      ring.put(gpr32[2 * RAX + 1]!);
      ring.end(KIND_SYSCALL_RETURN, this.nowNs(), this.tid);
    }
    return continuation;
  }

  private mark(kind: number): void {
    if (this.ring.begin(0)) this.ring.end(kind, this.nowNs(), this.tid);
  }
}
