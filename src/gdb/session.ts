/** One client's conversation: takes bytes, carries packets out one after the other, and gives the bytes to send. */
import type { DebugThread, Stop } from "../debug/debugger.js";
import { ERROR, hexBytes, PacketError } from "./fields.js";
import { encodePacket, PacketReader, type Incoming } from "./framing.js";
import type { Inferior } from "./inferior.js";
import { carryOut } from "./packets.js";
import { readOne, STOP_REGISTERS } from "./register-table.js";
import { gdbSignal } from "./signal-numbers.js";
import { ALL, ANY, formatThread, parseThread } from "./thread-id.js";

const ACKNOWLEDGED = Uint8Array.of(0x2b);
const RESEND = Uint8Array.of(0x2d);

const SIGINT = 2;
const SIGTRAP = 5;

/** Where a session's bytes go to. */
export interface SessionOutput {
  send(bytes: Uint8Array): void;
  /** Ends the connection; what has been sent still arrives. */
  close(): void;
}

export class GdbSession {
  readonly inferior: Inferior;
  /** Agreed with the client: thread ids name the process. */
  withProcess = false;
  /** Agreed with the client: stops say what kind of breakpoint it was. */
  tellsBreakpoints = false;
  /** Linux's numbers of signals that pass without a stop: see `passSignals`. */
  private passed: ReadonlySet<number> = new Set();
  /** Threads that `g` and the like, and `c` and `s`, are about. */
  general = ANY;
  resumed = ALL;
  /** Threads whose signals the client has been told of, and will deliver or drop. */
  readonly signalled = new Set<number>();
  private readonly output: SessionOutput;
  private readonly onError: (error: unknown) => void;
  private readonly reader = new PacketReader();
  private acknowledges = true;
  private lastSent = new Uint8Array();
  private state: "new" | "open" | "closed" = "new";
  /** Whether the client waits for a stop. */
  private waits = false;
  private interrupted = false;
  private lastStop: Stop | undefined;
  /** Lets the program go on as it was told last. */
  private goOn: (() => void) | undefined;
  /** What has been begun; packets wait for it. */
  private work: Promise<void>;

  /** @param onError told of our own mistakes */
  constructor(inferior: Inferior, output: SessionOutput, onError: (error: unknown) => void) {
    this.inferior = inferior;
    this.output = output;
    this.onError = onError;
    this.work = inferior.attach({
      stopped: (stop) => this.stopped(stop),
      ended: () => this.ended(),
    });
    this.work.catch(onError);
    this.passSignals(new Set());
  }

  // --- the client's side ---

  /** Bytes from the client. */
  receive(bytes: Uint8Array): void {
    for (const incoming of this.reader.push(bytes)) {
      if (this.state === "closed") return;
      // A browser, for instance, that a page has made send something.
      if (incoming.kind === "foreign" && this.state === "new") return this.close();
      this.state = "open";
      this.take(incoming);
    }
  }
  /** The client is gone: the program goes on without it. */
  disconnected(): void {
    this.state = "closed";
    this.enqueue(() => this.inferior.detach());
  }

  private take(incoming: Incoming): void {
    switch (incoming.kind) {
      case "packet":
        if (this.acknowledges) this.output.send(ACKNOWLEDGED);
        this.enqueue(() => this.answer(incoming.data));
        break;
      case "damaged":
        if (this.acknowledges) this.output.send(RESEND);
        break;
      case "resend":
        if (this.acknowledges) this.output.send(this.lastSent);
        break;
      case "interrupt":
        this.enqueue(() => this.interrupt());
        break;
      case "acknowledged":
      case "foreign":
    }
  }
  private enqueue(what: () => void | Promise<void>): void {
    this.work = this.work.then(what);
    this.work.catch(this.onError);
  }
  private async answer(packet: string): Promise<void> {
    if (this.state === "closed") return;
    try {
      const reply = await carryOut(this, packet);
      if (reply !== undefined) this.send(reply);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.send(`E${error.number.toString(16).padStart(2, "0")}`);
    }
  }
  send(data: string): void {
    if (this.state === "closed") return;
    this.lastSent = encodePacket(data) as Uint8Array<ArrayBuffer>;
    this.output.send(this.lastSent);
  }
  stopAcknowledging(): void {
    this.acknowledges = false;
  }
  /** Ends the conversation. */
  close(): void {
    this.state = "closed";
    this.output.close();
  }

  // --- threads ---

  get isStopped(): boolean {
    return this.inferior.debug.isStopped;
  }
  /** @throws PacketError if the program runs */
  checkStopped(): void {
    if (!this.isStopped) throw new PacketError(ERROR.busy);
  }
  parseThread(text: string | undefined): number {
    return parseThread(text, this.inferior.pid);
  }
  threadName(tid: number): string {
    return formatThread(tid, this.inferior.pid, this.withProcess);
  }
  /** The thread with that id; for `ANY` and `ALL` the one that has stopped the program. @throws PacketError */
  thread(tid = this.general): DebugThread {
    this.checkStopped();
    const { debug } = this.inferior;
    const wanted = tid === ANY || tid === ALL ? (this.lastStop ?? debug.stopped)?.thread : tid;
    const thread = debug.thread(wanted ?? ANY) ?? (tid === wanted ? undefined : debug.threads()[0]);
    if (!thread) throw new PacketError(ERROR.noSuch);
    return thread;
  }

  // --- running ---

  /** The client does not want to hear of these signals, by Linux's numbers, from now on. */
  passSignals(passed: ReadonlySet<number>): void {
    this.passed = passed;
    this.inferior.debug.stopAtSignals((signo) => !passed.has(signo));
  }

  /** Lets the program go on; its next stop is told. @param resume does it */
  run(resume: () => void): void {
    if (this.inferior.waitStatus !== undefined) return this.send(this.ending());
    this.checkStopped();
    this.general = ANY;
    this.waits = true;
    this.goOn = resume;
    resume();
  }
  private async interrupt(): Promise<void> {
    if (!this.waits) return;
    this.interrupted = true;
    await this.inferior.debug.pause();
  }
  private stopped(stop: Stop): void {
    this.lastStop = stop;
    if (!this.waits) return;
    if (stop.reason === "signal") {
      if (this.passed.has(stop.signal!)) return this.goOn!();
      this.signalled.add(stop.thread);
    }
    this.waits = false;
    this.send(this.stopReply(stop));
    this.interrupted = false;
  }
  private ended(): void {
    if (this.waits) this.send(this.ending());
    this.waits = false;
    this.close();
  }

  /** What `?` answers: why the program stands still, or how it has ended. */
  whyStopped(): string {
    if (this.inferior.waitStatus !== undefined) return this.ending();
    this.checkStopped();
    const stop = this.lastStop ?? this.inferior.debug.stopped!;
    if (stop.reason === "signal") this.signalled.add(stop.thread);
    return this.stopReply(stop);
  }
  private stopReply({ reason, thread: tid, watched, signal }: Stop): string {
    const { debug, breakpoints } = this.inferior;
    const thread = debug.thread(tid);
    const fields: string[] = [];
    if (thread) {
      const file = { cpu: debug.registers(thread), inCall: thread.inCall };
      for (const number of STOP_REGISTERS)
        fields.push(`${number.toString(16).padStart(2, "0")}:${hexBytes(readOne(file, number)!)}`);
      // One that is gone is none to the client: see Breakpoints.
      const kind = breakpoints.kindAt(file.cpu.rip);
      if (reason === "breakpoint" && kind && this.tellsBreakpoints) fields.push(`${kind}:`);
    }
    fields.push(`thread:${this.threadName(tid)}`);
    if (watched) fields.push(`watch:${watched.address.toString(16)}`);
    const number = signal ?? (reason === "paused" && this.interrupted ? SIGINT : SIGTRAP);
    return `T${hexByte(gdbSignal(number))}${fields.map((field) => `${field};`).join("")}`;
  }
  private ending(): string {
    const status = this.inferior.waitStatus!;
    const signal = status & 0x7f;
    const process = this.withProcess ? `;process:${this.inferior.pid.toString(16)}` : "";
    return `${signal ? `X${hexByte(gdbSignal(signal))}` : `W${hexByte(status >> 8)}`}${process}`;
  }
}

const hexByte = (value: number): string => value.toString(16).padStart(2, "0");
