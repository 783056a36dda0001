/** A trace as text, one line an event, and as JSON, one object a line. */
import type { TraceEvent, TraceSink } from "./trace-event.js";

/** Gathers lines and hands them on in large pieces. */
class LineSink implements TraceSink {
  private readonly format: (event: TraceEvent) => string;
  private readonly write: (text: string) => void;
  private text = "";

  constructor(format: (event: TraceEvent) => string, write: (text: string) => void) {
    this.format = format;
    this.write = write;
  }
  add(event: TraceEvent): void {
    this.text += this.format(event);
    if (this.text.length > 1 << 16) this.end();
  }
  end(): void {
    if (this.text) this.write(this.text);
    this.text = "";
  }
}

/** Where an event belongs: its goroutine, M and P. */
export const whereabouts = ({ m, p, goroutine }: TraceEvent): string =>
  `${(m < 0 ? "-" : `M${m}`).padEnd(4)} ${(p < 0 ? "-" : `P${p}`).padEnd(4)} ${(goroutine ? `g${goroutine}` : "g0").padEnd(5)}`;

export const textSink = (write: (text: string) => void): TraceSink =>
  new LineSink((event) => {
    const ms = (event.timeUs / 1000).toFixed(3).padStart(10);
    const where = event.pc < 0 ? "" : `0x${event.pc.toString(16)} ${event.function}`;
    return `${ms} ms  [${event.thread}] ${whereabouts(event)} ${event.event.padEnd(20)} ${where.padEnd(36)} ${event.text}\n`;
  }, write);

export const jsonSink = (write: (text: string) => void): TraceSink =>
  new LineSink(
    (event) => `${JSON.stringify({ ...event, pc: event.pc < 0 ? null : `0x${event.pc.toString(16)}` })}\n`,
    write,
  );
