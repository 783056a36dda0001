/** Runs guest machine code in this thread, translated as in a machine, with the test in the kernel's place. */
/// <reference path="../jit/webassembly.d.ts" />
import { TranslationChannel } from "../jit/channel.js";
import { CodeArena } from "../jit/code-arena.js";
import type { CodeSource } from "../jit/code-source.js";
import { Counters } from "../jit/counters.js";
import { CPU_PAGES } from "../jit/cpu-block.js";
import { CpuState, executedInstructions } from "../jit/cpu-state.js";
import { CONTINUE, Executor, type ExecutionHooks } from "../jit/executor.js";
import { RecordDecoder } from "../jit/interpreter/record-decoder.js";
import { Records } from "../jit/interpreter/records.js";
import { Probes } from "../jit/probes.js";
import { buildEngine } from "../jit/runtime-module.js";
import { DEFAULT_TRANSLATOR_OPTIONS, Translator } from "../jit/translator.js";
import { WasmBuilder } from "../jit/wasm.js";

export const GUEST_BASE = 0x10000;
/** Code may be put in [CODE, CODE + CODE_BYTES). */
export const CODE = 0x400000;
const CODE_BYTES = 0x1000;
const STACK_TOP = 0x1800000;
const GUEST_PAGES = STACK_TOP / 65536;
export const FIRST_RSP = BigInt(STACK_TOP - 64);
const RSP = 4;

/** The four bytes of a 32-bit number. */
export const word = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff);
/** A CALL at `at`. */
export const call = (at: number, target: number): number[] => [0xe8, ...word(target - (at + 5))];

let built: WebAssembly.Module | undefined;

/** The engine's own module, with the guest's memory as large as here. */
export const engine = (): WebAssembly.Module =>
  (built ??= new WebAssembly.Module(buildEngine(new WasmBuilder(), GUEST_BASE, GUEST_PAGES)));

export interface GuestCode {
  readonly translator: Translator;
  readonly cpuMemory: WebAssembly.Memory;
  /** Guest instructions that were come to, if they are counted. */
  readonly executed: () => number;
  readonly cpu: CpuState;
  readonly counters: Counters;
  readonly arena: CodeArena;
  readonly records: Records;
  /** Guest memory from GUEST_BASE on. */
  readonly bytes: Uint8Array;
  /** Sets or clears a probe; may be called by hooks. */
  setProbe(pc: number): void;
  clearProbe(pc: number): void;
  /** Runs from CODE until a hook answers ENDED. */
  run(): void;
}

export interface GuestCodeOptions {
  readonly program?: Partial<CodeSource>;
  readonly hot?: number;
  readonly countsInstructions?: boolean;
  readonly thorough?: boolean;
}

/**
 * @param pieces code by guest address; each is a function for computed jumps
 * @param moduleInstructions as of the translator: 1 puts each region into a module of its own
 * @param hooks what the test does for the guest; a fault that it does not handle is thrown
 * @param options.program what is known of the program; by default nothing
 * @param options.hot as in MachineOptions; by default nothing is interpreted
 * @param options.countsInstructions as in MachineOptions; by default no
 * @param options.thorough whether what is translated is improved at once; by default yes
 */
export function guestCode(
  pieces: ReadonlyMap<number, ArrayLike<number>>,
  moduleInstructions: number,
  hooks: (cpu: CpuState) => Partial<ExecutionHooks>,
  { program = {}, hot = 0, countsInstructions = false, thorough = true }: GuestCodeOptions = {},
): GuestCode {
  const guestMemory = new WebAssembly.Memory({ initial: GUEST_PAGES, maximum: GUEST_PAGES, shared: true });
  const cpuMemory = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  const bytes = new Uint8Array(guestMemory.buffer);
  for (const [address, code] of pieces) bytes.set(code, address - GUEST_BASE);
  const probes = new Probes(Probes.allocate());
  const source: CodeSource = {
    convention: "none",
    read: (pc, length) => {
      const end = pc >= CODE ? Math.min(pc + length, CODE + CODE_BYTES) : pc;
      return bytes.slice(pc - GUEST_BASE, Math.max(pc, end) - GUEST_BASE);
    },
    functionAt: () => null,
    constantWord: () => null,
    registersRead: () => null,
    probeAt: (pc) => probes.at(pc),
    ...program,
  };
  const arena = new CodeArena(CodeArena.allocate());
  const recordMemory = Records.allocate(hot || 1);
  const records = new Records(recordMemory);
  const now = () => performance.now();
  const translator = new Translator(
    source,
    arena,
    {
      guestBase: GUEST_BASE,
      guestPages: GUEST_PAGES,
      now,
      ...DEFAULT_TRANSLATOR_OPTIONS,
      moduleInstructions,
      countsInstructions,
    },
    {
      isDynamic: () => false,
      isHot: (pc) => hot !== 0 && records.isNearlyHot(pc),
      isFollowed: (branch, taken) => hot === 0 || records.isFollowed(branch, taken),
      likelyTargets: (pc) => (hot === 0 ? [] : records.likelyTargets(pc)),
      isReached: (pc) => hot === 0 || records.find(pc) !== 0,
      isLikely: (pc) => hot === 0 || records.timesAt(pc) > 0,
      published: (pc) => records.markTranslated(pc),
    },
  );
  /** Both kinds of code are made, and the better one runs. */
  const translate = (pc: number): boolean => {
    const found = translator.translate(pc);
    if (thorough) translator.improve(pc);
    return found;
  };
  class LocalChannel extends TranslationChannel {
    override claimStart(): boolean {
      return false;
    }
    override request(pc: number): boolean {
      return translate(pc);
    }
    override offer(pc: number): void {
      translate(pc);
    }
  }
  const cpu = new CpuState(cpuMemory.buffer as SharedArrayBuffer);
  cpu.rip = CODE;
  cpu.gpr[RSP] = FIRST_RSP;
  const counters = new Counters(Counters.allocate());
  const executor = new Executor({
    guestMemory,
    cpuMemory,
    cpu,
    engine: engine(),
    records: recordMemory,
    interprets: hot !== 0,
    arena,
    channel: new LocalChannel(TranslationChannel.allocate()),
    hooks: {
      syscall: () => CONTINUE,
      probe: () => CONTINUE,
      poll: () => CONTINUE,
      fault: (fault) => {
        throw new Error(`${fault.kind} at ${cpu.rip.toString(16)}`);
      },
      timeStamp: () => 0xffff_ffff,
      startTranslator: () => {},
      loadDecoder: (memory, shapes, isTranslated) => new RecordDecoder(memory, shapes, source, isTranslated),
      ...hooks(cpu),
    },
    compile: (wasm) => new WebAssembly.Module(wasm),
    counters,
    now,
    isFunction: (pc) => pieces.has(pc),
  });
  const forget = (pc: number): void => {
    arena.invalidate(pc, 1);
    records.invalidate(pc, 1);
  };
  return {
    translator,
    cpuMemory,
    executed: () => executedInstructions(cpuMemory),
    cpu,
    counters,
    arena,
    records,
    bytes,
    setProbe(pc) {
      probes.set(pc);
      forget(pc);
    },
    clearProbe(pc) {
      probes.clear(pc);
      forget(pc);
    },
    run: () => executor.run(),
  };
}
