/** Starting a program under an embedder's control, in Node and in a page alike. */
import { Debugger } from "./debug/debugger.js";
import { EventStream } from "./debug/event-stream.js";
import { GuestProcess } from "./debug/guest-process.js";
import { programLayout, type ProgramLayout } from "./go/program-layout.js";
import { launch, type RunPlatform } from "./run.js";
import type { StartOptions } from "./run-options.js";

/**
 * Starts a program that is to be stopped, looked at and changed: it stands still before its first instruction.
 * @throws as `runOn` does, but what goes wrong later `GuestProcess.ended` rejects with
 */
export async function startOn(platform: RunPlatform, options: StartOptions): Promise<GuestProcess> {
  let events: EventStream | undefined;
  let layout!: ProgramLayout;
  const { program, machine, nowNs, finish, abandon } = await launch(platform, options, async (program, memoryPages) => {
    layout = await programLayout(program);
    events = options.trace && new EventStream(program, layout, options.trace, memoryPages);
    return { probes: events?.probes ?? [], trace: events?.trace ?? null, debug: true };
  });
  let fail!: (error: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const debug = new Debugger(machine, (error) => {
    fail(error);
    abandon();
  });
  events?.begin(machine, nowNs);
  const ended = Promise.race([finish(), failed]).finally(() => {
    events?.end();
    debug.end();
  });
  // Who only waits for stops need not handle it.
  ended.catch(() => {});
  const process = new GuestProcess(program, layout, debug, ended, events, () => abandon());
  await debug.started;
  return process;
}
