/**
 * Where the upper half of an XMM register is apart from its lower half.
 *
 * ADDSD and its like change the low quadword alone. To put the two halves together after each of them would lengthen
 * every chain of operations that wait for one another by a move. So the register's local has only its low quadword right
 * after such an instruction, and a second local has the upper one; both come together where all 128 bits are read.
 */
import type { Flow } from "./flow.js";
import { upperHalf } from "./lift/index.js";
import { leavesAndReturns } from "./liveness.js";
import { ALL_XMM, xmmBit, type RegisterSet } from "./registers.js";
import type { Item, Region } from "./region.js";

/** For each block the XMM registers whose halves are apart at its start, as they are after at least one predecessor. */
export function analyseUpperHalves({ blocks }: Region, flow: Flow): Int32Array {
  const apartIn = new Int32Array(blocks.length);
  const writes = blocks.map(({ items }) => items.filter(({ registersWritten }) => registersWritten & ALL_XMM));
  if (!writes.some((items) => items.some(({ entry, insn }) => upperHalf(entry, insn) === "kept"))) return apartIn;
  const apartOut = new Int32Array(blocks.length);
  for (let changed = true; changed;) {
    changed = false;
    for (let b = 0; b < blocks.length; b++) {
      let apart = 0;
      const predecessors = flow.predecessors[b]!;
      for (let i = 0; i < predecessors.length; i++) apart |= apartOut[predecessors[i]!]!;
      apartIn[b] = apart;
      // What comes back from elsewhere is loaded whole.
      if (leavesAndReturns(blocks[b]!)) apart = 0;
      else for (const item of writes[b]!) apart = after(item, apart);
      if (apart !== apartOut[b]) {
        apartOut[b] = apart;
        changed = true;
      }
    }
  }
  return apartIn;
}

function after({ insn, entry, registersWritten }: Item, apart: RegisterSet): RegisterSet {
  const written = registersWritten & ALL_XMM;
  switch (upperHalf(entry, insn)) {
    case "kept":
      return apart | written;
    case "copied":
      return apart & xmmBit(insn.operands[1]!.reg) ? apart | written : apart & ~written;
    case "written":
      return apart & ~written;
  }
}
