/** What the library is made of besides its functions, on every host. */
export type { MemoryTree } from "../runtime-shims/host/memory-files.js";
export type { WasiDirectory } from "../runtime-shims/host/wasi-fs.js";
export type { Stop } from "./debug/debugger.js";
export type {
  BreakpointOptions,
  FunctionCall,
  FunctionReturn,
  GuestProcess,
  Hit,
  Place,
  Removable,
  SystemCall,
  SystemCallHook,
} from "./debug/guest-process.js";
export type { RegisterName, Registers } from "./debug/registers.js";
export type { Frame, Goroutine, RuntimeM, RuntimeP } from "./debug/runtime-state.js";
export type { CodePlace, Symbols } from "./debug/symbols.js";
export { GojitError, type GojitErrorCode } from "./errors.js";
export { MachineError } from "./machine/machine.js";
export type { HostDirectory, OutputSink, RunOptions, RunResult, StartOptions } from "./run-options.js";
export type { TraceEvent } from "./trace/trace-event.js";
