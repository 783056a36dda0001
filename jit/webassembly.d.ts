/**
 * The part of the WebAssembly JavaScript interface that is used here: the compiler's own declarations come with the
 * DOM's, which this code must not see.
 */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    grow(delta: number): number;
  }
  class Table {
    constructor(descriptor: { element: "anyfunc"; initial: number; maximum?: number }, value?: unknown);
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value: unknown): void;
    grow(delta: number, value?: unknown): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
    static customSections(module: Module, name: string): ArrayBuffer[];
  }
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, unknown>;
  }
  class RuntimeError extends Error {}
  type Imports = Record<string, Record<string, unknown>>;
  /** Not a function declaration, so that binaryen-instance.ts can stand in for it. */
  let instantiate: (bytes: Uint8Array, imports: Imports) => Promise<{ module: Module; instance: Instance }>;
  function validate(bytes: Uint8Array): boolean;
}
