/** The program's code as the translator sees it: guest memory, the page map and Go's function table. */
import type { CallingConvention, CodeSource, FunctionInfo, HandedOver } from "../../jit/code-source.js";
import { Probes } from "../../jit/probes.js";
import { GUEST_BASE, type GuestMemory } from "../../runtime-shims/guest-memory.js";
import { EXEC, READ, WRITE } from "../../runtime-shims/page-map.js";
import { CallReads } from "../call-reads.js";
import type { FunctionTable } from "../go/function-table.js";
import type { MachineParts } from "./parts.js";

export class ProgramCode implements CodeSource {
  readonly convention: CallingConvention;
  private readonly memory: GuestMemory;
  private readonly functions: FunctionTable | null;
  private readonly probes: Probes;
  private readonly callReads: CallReads | null;
  private readonly infos = new Map<number, FunctionInfo>();

  constructor(
    memory: GuestMemory,
    functions: FunctionTable | null,
    { convention, piecesAddress, probes }: Pick<MachineParts, "convention" | "piecesAddress" | "probes">,
  ) {
    this.memory = memory;
    this.functions = functions;
    this.convention = functions ? convention : "none";
    this.probes = new Probes(probes);
    this.callReads = functions && new CallReads(functions, piecesAddress, (address) => this.constantWord(address));
  }

  read(pc: number, length: number): Uint8Array {
    const available = this.memory.pages.allowedPrefix(pc, length, EXEC);
    // A copy: translation must see one state of the bytes, and the decoder takes no shared memory.
    return this.memory.bytes.slice(pc - GUEST_BASE, pc - GUEST_BASE + available);
  }

  functionAt(pc: number): FunctionInfo | null {
    const { functions } = this;
    if (!functions) return null;
    const index = functions.find(pc);
    if (index < 0) return null;
    let info = this.infos.get(index);
    if (!info) {
      info = {
        start: functions.start[index]!,
        end: functions.end[index]!,
        origin: functions.isAsm(index) ? "asm" : "compiler",
      };
      this.infos.set(index, info);
    }
    return info;
  }

  constantWord(address: number): bigint | null {
    const { pages } = this.memory;
    if (!pages.allows(address, 8, READ) || pages.any(address >>> 12, ((address + 7) >>> 12) + 1, WRITE)) return null;
    return this.memory.view.getBigUint64(address - GUEST_BASE, true);
  }

  registersRead(target: number, next: number): HandedOver | null {
    return this.callReads?.registersRead(target, next) ?? null;
  }

  probeAt(pc: number): number {
    return this.probes.at(pc);
  }
}
