/**
 * Shape of a region's control flow: dominators, loops and merge points, as structured emission needs them.
 * Blocks are in reverse postorder, so an edge to a block that is not later is a back-edge.
 */
import { mapEdges, successors, type Region } from "./region.js";

export interface Flow {
  /** Immediate dominator of each block; -1 for the entry. */
  readonly idom: Int32Array;
  /** Children in the dominator tree, ascending. */
  readonly children: readonly (readonly number[])[];
  /** Blocks that are the target of a back-edge. */
  readonly isLoop: readonly boolean[];
  /** Blocks with two or more forward edges into them. */
  readonly isMerge: readonly boolean[];
  readonly predecessors: readonly (readonly number[])[];
  readonly successors: readonly (readonly number[])[];
}

/**
 * Analyses `region`. Back-edges whose target does not dominate their source (irreducible loops: rare, hand-written
 * code) are turned into exits first, so that the dispatcher carries them.
 */
export function analyseFlow(region: Region): Flow {
  let flow = dominators(region);
  let changed = false;
  region.blocks.forEach((block, index) => {
    if (flow.successors[index]!.every((to) => to > index)) return;
    block.end = mapEdges(block.end, (edge) => {
      if (!("block" in edge) || edge.block > index || dominates(flow.idom, edge.block, index)) return edge;
      changed = true;
      return { exit: region.blocks[edge.block]!.pc };
    });
  });
  if (changed) flow = dominators(region);
  return flow;
}

/** By block: whether control hardly ever comes there, since it is the rare way of an inlined callee, or cannot be left. */
export function rareBlocks({ blocks }: Region): readonly boolean[] {
  const rare = blocks.map(({ end }) => end.kind === "detour" || end.kind === "stop" || end.kind === "illegal");
  // From the back: only what comes later counts, so one pass will do.
  for (let index = blocks.length - 1; index >= 0; index--) {
    const { end } = blocks[index]!;
    const to = successors(end);
    const edges = end.kind === "branch" ? 2 : 1;
    if (to.length === edges && to.every((next) => next > index && rare[next])) rare[index] = true;
  }
  return rare;
}

function dominates(idom: Int32Array, ancestor: number, block: number): boolean {
  while (block > ancestor) block = idom[block]!;
  return block === ancestor;
}

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function dominators(region: Region): Flow {
  const count = region.blocks.length;
  const successorsOf: number[][] = [];
  const predecessors: number[][] = [];
  const children: number[][] = [];
  for (const { end } of region.blocks) {
    successorsOf.push(successors(end));
    predecessors.push([]);
    children.push([]);
  }
  const isLoop = new Array<boolean>(count).fill(false);
  // Two edges from one block (both arms of a branch) make a merge as well: count edges, not blocks.
  const forward = new Int32Array(count);
  for (let from = 0; from < count; from++) {
    const list = successorsOf[from]!;
    for (let i = 0; i < list.length; i++) {
      const to = list[i]!;
      if (to > from) forward[to]!++;
      else isLoop[to] = true;
      if (list.indexOf(to) === i) predecessors[to]!.push(from);
    }
  }
  const idom = new Int32Array(count).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (let block = 1; block < count; block++) {
      let dominator = -1;
      const list = predecessors[block]!;
      for (let i = 0; i < list.length; i++) {
        const from = list[i]!;
        if (idom[from]! < 0) continue;
        dominator = dominator < 0 ? from : commonDominator(idom, from, dominator);
      }
      if (dominator !== idom[block]) {
        idom[block] = dominator;
        changed = true;
      }
    }
  }
  idom[0] = -1;
  for (let block = 1; block < count; block++) if (idom[block]! >= 0) children[idom[block]!]!.push(block);
  const isMerge = Array.from(forward, (edges) => edges > 1);
  return { idom, children, isLoop, isMerge, predecessors, successors: successorsOf };
}

function commonDominator(idom: Int32Array, a: number, b: number): number {
  while (a !== b) {
    while (a > b) a = idom[a]!;
    while (b > a) b = idom[b]!;
  }
  return a;
}
