/**
 * The wall around Binaryen: nothing else uses it. Expressions are Binaryen's own references as branded numbers, built
 * through the raw C API, which is faster than the classes of its JavaScript API (shared measurements: 1.6x or more).
 *
 * An `Expr` is a tree node: use it exactly once. Values that are needed twice go through a local (`local.set`/`get`).
 * Only the builder shares nodes: constants and reads of locals, which are never marked.
 */
import { addBranchHints } from "./branch-hints.js";
import { columnOfLag, LIKELY_COLUMN, UNLIKELY_COLUMN } from "./source-map.js";
import { pushUnsigned } from "./leb128.js";
import { binaryenBytes, binaryenWords, guarded } from "./binaryen-instance.js";
import binaryen from "binaryen";

export type Expr = number & { readonly __expr: unique symbol };
export type Type = number & { readonly __type: unique symbol };
export type FunctionRef = number & { readonly __function: unique symbol };

type Raw = Record<string, (...args: unknown[]) => number>;
const raw = binaryen as unknown as Raw;

export const none = raw["_BinaryenTypeNone"]!() as Type;
export const i32 = raw["_BinaryenTypeInt32"]!() as Type;
export const i64 = raw["_BinaryenTypeInt64"]!() as Type;
export const f32 = raw["_BinaryenTypeFloat32"]!() as Type;
export const f64 = raw["_BinaryenTypeFloat64"]!() as Type;
export const v128 = raw["_BinaryenTypeVec128"]!() as Type;

/** The guest's memory: wasm address = guest address - guestBase. */
export const GUEST = "g";
/** The thread's CPU block, at constant addresses. */
export const CPU = "c";

const INT_BINARY = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div_s: "DivS",
  div_u: "DivU",
  rem_s: "RemS",
  rem_u: "RemU",
  and: "And",
  or: "Or",
  xor: "Xor",
  shl: "Shl",
  shr_s: "ShrS",
  shr_u: "ShrU",
  rotl: "RotL",
  rotr: "RotR",
  eq: "Eq",
  ne: "Ne",
  lt_s: "LtS",
  lt_u: "LtU",
  le_s: "LeS",
  le_u: "LeU",
  gt_s: "GtS",
  gt_u: "GtU",
  ge_s: "GeS",
  ge_u: "GeU",
} as const;
const FLOAT_BINARY = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  copysign: "CopySign",
  min: "Min",
  max: "Max",
  eq: "Eq",
  ne: "Ne",
  lt: "Lt",
  le: "Le",
  gt: "Gt",
  ge: "Ge",
} as const;
const FLOAT_UNARY = {
  abs: "Abs",
  neg: "Neg",
  ceil: "Ceil",
  floor: "Floor",
  trunc: "Trunc",
  nearest: "Nearest",
  sqrt: "Sqrt",
} as const;
const V128_BINARY = { and: "And", or: "Or", xor: "Xor", andnot: "AndNot" } as const;
const VEC_INT_BINARY = { add: "Add", sub: "Sub", eq: "Eq", ne: "Ne", lt_s: "LtS", gt_s: "GtS" } as const;
const VEC_MIN_MAX = { min_s: "MinS", min_u: "MinU", max_s: "MaxS", max_u: "MaxU" } as const;
/** Products of the low or high halves' lanes in double width. */
const VEC_EXTMUL = {
  extmul_low_s: "ExtMulLowS",
  extmul_high_s: "ExtMulHighS",
  extmul_low_u: "ExtMulLowU",
  extmul_high_u: "ExtMulHighU",
} as const;
const VEC_FLOAT_BINARY = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  eq: "Eq",
  ne: "Ne",
  lt: "Lt",
  le: "Le",
  gt: "Gt",
  ge: "Ge",
  /** pmin(a, b) = b < a ? b : a. */
  pmin: "PMin",
  /** pmax(a, b) = a < b ? b : a. */
  pmax: "PMax",
} as const;
const VEC_FLOAT_UNARY = {
  abs: "Abs",
  neg: "Neg",
  sqrt: "Sqrt",
  ceil: "Ceil",
  floor: "Floor",
  trunc: "Trunc",
  nearest: "Nearest",
  splat: "Splat",
} as const;

type Binary<T> = { readonly [K in keyof T]: (a: Expr, b: Expr) => Expr };
type Unary<T> = { readonly [K in keyof T]: (a: Expr) => Expr };

export type AtomicRmw = "add" | "sub" | "and" | "or" | "xor" | "xchg";
const ATOMIC_RMW: Record<AtomicRmw, number> = {
  add: raw["_BinaryenAtomicRMWAdd"]!(),
  sub: raw["_BinaryenAtomicRMWSub"]!(),
  and: raw["_BinaryenAtomicRMWAnd"]!(),
  or: raw["_BinaryenAtomicRMWOr"]!(),
  xor: raw["_BinaryenAtomicRMWXor"]!(),
  xchg: raw["_BinaryenAtomicRMWXchg"]!(),
};
const SEQ_CST = raw["_BinaryenMemoryOrderSeqCst"]!();

// Named one by one: `Features.All` makes Binaryen emit encodings that V8 refuses (compact imports).
const FEATURES =
  binaryen.Features.Atomics |
  binaryen.Features.MutableGlobals |
  binaryen.Features.NontrappingFPToInt |
  binaryen.Features.SIMD128 |
  binaryen.Features.BulkMemory |
  binaryen.Features.BulkMemoryOpt |
  binaryen.Features.SignExt |
  binaryen.Features.TailCall |
  binaryen.Features.ReferenceTypes |
  binaryen.Features.Multivalue |
  binaryen.Features.MultiMemory;

const literal = raw["_malloc"]!(raw["_BinaryenSizeofLiteral"]!());
let scratch = 0;
let scratchWords = 0;

/** Writes 32-bit words into Binaryen's memory; valid until the next call. */
function words(values: readonly number[]): number {
  if (values.length > scratchWords) {
    if (scratch) raw["_free"]!(scratch);
    scratchWords = Math.max(256, values.length * 2);
    scratch = raw["_malloc"]!(scratchWords * 4);
  }
  const view = binaryenWords();
  for (let i = 0; i < values.length; i++) view[(scratch >> 2) + i] = values[i]!;
  return scratch;
}

/** A copy in Binaryen's memory, to be freed. */
function allocate(bytes: ArrayLike<number>): number {
  const pointer = raw["_malloc"]!(bytes.length);
  binaryenBytes().set(bytes, pointer);
  return pointer;
}
/** The same of an ASCII text, with a NUL behind it. */
function allocateString(text: string): number {
  const pointer = raw["_malloc"]!(text.length + 1);
  const view = binaryenBytes();
  for (let i = 0; i < text.length; i++) view[pointer + i] = text.charCodeAt(i);
  view[pointer + text.length] = 0;
  return pointer;
}

const strings = new Map<string, number>();
/** A NUL-terminated copy of an ASCII name; kept for ever, so only for names from a bounded set. */
function name(text: string): number {
  let pointer = strings.get(text);
  if (pointer === undefined) strings.set(text, (pointer = allocateString(text)));
  return pointer;
}
/** The same for a name that occurs once or twice: freed after `use` (Binaryen interns names itself). */
function withName<T>(text: string, use: (pointer: number) => T): T {
  const pointer = allocateString(text);
  try {
    return use(pointer);
  } finally {
    raw["_free"]!(pointer);
  }
}

const rawBinary = raw["_BinaryenBinary"]!;
const rawUnary = raw["_BinaryenUnary"]!;
const rawLoad = raw["_BinaryenLoad"]!;
const rawStore = raw["_BinaryenStore"]!;
const rawConst = raw["_BinaryenConst"]!;
const literalI32 = raw["_BinaryenLiteralInt32"]!;
const literalI64 = raw["_BinaryenLiteralInt64"]!;
const rawLocalGet = raw["_BinaryenLocalGet"]!;
const rawBlock = raw["_BinaryenBlock"]!;
const rawLocalSet = raw["_BinaryenLocalSet"]!;

/** Nodes of removed functions stay in memory with their module, some 60 KB each time. */
const MODULES_FROM_ONE = 16;

interface Template {
  /** The module that has just the imports, in binary form in Binaryen's memory. */
  readonly pointer: number;
  readonly size: number;
  /** Number of imported functions. */
  readonly functions: number;
}
const templates = new Map<string, Template>();

function template(imports: string): Template {
  let found = templates.get(imports);
  if (!found) {
    const parsed = binaryen.parseText(`(module ${imports})`);
    parsed.setFeatures(FEATURES);
    // Names of memories and tables are debug information, which costs much time in every other module.
    binaryen.setDebugInfo(true);
    const bytes = parsed.emitBinary();
    binaryen.setDebugInfo(false);
    const functions = parsed.getNumFunctions();
    parsed.dispose();
    found = { pointer: allocate(bytes), size: bytes.length, functions };
    templates.set(imports, found);
  }
  return found;
}

/** A custom section "name" with the names of the functions from index `first` on (ASCII, shorter than 128). */
function nameSection(first: number, names: readonly string[]): Uint8Array {
  const map: number[] = [];
  pushUnsigned(map, names.length);
  names.forEach((text, i) => {
    pushUnsigned(map, first + i);
    pushUnsigned(map, text.length);
    for (let c = 0; c < text.length; c++) map.push(text.charCodeAt(c));
  });
  const content = [4, 0x6e, 0x61, 0x6d, 0x65, 1];
  pushUnsigned(content, map.length);
  const section = [0];
  pushUnsigned(section, content.length + map.length);
  return Uint8Array.from([...section, ...content, ...map]);
}

/** Where Binaryen says what it has written: three words. */
const written = raw["_malloc"]!(raw["_BinaryenSizeofAllocateAndWriteResult"]!());

/** Builds one Wasm module at a time: `begin`, functions, `emit`. Offsets and sizes are in bytes. */
export class WasmBuilder {
  private m = 0;
  private imports = "";
  private importedFunctions = 0;
  private functionNames: string[] = [];
  private segmentNames: string[] = [];
  /** Modules that were built from one reading of the imports. */
  private modulesBuilt = 0;
  /** False where building or writing has been given up half-way. */
  private emitted = false;
  /** Nodes that are used many times: Binaryen only writes them, and making one costs two calls. */
  private readonly constants32 = new Map<number, Expr>();
  private readonly constants64 = new Map<number | bigint, Expr>();
  /** Reads of locals of any function, by index * 8 + type. */
  private reads: Expr[] = [];

  private binary<T extends Record<string, string>>(names: T, suffix: string): Binary<T> {
    const out: Record<string, (a: Expr, b: Expr) => Expr> = {};
    for (const [key, opName] of Object.entries(names)) {
      const op = raw[`_Binaryen${opName}${suffix}`]!();
      out[key] = (a, b) => rawBinary(this.m, op, a, b) as Expr;
    }
    return out as Binary<T>;
  }
  private unary<T extends Record<string, string>>(names: T, suffix = ""): Unary<T> {
    const out: Record<string, (a: Expr) => Expr> = {};
    for (const [key, opName] of Object.entries(names)) {
      const op = raw[`_Binaryen${opName}${suffix}`]!();
      out[key] = (a) => rawUnary(this.m, op, a) as Expr;
    }
    return out as Unary<T>;
  }

  readonly i32 = {
    ...this.binary(INT_BINARY, "Int32"),
    ...this.unary({ clz: "ClzInt32", ctz: "CtzInt32", popcnt: "PopcntInt32", eqz: "EqZInt32" }),
    ...this.unary({ extend8_s: "ExtendS8Int32", extend16_s: "ExtendS16Int32", wrap: "WrapInt64" }),
    ...this.unary({ trunc_sat_f32_s: "TruncSatSFloat32ToInt32", trunc_sat_f64_s: "TruncSatSFloat64ToInt32" }),
    ...this.unary({ reinterpret_f32: "ReinterpretFloat32" }),
    /** 32-bit constant; any JavaScript integer, taken modulo 2^32. */
    const: (value: number): Expr => {
      const word = value | 0;
      let expr = this.constants32.get(word);
      if (expr === undefined) {
        literalI32(literal, word);
        this.constants32.set(word, (expr = rawConst(this.m, literal) as Expr));
      }
      return expr;
    },
  };
  readonly i64 = {
    ...this.binary(INT_BINARY, "Int64"),
    ...this.unary({ clz: "ClzInt64", ctz: "CtzInt64", popcnt: "PopcntInt64", eqz: "EqZInt64" }),
    ...this.unary({ extend8_s: "ExtendS8Int64", extend16_s: "ExtendS16Int64", extend32_s: "ExtendS32Int64" }),
    ...this.unary({ extend_i32_s: "ExtendSInt32", extend_i32_u: "ExtendUInt32" }),
    ...this.unary({ trunc_sat_f32_s: "TruncSatSFloat32ToInt64", trunc_sat_f64_s: "TruncSatSFloat64ToInt64" }),
    ...this.unary({ reinterpret_f64: "ReinterpretFloat64" }),
    /** 64-bit constant, modulo 2^64. */
    const: (value: number | bigint): Expr => {
      let expr = this.constants64.get(value);
      if (expr === undefined) {
        literalI64(literal, BigInt.asIntN(64, BigInt(value)));
        this.constants64.set(value, (expr = rawConst(this.m, literal) as Expr));
      }
      return expr;
    },
  };
  readonly f32 = {
    ...this.binary(FLOAT_BINARY, "Float32"),
    ...this.unary(FLOAT_UNARY, "Float32"),
    ...this.unary({ convert_i32_s: "ConvertSInt32ToFloat32", convert_i64_s: "ConvertSInt64ToFloat32" }),
    ...this.unary({ demote: "DemoteFloat64", reinterpret_i32: "ReinterpretInt32" }),
    constBits: (bits: number): Expr => {
      raw["_BinaryenLiteralFloat32Bits"]!(literal, bits | 0);
      return rawConst(this.m, literal) as Expr;
    },
  };
  readonly f64 = {
    ...this.binary(FLOAT_BINARY, "Float64"),
    ...this.unary(FLOAT_UNARY, "Float64"),
    ...this.unary({ convert_i32_s: "ConvertSInt32ToFloat64", convert_i64_s: "ConvertSInt64ToFloat64" }),
    ...this.unary({ promote: "PromoteFloat32", reinterpret_i64: "ReinterpretInt64" }),
    constBits: (bits: bigint): Expr => {
      raw["_BinaryenLiteralFloat64Bits"]!(literal, BigInt.asIntN(64, bits));
      return rawConst(this.m, literal) as Expr;
    },
  };
  readonly v128 = {
    ...this.binary(V128_BINARY, "Vec128"),
    ...this.unary({ not: "NotVec128", any_true: "AnyTrueVec128" }),
    const: (bytes: Uint8Array): Expr => {
      const pointer = allocate(bytes);
      raw["_BinaryenLiteralVec128"]!(literal, pointer);
      raw["_free"]!(pointer);
      return rawConst(this.m, literal) as Expr;
    },
    bitselect: (ifOne: Expr, ifZero: Expr, mask: Expr): Expr =>
      raw["_BinaryenSIMDTernary"]!(this.m, raw["_BinaryenBitselectVec128"]!(), ifOne, ifZero, mask) as Expr,
  };
  readonly i8x16 = {
    ...this.binary(
      {
        ...VEC_INT_BINARY,
        ...VEC_MIN_MAX,
        avgr_u: "AvgrU",
        add_sat_s: "AddSatS",
        add_sat_u: "AddSatU",
        sub_sat_s: "SubSatS",
        sub_sat_u: "SubSatU",
        swizzle: "Swizzle",
      },
      "VecI8x16",
    ),
    ...this.binary({ narrow_i16x8_s: "NarrowSVecI16x8To", narrow_i16x8_u: "NarrowUVecI16x8To" }, "VecI8x16"),
    ...this.unary({ bitmask: "Bitmask", popcnt: "Popcnt", splat: "Splat", abs: "Abs" }, "VecI8x16"),
    ...this.lanes("VecI8x16", "ExtractLaneU", "ExtractLaneS"),
    ...this.shifts("VecI8x16"),
    /** Picks bytes: `mask[i]` 0-15 from `a`, 16-31 from `b`. */
    shuffle: (a: Expr, b: Expr, mask: readonly number[]): Expr => {
      const pointer = allocate(mask);
      const result = raw["_BinaryenSIMDShuffle"]!(this.m, a, b, pointer) as Expr;
      raw["_free"]!(pointer);
      return result;
    },
  };
  readonly i16x8 = {
    ...this.binary(
      {
        ...VEC_INT_BINARY,
        ...VEC_MIN_MAX,
        ...VEC_EXTMUL,
        mul: "Mul",
        q15mulr_sat_s: "Q15MulrSatS",
        avgr_u: "AvgrU",
        add_sat_s: "AddSatS",
        add_sat_u: "AddSatU",
        sub_sat_s: "SubSatS",
        sub_sat_u: "SubSatU",
      },
      "VecI16x8",
    ),
    ...this.binary({ narrow_i32x4_s: "NarrowSVecI32x4To", narrow_i32x4_u: "NarrowUVecI32x4To" }, "VecI16x8"),
    ...this.unary({ bitmask: "Bitmask", splat: "Splat", abs: "Abs" }, "VecI16x8"),
    ...this.unary({
      extend_low_i8x16_s: "ExtendLowSVecI8x16ToVecI16x8",
      extend_low_i8x16_u: "ExtendLowUVecI8x16ToVecI16x8",
      extadd_pairwise_i8x16_u: "ExtAddPairwiseUVecI8x16ToI16x8",
    }),
    ...this.lanes("VecI16x8", "ExtractLaneU", "ExtractLaneS"),
    ...this.shifts("VecI16x8"),
  };
  readonly i32x4 = {
    ...this.binary(
      { ...VEC_INT_BINARY, ...VEC_MIN_MAX, ...VEC_EXTMUL, mul: "Mul", dot_i16x8_s: "DotSVecI16x8To" },
      "VecI32x4",
    ),
    ...this.unary({ bitmask: "Bitmask", splat: "Splat", abs: "Abs" }, "VecI32x4"),
    ...this.unary({
      trunc_sat_f32x4_s: "TruncSatSVecF32x4ToVecI32x4",
      trunc_sat_f64x2_s_zero: "TruncSatZeroSVecF64x2ToVecI32x4",
      extend_low_i16x8_s: "ExtendLowSVecI16x8ToVecI32x4",
      extend_low_i16x8_u: "ExtendLowUVecI16x8ToVecI32x4",
      extadd_pairwise_i16x8_u: "ExtAddPairwiseUVecI16x8ToI32x4",
    }),
    ...this.lanes("VecI32x4", "ExtractLane"),
    ...this.shifts("VecI32x4"),
  };
  readonly i64x2 = {
    ...this.binary({ ...VEC_INT_BINARY, ...VEC_EXTMUL, mul: "Mul" }, "VecI64x2"),
    ...this.unary({ bitmask: "Bitmask", splat: "Splat" }, "VecI64x2"),
    ...this.unary({
      extend_low_i32x4_s: "ExtendLowSVecI32x4ToVecI64x2",
      extend_low_i32x4_u: "ExtendLowUVecI32x4ToVecI64x2",
    }),
    ...this.lanes("VecI64x2", "ExtractLane"),
    ...this.shifts("VecI64x2"),
  };
  readonly f32x4 = {
    ...this.binary(VEC_FLOAT_BINARY, "VecF32x4"),
    ...this.unary(VEC_FLOAT_UNARY, "VecF32x4"),
    ...this.unary({ convert_i32x4_s: "ConvertSVecI32x4ToVecF32x4", demote_f64x2_zero: "DemoteZeroVecF64x2ToVecF32x4" }),
    ...this.lanes("VecF32x4", "ExtractLane"),
  };
  readonly f64x2 = {
    ...this.binary(VEC_FLOAT_BINARY, "VecF64x2"),
    ...this.unary(VEC_FLOAT_UNARY, "VecF64x2"),
    ...this.unary({
      convert_low_i32x4_s: "ConvertLowSVecI32x4ToVecF64x2",
      promote_low_f32x4: "PromoteLowVecF32x4ToVecF64x2",
    }),
    ...this.lanes("VecF64x2", "ExtractLane"),
  };

  private lanes(suffix: string, extract: string, extractSigned?: string) {
    const extractOp = raw[`_Binaryen${extract}${suffix}`]!();
    const signedOp = extractSigned ? raw[`_Binaryen${extractSigned}${suffix}`]!() : extractOp;
    const replaceOp = raw[`_BinaryenReplaceLane${suffix}`]!();
    const rawExtract = raw["_BinaryenSIMDExtract"]!;
    return {
      /** Zero-extends lanes narrower than 32 bits. */
      extract: (vector: Expr, lane: number): Expr => rawExtract(this.m, extractOp, vector, lane) as Expr,
      extract_s: (vector: Expr, lane: number): Expr => rawExtract(this.m, signedOp, vector, lane) as Expr,
      replace: (vector: Expr, lane: number, value: Expr): Expr =>
        raw["_BinaryenSIMDReplace"]!(this.m, replaceOp, vector, lane, value) as Expr,
    };
  }
  private shifts(suffix: string) {
    const shift = (opName: string) => {
      const op = raw[`_Binaryen${opName}${suffix}`]!();
      return (vector: Expr, count: Expr): Expr => raw["_BinaryenSIMDShift"]!(this.m, op, vector, count) as Expr;
    };
    /** The count (i32) is taken modulo the lane width. */
    return { shl: shift("Shl"), shr_s: shift("ShrS"), shr_u: shift("ShrU") };
  }

  readonly local = {
    get: (index: number, type: Type): Expr => {
      // Binaryen's writer tells the reads of a tuple apart by their nodes.
      if (type > v128) return rawLocalGet(this.m, index, type) as Expr;
      return (this.reads[index * 8 + type] ??= rawLocalGet(this.m, index, type) as Expr);
    },
    set: (index: number, value: Expr): Expr => rawLocalSet(this.m, index, value) as Expr,
    tee: (index: number, value: Expr, type: Type): Expr =>
      raw["_BinaryenLocalTee"]!(this.m, index, value, type) as Expr,
  };

  /** Loads `bytes` (1, 2, 4, 8, 16) as `type`; no alignment is assumed. */
  load(memory: string, type: Type, bytes: number, address: Expr, offset = 0, signed = false): Expr {
    return rawLoad(this.m, bytes, signed, offset, 1, type, address, name(memory)) as Expr;
  }
  store(memory: string, type: Type, bytes: number, address: Expr, value: Expr, offset = 0): Expr {
    return rawStore(this.m, bytes, offset, 1, address, value, type, name(memory)) as Expr;
  }
  /** v128 with the low `bytes` (4 or 8) loaded and the rest zero. */
  loadZero(memory: string, bytes: 4 | 8, address: Expr, offset = 0): Expr {
    const op = bytes === 4 ? raw["_BinaryenLoad32ZeroVec128"]!() : raw["_BinaryenLoad64ZeroVec128"]!();
    return raw["_BinaryenSIMDLoad"]!(this.m, op, offset, 1, address, name(memory)) as Expr;
  }
  atomicLoad(memory: string, type: Type, bytes: number, address: Expr, offset = 0): Expr {
    return raw["_BinaryenAtomicLoad"]!(this.m, bytes, offset, type, address, name(memory), SEQ_CST) as Expr;
  }
  atomicRmw(op: AtomicRmw, type: Type, bytes: number, address: Expr, value: Expr, offset = 0): Expr {
    return raw["_BinaryenAtomicRMW"]!(
      this.m,
      ATOMIC_RMW[op],
      bytes,
      offset,
      address,
      value,
      type,
      name(GUEST),
      SEQ_CST,
    ) as Expr;
  }
  atomicCmpxchg(type: Type, bytes: number, address: Expr, expected: Expr, value: Expr, offset = 0): Expr {
    return raw["_BinaryenAtomicCmpxchg"]!(
      this.m,
      bytes,
      offset,
      address,
      expected,
      value,
      type,
      name(GUEST),
      SEQ_CST,
    ) as Expr;
  }
  atomicFence(): Expr {
    return raw["_BinaryenAtomicFence"]!(this.m, SEQ_CST) as Expr;
  }
  /** From one address of `memory` to another. */
  memoryCopy(memory: string, target: Expr, source: Expr, size: Expr): Expr {
    return raw["_BinaryenMemoryCopy"]!(this.m, target, source, size, name(memory), name(memory)) as Expr;
  }
  /** Current size in pages, an i32. */
  memorySize(memory: string): Expr {
    return raw["_BinaryenMemorySize"]!(this.m, name(memory), false) as Expr;
  }
  memoryFill(memory: string, target: Expr, value: Expr, size: Expr): Expr {
    return raw["_BinaryenMemoryFill"]!(this.m, target, value, size, name(memory)) as Expr;
  }

  /** Both arms are evaluated. */
  select(condition: Expr, ifTrue: Expr, ifFalse: Expr): Expr {
    return raw["_BinaryenSelect"]!(this.m, condition, ifTrue, ifFalse) as Expr;
  }
  if(condition: Expr, ifTrue: Expr, ifFalse: Expr | 0 = 0): Expr {
    return raw["_BinaryenIf"]!(this.m, condition, ifTrue, ifFalse) as Expr;
  }
  block(label: string | null, children: readonly Expr[], type: Type = none): Expr {
    const block = rawBlock(this.m, 0, words(children), children.length, type) as Expr;
    if (label !== null) {
      // Named after it is made, and given its type again: Binaryen would search all that is inside for branches to it.
      raw["_BinaryenBlockSetName"]!(block, name(label));
      raw["_BinaryenExpressionSetType"]!(block, type);
    }
    return block;
  }
  loop(label: string, body: Expr): Expr {
    return raw["_BinaryenLoop"]!(this.m, name(label), body) as Expr;
  }
  br(label: string, condition: Expr | 0 = 0): Expr {
    return raw["_BinaryenBreak"]!(this.m, name(label), condition, 0) as Expr;
  }
  switch(labels: readonly string[], defaultLabel: string, index: Expr): Expr {
    return raw["_BinaryenSwitch"]!(
      this.m,
      words(labels.map(name)),
      labels.length,
      name(defaultLabel),
      index,
      0,
    ) as Expr;
  }
  return(value: Expr | 0 = 0): Expr {
    return raw["_BinaryenReturn"]!(this.m, value) as Expr;
  }
  drop(value: Expr): Expr {
    return raw["_BinaryenDrop"]!(this.m, value) as Expr;
  }
  nop(): Expr {
    return raw["_BinaryenNop"]!(this.m) as Expr;
  }
  unreachable(): Expr {
    return raw["_BinaryenUnreachable"]!(this.m) as Expr;
  }
  call(target: string, args: readonly Expr[], result: Type): Expr {
    return withName(
      target,
      (pointer) => raw["_BinaryenCall"]!(this.m, pointer, words(args), args.length, result) as Expr,
    );
  }
  returnCall(target: string, args: readonly Expr[], result: Type): Expr {
    return withName(
      target,
      (pointer) => raw["_BinaryenReturnCall"]!(this.m, pointer, words(args), args.length, result) as Expr,
    );
  }
  callIndirect(table: string, index: Expr, args: readonly Expr[], params: Type, result: Type): Expr {
    return raw["_BinaryenCallIndirect"]!(this.m, name(table), index, words(args), args.length, params, result) as Expr;
  }
  returnCallIndirect(table: string, index: Expr, args: readonly Expr[], params: Type, result: Type): Expr {
    return raw["_BinaryenReturnCallIndirect"]!(
      this.m,
      name(table),
      index,
      words(args),
      args.length,
      params,
      result,
    ) as Expr;
  }

  /** Several values as one, of the type that `types` gives: for results of more than one value. */
  tuple(values: readonly Expr[]): Expr {
    return raw["_BinaryenTupleMake"]!(this.m, words(values), values.length) as Expr;
  }
  /** One of the values. */
  tupleExtract(tuple: Expr, index: number): Expr {
    return raw["_BinaryenTupleExtract"]!(this.m, tuple, index) as Expr;
  }

  /** The type of several values. */
  types(list: readonly Type[]): Type {
    return raw["_BinaryenTypeCreate"]!(words(list), list.length) as Type;
  }

  /**
   * Starts a new module from its imports in WebAssembly's text format; what was built for an earlier one must not be
   * used any more. (Binaryen's C API can describe one memory only, its text parser any number.)
   */
  begin(imports: string): void {
    const reusable = this.m && this.emitted && imports === this.imports && this.modulesBuilt < MODULES_FROM_ONE;
    if (reusable) this.removeAll();
    else this.read(imports);
    this.modulesBuilt++;
    this.emitted = false;
    this.functionNames = [];
    this.segmentNames = [];
  }
  private read(imports: string): void {
    this.dispose();
    const { pointer, size, functions } = template(imports);
    this.m = raw["_BinaryenModuleReadWithFeatures"]!(pointer, size, FEATURES);
    this.imports = imports;
    this.importedFunctions = functions;
    this.modulesBuilt = 0;
    this.constants32.clear();
    this.constants64.clear();
    this.reads = [];
  }
  private removeAll(): void {
    for (const segment of this.segmentNames) {
      withName(segment, (pointer) => raw["_BinaryenRemoveElementSegment"]!(this.m, pointer));
    }
    for (const functionName of this.functionNames) {
      withName(functionName, (pointer) => raw["_BinaryenRemoveFunction"]!(this.m, pointer));
    }
  }
  addFunction(functionName: string, params: Type, result: Type, locals: readonly Type[], body: Expr): FunctionRef {
    this.functionNames.push(functionName);
    return withName(
      functionName,
      (pointer) =>
        raw["_BinaryenAddFunction"]!(
          this.m,
          pointer,
          params,
          result,
          words(locals),
          locals.length,
          body,
        ) as FunctionRef,
    );
  }
  /** Puts a function into slot `slot` of `table` when the module is instantiated. */
  addElement(table: string, slot: number, functionName: string): void {
    const offset = this.i32.const(slot);
    const segmentName = `e${slot}`;
    this.segmentNames.push(segmentName);
    withName(functionName, (target) =>
      withName(segmentName, (segment) =>
        raw["_BinaryenAddActiveElementSegment"]!(this.m, name(table), segment, words([target]), 1, offset),
      ),
    );
  }
  /** Puts functions into the slots of `table` from `first` on when the module is instantiated. */
  addElements(table: string, first: number, functionNames: readonly string[]): void {
    const pointers = functionNames.map(name);
    withName("elements", (segment) =>
      raw["_BinaryenAddActiveElementSegment"]!(
        this.m,
        name(table),
        segment,
        words(pointers),
        pointers.length,
        this.i32.const(first),
      ),
    );
  }
  addCustomSection(sectionName: string, content: Uint8Array): void {
    const pointer = raw["_malloc"]!(content.length);
    content.forEach((byte, i) => raw["__i32_store8"]!(pointer + i, byte));
    withName(sectionName, (section) => raw["_BinaryenAddCustomSection"]!(this.m, section, pointer, content.length));
    raw["_free"]!(pointer);
  }
  exportFunction(functionName: string, exported: string): void {
    // Exports are not removed again.
    this.modulesBuilt = MODULES_FROM_ONE;
    withName(functionName, (internal) =>
      withName(exported, (external) => raw["_BinaryenAddFunctionExport"]!(this.m, internal, external)),
    );
  }
  /**
   * Marks `expression` with two numbers that the source map of `emit` carries: `value`, 0 to 2^31-1, and `lag` of either
   * sign, which should be small.
   */
  mark(owner: FunctionRef, expression: Expr, value: number, lag: number): void {
    // Lines count from 1.
    raw["_BinaryenFunctionSetDebugLocation"]!(owner, expression, 0, value + 1, columnOfLag(lag));
  }

  /** Marks `branch`, an `if` or `br_if`, as `mark` does, and says whether its condition is nearly always true, or never. */
  hint(owner: FunctionRef, branch: Expr, likely: boolean, value: number): void {
    const column = likely ? LIKELY_COLUMN : UNLIKELY_COLUMN;
    raw["_BinaryenFunctionSetDebugLocation"]!(owner, branch, 0, value + 1, column);
  }

  /**
   * The module's bytes with a name section (a trap's stack text then says which function it happened in), and with
   * `withMap` the map of code offsets to marks as a JSON source map in ASCII.
   */
  emit(withMap: boolean): { bytes: Uint8Array; sourceMap: Uint8Array | null } {
    // Binaryen's own name section names everything, at twice the cost of writing the module.
    const names = nameSection(this.importedFunctions, this.functionNames);
    // {binary, size, source map}, all to be freed; the wrapper's emitBinary would do, but making it costs 0.1 ms.
    guarded(() => raw["_BinaryenModuleAllocateAndWrite"]!(written, this.m, withMap ? name("m") : 0));
    const view = binaryenBytes();
    const [binary, size, map] = binaryenWords().subarray(written >> 2, (written >> 2) + 3) as unknown as number[];
    const bytes = new Uint8Array(size! + names.length);
    bytes.set(view.subarray(binary!, binary! + size!));
    bytes.set(names, size);
    const sourceMap = map ? view.slice(map, view.indexOf(0, map)) : null;
    raw["_free"]!(binary);
    raw["_free"]!(map);
    this.emitted = true;
    if (!sourceMap) return { bytes, sourceMap };
    const hinted = addBranchHints(bytes, sourceMap, this.importedFunctions);
    return { bytes: hinted.bytes, sourceMap: hinted.map };
  }
  /** Must precede `mark`. */
  openMarks(): void {
    if (this.modulesBuilt > 1) return;
    withName("g", (pointer) => raw["_BinaryenModuleAddDebugInfoFileName"]!(this.m, pointer));
  }
  /** The module as text, for people and golden tests. */
  text(): string {
    return binaryen.wrapModule(this.m).emitText();
  }
  /** True if Binaryen's validator accepts the module; used by tests and `--verify`. */
  validate(): boolean {
    return raw["_BinaryenModuleValidate"]!(this.m) === 1;
  }
  dispose(): void {
    if (this.m) raw["_BinaryenModuleDispose"]!(this.m);
    this.m = 0;
  }
}
