/** The layout of the runtime's structures in one program: from its DWARF if it has that, else from what is known of its release. */
import type { Program } from "../program.js";
import { memberOffsets } from "./dwarf.js";
import { LAST_LAYOUT, runtimeLayout, type RuntimeLayout } from "./runtime-layout.js";
import { minorOf } from "./version.js";

export interface ProgramLayout extends RuntimeLayout {
  /** Whether the program itself says so. */
  readonly fromDwarf: boolean;
  /** The minor number of the program's release; the last that is known if it does not tell. */
  readonly minor: number;
}

/** Where each offset is: structure and member; of `gobufBp` the offset in the gobuf. */
const MEMBERS: Readonly<Record<keyof RuntimeLayout, readonly [structure: string, member: string]>> = {
  gStack: ["runtime.g", "stack"],
  gM: ["runtime.g", "m"],
  gSched: ["runtime.g", "sched"],
  gobufBp: ["runtime.gobuf", "bp"],
  gStatus: ["runtime.g", "atomicstatus"],
  gGoid: ["runtime.g", "goid"],
  gWaitreason: ["runtime.g", "waitreason"],
  mG0: ["runtime.m", "g0"],
  mGsignal: ["runtime.m", "gsignal"],
  mTls: ["runtime.m", "tls"],
  mStartfn: ["runtime.m", "mstartfn"],
  mCurg: ["runtime.m", "curg"],
  mP: ["runtime.m", "p"],
  mId: ["runtime.m", "id"],
  pId: ["runtime.p", "id"],
  pSchedtick: ["runtime.p", "schedtick"],
  pRunqhead: ["runtime.p", "runqhead"],
};

export async function programLayout({ image, go }: Program): Promise<ProgramLayout> {
  const minor = minorOf(go.version) ?? LAST_LAYOUT;
  const structures = new Set(Object.values(MEMBERS).map(([structure]) => structure));
  const found = await memberOffsets(image, structures);
  const offsets: Partial<Record<keyof RuntimeLayout, number>> = {};
  for (const [field, [structure, member]] of Object.entries(MEMBERS)) {
    const offset = found.get(structure)?.get(member);
    if (offset === undefined) return { ...runtimeLayout(minor), minor, fromDwarf: false };
    offsets[field as keyof RuntimeLayout] = offset;
  }
  return { ...(offsets as RuntimeLayout), minor, fromDwarf: true };
}
