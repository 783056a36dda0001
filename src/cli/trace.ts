import path from "node:path";
import { closeSync } from "node:fs";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { programLayout } from "../go/program-layout.js";
import type { Machine } from "../machine/machine.js";
import { guestPages } from "../machine/parts.js";
import { complain, openOutput, writer } from "../node-output.js";
import { GROUPS, type Group } from "../trace/groups.js";
import { HtmlSink } from "../trace/html-output.js";
import { PerfettoSink } from "../trace/perfetto-output.js";
import { jsonSink, textSink } from "../trace/text-output.js";
import { ProgramTrace } from "../trace/trace-plan.js";
import type { TraceEvent, TraceSink } from "../trace/trace-event.js";
import { Tracer } from "../trace/tracer.js";
import type { ParsedCommand } from "./commands.js";
import type { Options } from "./options.js";
import type { LoadedProgram } from "./load-program.js";
import { runCommand, type Observer } from "./run.js";

/** `gojit trace`: runs a program as `run` does, and tells what its runtime does. The exit status is the program's. */
export function traceCommand(parsed: ParsedCommand): Promise<number> {
  return runCommand(parsed, undefined, (program) => observe(program, parsed.options));
}

async function observe(program: LoadedProgram, options: Options): Promise<Observer> {
  const groups = new Set<Group>(options.only ?? GROUPS);
  const trace = new ProgramTrace(program, await programLayout(program), groups, options.until);
  const files: number[] = [];
  const open = (file: string): ((text: string) => void) => {
    const fd = openOutput(file);
    files.push(fd);
    return writer(() => fd, file);
  };
  const sinks: TraceSink[] = [];
  if (options.output !== undefined || options.json || !(options.perfetto || options.html)) {
    const write = options.output === undefined ? writer(() => 2, "the trace") : open(options.output);
    sinks.push(options.json ? jsonSink(write) : textSink(write));
  }
  if (options.perfetto !== undefined) sinks.push(new PerfettoSink(open(options.perfetto)));
  if (options.html !== undefined) {
    const title = `How ${path.basename(program.path)} runs`;
    sinks.push(new HtmlSink(open(options.html), title, program.go.version || "an unknown Go"));
  }
  for (const sentence of trace.missing) complain(`gojit: ${sentence}.`);
  let tracer: Tracer | undefined;
  return {
    probes: trace.addresses,
    trace: trace.plan(guestPages(options.memoryBytes)),
    debug: false,
    begin(machine: Machine) {
      let ended = false;
      const accepts = (event: TraceEvent): boolean => {
        if (ended) return false;
        if (event.pc >= 0 && event.pc === trace.until) {
          ended = true;
          machine.changeProbes({ clear: trace.addresses });
        }
        return options.goroutines === undefined || options.goroutines.includes(event.goroutine);
      };
      tracer = new Tracer(trace, machine.eventRings, nodeClock.monotonicNs, sinks, accepts);
      tracer.start();
    },
    end() {
      tracer?.end();
      if (tracer?.dropped)
        complain(`gojit: ${tracer.dropped} events came too fast and are missing; --only or a shorter run shows more.`);
      for (const fd of files) closeSync(fd);
    },
  };
}
