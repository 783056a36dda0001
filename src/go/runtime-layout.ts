/**
 * Where the runtime keeps what a trace shows: byte offsets in `runtime.g`, `runtime.m` and `runtime.p` of linux/amd64, by release line.
 * Sources: the DWARF of programs built by Go 1.13 to 1.15, 1.19 and 1.21 to 1.27, and the declarations in runtime2.go of 1.12, 1.16 to
 * 1.18 and 1.20, with `runqput` of such programs. Minor releases have not moved these fields.
 */
export interface RuntimeLayout {
  /** `g.stack.lo`, followed by `stack.hi`, `stackguard0` and `stackguard1`. */
  readonly gStack: number;
  readonly gM: number;
  /** `g.sched`: a gobuf of sp, pc, g, ctxt and, at `gobufBp`, bp. */
  readonly gSched: number;
  readonly gobufBp: number;
  readonly gStatus: number;
  readonly gGoid: number;
  readonly gWaitreason: number;
  readonly mG0: number;
  readonly mGsignal: number;
  readonly mTls: number;
  readonly mStartfn: number;
  readonly mCurg: number;
  readonly mP: number;
  readonly mId: number;
  readonly pId: number;
  readonly pSchedtick: number;
  /** `p.runqhead`, followed by `runqtail`. */
  readonly pRunqhead: number;
}

const GO_1_12: RuntimeLayout = {
  gStack: 0,
  gM: 48,
  gSched: 56,
  gobufBp: 48,
  gStatus: 144,
  gGoid: 152,
  gWaitreason: 176,
  mG0: 0,
  mGsignal: 80,
  mTls: 136,
  mStartfn: 184,
  mCurg: 192,
  mP: 208,
  mId: 232,
  pId: 8,
  pSchedtick: 24,
  pRunqhead: 1504,
};

/** What each release line changed, in order. */
const CHANGES: readonly (readonly [minor: number, change: Partial<RuntimeLayout>])[] = [
  [13, { pId: 0, pSchedtick: 16, pRunqhead: 1496 }],
  [14, { pRunqhead: 1520 }],
  [18, { pRunqhead: 400 }],
  [23, { gStatus: 152, gGoid: 160, gWaitreason: 184, pRunqhead: 392 }],
  [
    25,
    {
      gobufBp: 40,
      gStatus: 144,
      gGoid: 152,
      gWaitreason: 176,
      mGsignal: 72,
      mTls: 128,
      mStartfn: 176,
      mCurg: 184,
      mP: 200,
      mId: 224,
    },
  ],
  [26, { mP: 208, mId: 232, pRunqhead: 400 }],
];

export const FIRST_LAYOUT = 12;
export const LAST_LAYOUT = 27;

/** The layout of Go 1.`minor`; that of the nearest release line that is known if it is not. */
export function runtimeLayout(minor: number): RuntimeLayout {
  let layout = GO_1_12;
  for (const [from, change] of CHANGES) if (minor >= from) layout = { ...layout, ...change };
  return layout;
}
