import type { Expr, Type, WasmBuilder } from "../wasm.js";

/** A local of the function being built. */
export interface Local {
  readonly index: number;
  readonly type: Type;
}

/** A Wasm function written by hand: its locals, and its statements in order. */
export class FunctionBuilder {
  private readonly types: Type[] = [];
  private readonly params: readonly Type[];
  private statements: Expr[] = [];
  private readonly w: WasmBuilder;

  constructor(w: WasmBuilder, params: readonly Type[]) {
    this.w = w;
    this.params = params;
  }

  param(index: number): Local {
    return { index, type: this.params[index]! };
  }
  local(type: Type): Local {
    return { index: this.params.length + this.types.push(type) - 1, type };
  }
  locals(type: Type, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }
  get({ index, type }: Local): Expr {
    return this.w.local.get(index, type);
  }
  set({ index }: Local, value: Expr): void {
    this.emit(this.w.local.set(index, value));
  }
  emit(statement: Expr): void {
    this.statements.push(statement);
  }
  /** What `build` emits, if `condition` holds. */
  when(condition: Expr, build: () => void): void {
    this.emit(this.w.if(condition, this.nested(build)));
  }
  /** What `build` emits, repeated as long as `condition` holds at its end. */
  repeat(label: string, build: () => void, condition: () => Expr): void {
    const body = this.nested(() => {
      build();
      this.emit(this.w.br(label, condition()));
    });
    this.emit(this.w.loop(label, body));
  }
  private nested(build: () => void): Expr {
    const outer = this.statements;
    this.statements = [];
    build();
    const block = this.w.block(null, this.statements);
    this.statements = outer;
    return block;
  }
  /** Adds the function to the module being built; `result` is what it returns in the end. */
  add(name: string, result: Expr, type: Type): void {
    const { w, params, types, statements } = this;
    w.addFunction(name, w.types(params), type, types, w.block(null, [...statements, result], type));
  }
}
