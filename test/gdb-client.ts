/** A program under the gdb server, in this process, and a client that speaks the protocol to it. */
import { readFileSync } from "node:fs";
import { Debugger } from "../dist/src/debug/debugger.js";
import { encodePacket, PacketReader } from "../dist/src/gdb/framing.js";
import { Inferior } from "../dist/src/gdb/inferior.js";
import { GdbSession } from "../dist/src/gdb/session.js";
import { programLayout } from "../dist/src/go/program-layout.js";
import { nodeRemotePlatform } from "../dist/src/machine/node-platform.js";
import { launch } from "../dist/src/run.js";
import type { RunOptions, RunResult } from "../src/run-options.js";

/** A program that waits at its entry. */
export interface Debuggee {
  readonly inferior: Inferior;
  /** First guest address of a function. */
  address(name: string): number;
  readonly entry: number;
  readonly ended: Promise<RunResult>;
  /** What of ours has failed. */
  readonly failures: unknown[];
  kill(): void;
}

export async function startDebuggee(path: string, options: Partial<RunOptions> = {}): Promise<Debuggee> {
  const platform = {
    supervisor: nodeRemotePlatform,
    cpus: 2,
    openHostDirectories: () => {
      throw new Error("no directory is asked for");
    },
    readProgram: () => Promise.reject(new Error("the program is given as bytes")),
  };
  const { program, machine, finish, abandon } = await launch(
    platform,
    { program: readFileSync(path), ...options },
    () => ({ probes: [], trace: null, debug: true }),
  );
  const failures: unknown[] = [];
  const inferior = new Inferior(
    program,
    await programLayout(program),
    new Debugger(machine, (error) => failures.push(error)),
    path,
    () => abandon(),
  );
  const ended = finish().then((result) => {
    inferior.end(result.signal || result.status << 8);
    return result;
  });
  const { functions } = program.go;
  return {
    inferior,
    address: (name) => functions.start[functions.indexOf(name)]!,
    entry: program.image.entry,
    ended,
    failures,
    kill: () => abandon(),
  };
}

export class GdbClient {
  readonly session: GdbSession;
  /** Bytes outside packets that have come: acknowledgements. */
  between = "";
  closed = false;
  private readonly reader = new PacketReader();
  private readonly packets: string[] = [];
  private wake: (() => void) | undefined;

  constructor({ inferior, failures }: Debuggee) {
    const output = {
      send: (bytes: Uint8Array) => this.take(bytes),
      close: () => {
        this.closed = true;
        this.wake?.();
      },
    };
    this.session = new GdbSession(inferior, output, (error) => failures.push(error));
  }

  send(packet: string): void {
    this.session.receive(encodePacket(packet));
  }
  /** Bytes as they are. */
  sendRaw(text: string): void {
    this.session.receive(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }
  /** The next packet. */
  async next(): Promise<string> {
    for (;;) {
      const packet = this.packets.shift();
      if (packet !== undefined) return packet;
      if (this.closed) throw new Error("the connection has ended");
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
  ask(packet: string): Promise<string> {
    this.send(packet);
    return this.next();
  }
  /** An object that is read with qXfer, in pieces. */
  async read(object: string, annex = "", piece = 0x180): Promise<string> {
    let text = "";
    for (;;) {
      const answer = await this.ask(`qXfer:${object}:read:${annex}:${text.length.toString(16)},${piece.toString(16)}`);
      text += answer.slice(1);
      if (answer.startsWith("l")) return text;
      if (!answer.startsWith("m")) throw new Error(`${object}: ${answer}`);
    }
  }
  async monitor(command: string): Promise<string> {
    this.send(`qRcmd,${Buffer.from(command).toString("hex")}`);
    let text = "";
    for (;;) {
      const packet = await this.next();
      if (packet === "OK") return text;
      if (!packet.startsWith("O")) throw new Error(`${command}: ${packet}`);
      text += Buffer.from(packet.slice(1), "hex").toString();
    }
  }
  /** A register by its number in the target description. */
  async register(number: number): Promise<bigint> {
    const hex = await this.ask(`p${number.toString(16)}`);
    return BigInt(`0x${hex.match(/../g)!.reverse().join("")}`);
  }

  private take(bytes: Uint8Array): void {
    for (const incoming of this.reader.push(bytes)) {
      if (incoming.kind === "packet") this.packets.push(incoming.data);
      else this.between += incoming.kind === "acknowledged" ? "+" : incoming.kind === "resend" ? "-" : "?";
    }
    this.wake?.();
  }
}
