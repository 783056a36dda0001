import { GojitError } from "./errors.js";

/** One ability of a JavaScript engine that gojit asks for. */
export interface EngineFeature {
  readonly name: string;
  /** What gojit does with it. */
  readonly use: string;
  /** Without a required one no program runs. */
  readonly required: boolean;
  /** What to do where it is missing. */
  readonly remedy: string;
  readonly probe: () => boolean;
}

const newerEngine = "use Node 24 or newer, or a browser of 2025 or newer";

/** What is asked of an engine, most basic first. All probes but the memory's size take well under a millisecond. */
export const engineFeatures: readonly EngineFeature[] = [
  {
    name: "shared memory",
    use: "guest memory and the kernel's state are shared by all threads",
    required: true,
    remedy: "a page must be cross-origin isolated (COOP and COEP headers)",
    probe: () => typeof SharedArrayBuffer === "function",
  },
  {
    name: "Wasm threads",
    use: "atomic instructions, and one linear memory in several Workers",
    required: true,
    remedy: newerEngine,
    // i32.atomic.load on a shared memory
    probe: () => isValid([sharedPage], [0x41, 0, 0xfe, 0x10, 2, 0, 0x1a]),
  },
  {
    name: "multi-memory",
    use: "registers lie in a memory of their own, at constant addresses",
    required: true,
    remedy: newerEngine,
    // i32.load from memory 1
    probe: () => isValid([sharedPage, sharedPage], [0x41, 0, 0x28, 0x42, 1, 0, 0x1a]),
  },
  {
    name: "SIMD",
    use: "SSE instructions",
    required: true,
    remedy: newerEngine,
    // v128.const 0
    probe: () => isValid([], [0xfd, 0x0c, ...new Array<number>(16).fill(0), 0x1a]),
  },
  {
    name: "bulk memory",
    use: "string instructions and clearing of memory",
    required: true,
    remedy: newerEngine,
    // memory.fill
    probe: () => isValid([sharedPage], [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0]),
  },
  {
    name: "4 GiB of memory",
    use: "the guest's whole address space is one linear memory",
    required: true,
    remedy: "use a 64-bit engine, and lift limits of address space (ulimit -v)",
    probe: canReserveGuestMemory,
  },
  {
    name: "BigInt",
    use: "64-bit values pass between Wasm and JavaScript",
    required: true,
    remedy: newerEngine,
    probe: () => typeof BigUint64Array === "function",
  },
  {
    name: "tail calls",
    use: "jumps from one region to another",
    required: false,
    remedy: newerEngine,
    // return_call 0
    probe: () => isValid([], [0x12, 0]),
  },
];

/**
 * Checks the required features, but not the memory's size: reserving it takes 16 ms, and creating the guest's memory
 * fails by itself where there is not enough.
 * @throws GojitError naming the first that is missing.
 */
export function checkEngine(): void {
  for (const { name, required, remedy, probe } of engineFeatures) {
    if (!required || probe === canReserveGuestMemory || probe()) continue;
    throw new GojitError("missing-engine-feature", `this JavaScript engine lacks ${name}: ${remedy}.`);
  }
}

/** Limits of a memory: shared, one page at least and at most. */
const sharedPage = [3, 1, 1];

/** Whether the engine accepts a module with these memories and one function without parameters and results. */
function isValid(memories: readonly (readonly number[])[], body: readonly number[]): boolean {
  const section = (id: number, content: readonly number[]): number[] => [id, content.length, ...content];
  const code = [0, ...body, 0x0b];
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...(memories.length > 0 ? section(5, [memories.length, ...memories.flat()]) : []),
    ...section(10, [1, code.length, ...code]),
  ];
  return WebAssembly.validate(Uint8Array.from(bytes));
}

function canReserveGuestMemory(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 65_535, maximum: 65_535, shared: true }).buffer.byteLength > 0;
  } catch {
    return false;
  }
}
