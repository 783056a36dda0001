/** Runs guest machine code in this thread, translated as in a machine, with the test in the kernel's place. */
/// <reference path="../jit/webassembly.d.ts" />
import { TranslationChannel } from "../jit/channel.js";
import { CodeArena } from "../jit/code-arena.js";
import type { CodeSource } from "../jit/code-source.js";
import { Counters } from "../jit/counters.js";
import { CPU_PAGES } from "../jit/cpu-block.js";
import { CpuState } from "../jit/cpu-state.js";
import { CONTINUE, Executor, type ExecutionHooks } from "../jit/executor.js";
import { DEFAULT_TRANSLATOR_OPTIONS, Translator } from "../jit/translator.js";

const GUEST_BASE = 0x10000;
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

export interface GuestCode {
  readonly cpu: CpuState;
  readonly counters: Counters;
  /** Runs from CODE until a hook answers ENDED. */
  run(): void;
}

/**
 * @param pieces code by guest address; each is a function for computed jumps
 * @param moduleInstructions as of the translator: 1 puts each region into a module of its own
 * @param hooks what the test does for the guest; a fault that it does not handle is thrown
 * @param program what is known of the program; by default nothing
 */
export function guestCode(
  pieces: ReadonlyMap<number, readonly number[]>,
  moduleInstructions: number,
  hooks: (cpu: CpuState) => Partial<ExecutionHooks>,
  program: Partial<CodeSource> = {},
): GuestCode {
  const guestMemory = new WebAssembly.Memory({ initial: GUEST_PAGES, maximum: GUEST_PAGES, shared: true });
  const cpuMemory = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  const bytes = new Uint8Array(guestMemory.buffer);
  for (const [address, code] of pieces) bytes.set(code, address - GUEST_BASE);
  const source: CodeSource = {
    convention: "none",
    read: (pc, length) => {
      const end = pc >= CODE ? Math.min(pc + length, CODE + CODE_BYTES) : pc;
      return bytes.slice(pc - GUEST_BASE, Math.max(pc, end) - GUEST_BASE);
    },
    functionAt: () => null,
    constantWord: () => null,
    ...program,
  };
  const arena = new CodeArena(CodeArena.allocate());
  const now = () => performance.now();
  const translator = new Translator(
    source,
    arena,
    { guestBase: GUEST_BASE, guestPages: GUEST_PAGES, now, ...DEFAULT_TRANSLATOR_OPTIONS, moduleInstructions },
    () => false,
  );
  const runtime = translator.runtimeModule();
  arena.publish({ bytes: runtime, map: new Uint8Array(0), regions: [], dynamic: false }, arena.epoch);
  class LocalChannel extends TranslationChannel {
    override claimStart(): boolean {
      return false;
    }
    override request(pc: number): boolean {
      return translator.translate(pc);
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
    runtime,
    arena,
    channel: new LocalChannel(TranslationChannel.allocate()),
    hooks: {
      syscall: () => CONTINUE,
      poll: () => CONTINUE,
      fault: (fault) => {
        throw new Error(`${fault.kind} at ${cpu.rip.toString(16)}`);
      },
      timeStamp: () => 0xffff_ffff,
      startTranslator: () => {},
      ...hooks(cpu),
    },
    counters,
    now,
    isFunction: (pc) => pieces.has(pc),
  });
  return { cpu, counters, run: () => executor.run() };
}
