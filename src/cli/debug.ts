import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Debugger } from "../debug/debugger.js";
import { GojitError } from "../errors.js";
import { Inferior } from "../gdb/inferior.js";
import { GdbSession } from "../gdb/session.js";
import { programLayout } from "../go/program-layout.js";
import { KILLED } from "../machine/endings.js";
import type { ParsedCommand } from "./commands.js";
import type { ListenAddress } from "./listen-address.js";
import type { LoadedProgram } from "./load-program.js";
import { runCommand, type Observer } from "./run.js";

/** How long a client may take to read how the program has ended. */
const FAREWELL_MS = 1000;

/** `gojit debug`: runs a program as `run` does, under a gdb that attaches. The exit status is the program's. */
export async function debugCommand(parsed: ParsedCommand): Promise<number> {
  const address = parsed.options.gdb;
  if (!address)
    throw new GojitError("bad-usage", "gojit debug needs an address for gdb: --gdb [HOST:]PORT or --gdb unix:PATH.");
  const inferior = Promise.withResolvers<Inferior>();
  const broken = Promise.withResolvers<never>();
  const sockets = new Set<Socket>();
  const server = await listen(address, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    void inferior.promise.then((program) => serve(socket, program, broken.reject));
  });
  try {
    const ended = runCommand(parsed, undefined, (program) => observe(program, inferior.resolve, broken.reject));
    return await Promise.race([ended, broken.promise]);
  } finally {
    server.close();
    await Promise.all([...sockets].map(farewell));
  }
}

/**
 * @param ready given the program before it starts
 * @param fail told of our own mistakes
 */
async function observe(
  program: LoadedProgram,
  ready: (inferior: Inferior) => void,
  fail: (error: unknown) => void,
): Promise<Observer> {
  const layout = await programLayout(program);
  let inferior: Inferior | undefined;
  return {
    probes: [],
    trace: null,
    debug: true,
    begin(machine) {
      const debug = new Debugger(machine, fail);
      inferior = new Inferior(program, layout, debug, program.realPath, () => machine.abandon(KILLED));
      ready(inferior);
    },
    end: (waitStatus) => inferior?.end(waitStatus),
  };
}

/** @throws GojitError if nothing can listen there */
async function listen(address: ListenAddress, connected: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, connected);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new GojitError("bad-option", `--gdb: nothing can listen there: ${error.message}.`)),
    );
    server.listen(address, resolve);
  });
  const where = "path" in address ? address.path : describe(server.address() as AddressInfo);
  process.stderr.write(`gojit: waiting for gdb: target remote ${where}\n`);
  return server;
}

const describe = ({ address, family, port }: AddressInfo): string =>
  `${family === "IPv6" ? `[${address}]` : address}:${port}`;

/** Serves a client; only one at a time. */
function serve(socket: Socket, inferior: Inferior, fail: (error: unknown) => void): void {
  if (inferior.isAttached) return void socket.destroy();
  const session = new GdbSession(
    inferior,
    { send: (bytes) => void socket.write(bytes), close: () => void socket.end() },
    fail,
  );
  socket.on("data", (bytes: Buffer) => session.receive(bytes));
  // "close" follows.
  socket.on("error", () => {});
  socket.on("close", () => session.disconnected());
}

/** Waits until a client has been sent everything, or does not read it. */
async function farewell(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FAREWELL_MS);
  socket.once("close", () => resolve());
  socket.end(resolve);
  await promise;
  clearTimeout(timer);
}
