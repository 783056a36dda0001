import { CPU_GPR, CPU_POLL, CPU_RIP } from "../cpu-block.js";
import type { Address, Lifter } from "../lift/lifter.js";
import { RAX, RBX, RCX, RDI, RSI, RSP } from "../registers.js";
import { CPU, GUEST, i32, i64, type Expr, type WasmBuilder } from "../wasm.js";
import { KNOWN_BODIES } from "./bodies.js";
import { bodyResult } from "./known-body.js";
import type { KnownFunction } from "./recognise.js";

/** The first integer arguments of Go's ABIInternal, in order. */
const ARGUMENT_REGISTERS = [RAX, RBX, RCX, RDI, RSI];

/** On the stack they follow the return address. */
function onStack(w: WasmBuilder, l: Lifter, position: number): Address {
  const base = w.i32.add(w.i32.wrap(l.gpr(RSP)), w.i32.const(-l.options.guestBase));
  return { base, offset: 8 + 8 * position };
}

/**
 * Condition behind a call of a known function that is inlined, registers in their locals: whether to call it after all,
 * for its head start.
 */
export function startsAhead(w: WasmBuilder, l: Lifter, known: KnownFunction): Expr {
  const body = KNOWN_BODIES[known.body];
  const position = body.data + 1;
  const load = ({ base, offset }: Address) => l.mark(w.load(GUEST, i64, 8, base, offset));
  const inRegisters = known.arguments === "registers";
  const length = inRegisters ? l.gpr(ARGUMENT_REGISTERS[position]!) : load(onStack(w, l, position));
  return w.i64.ge_u(length, w.i64.const(body.shortest));
}

/**
 * Statements before a known function's first instruction, where all registers are in the CPU block: its body is called
 * as long as it consumes data, and the arguments become those of a call with the rest. After each part, a safepoint.
 */
export function headStart(w: WasmBuilder, l: Lifter, known: KnownFunction, entry: number): Expr[] {
  const body = KNOWN_BODIES[known.body];
  const place = (position: number): Address & { memory: string } =>
    known.arguments === "stack"
      ? { memory: GUEST, ...onStack(w, l, position) }
      : { memory: CPU, base: w.i32.const(0), offset: CPU_GPR + 8 * ARGUMENT_REGISTERS[position]! };
  const argument = (position: number): Expr => {
    const { memory, base, offset } = place(position);
    return l.mark(w.load(memory, i64, 8, base, offset));
  };
  const setArgument = (position: number, value: Expr): void => {
    const { memory, base, offset } = place(position);
    l.emit(l.mark(w.store(memory, i64, 8, base, value, offset)));
  };
  const [state, data, length, capacity] = [0, body.data, body.data + 1, body.data + 2];
  const again = l.label();
  const part = l.nested(() => {
    l.emit(w.store(CPU, i32, 4, w.i32.const(0), w.i32.const(entry), CPU_RIP));
    const table = body.table < 0 ? w.i64.const(known.table) : argument(body.table);
    const args = [argument(state), table, argument(data), argument(length)];
    const result = l.value(bodyResult(w), w.call(body.name, args, bodyResult(w)));
    const consumed = () => w.tupleExtract(l.get(result), 1);
    const advance = l.nested(() => {
      setArgument(state, w.tupleExtract(l.get(result), 0));
      const rest = l.value(i64, w.i64.sub(argument(length), consumed()));
      setArgument(length, l.get(rest));
      setArgument(capacity, w.i64.sub(argument(capacity), consumed()));
      // As in compiled code, no pointer goes past the end of what it points into.
      const step = w.select(w.i64.eqz(l.get(rest)), w.i64.const(0), consumed());
      setArgument(data, w.i64.add(argument(data), step));
      const poll = w.load(CPU, i32, 4, w.i32.const(0), CPU_POLL);
      l.emit(w.if(poll, w.return(w.tuple([w.i32.const(entry), l.gpr(RSP)]))));
      l.emit(w.br(again));
    });
    l.emit(w.if(w.i32.wrap(consumed()), advance));
  });
  const isLong = w.i64.ge_u(argument(length), w.i64.const(body.shortest));
  return [w.loop(again, w.if(isLong, part))];
}
