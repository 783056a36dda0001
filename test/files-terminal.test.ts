import { expect, test } from "vitest";
import { LineDiscipline } from "../runtime-shims/host/line-discipline.js";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { ECHO, ICANON, ISIG, Terminal } from "../runtime-shims/terminal.js";

const newDiscipline = (): { terminal: Terminal; discipline: LineDiscipline; log: string[] } => {
  const terminal = new Terminal(KernelMemory.create());
  const log: string[] = [];
  const discipline = new LineDiscipline(terminal, {
    put: (bytes) => void log.push(new TextDecoder().decode(bytes)),
    end: () => void log.push("end"),
    raise: (signo) => void log.push(`signal ${signo}`),
  });
  return { terminal, discipline, log };
};

const type = (discipline: LineDiscipline, text: string): void => discipline.type(new TextEncoder().encode(text));

/** Clears local flags, as `stty` does. */
const clear = (terminal: Terminal, flags: number): void => {
  const modes = terminal.modes.slice();
  const view = new DataView(modes.buffer);
  view.setUint32(12, view.getUint32(12, true) & ~flags, true);
  terminal.modes = modes;
};

test("lines are edited before they are handed on", () => {
  const { terminal, discipline, log } = newDiscipline();
  clear(terminal, ECHO);
  type(discipline, "secre");
  expect(log).toEqual([]);
  type(discipline, "tt\x7f\r");
  type(discipline, "ä€\x7f\x7fx\x15y\n");
  type(discipline, "part\x04");
  type(discipline, "\x04");
  expect(log).toEqual(["secret\n", "y\n", "part", "end"]);
});

test("the interrupt character is a signal and drops the line", () => {
  const { discipline, log } = newDiscipline();
  type(discipline, "abc\x03def\r\x1c");
  expect(log).toEqual(["signal 2", "def\n", "signal 3"]);
});

test("single characters arrive as they are typed", () => {
  const { terminal, discipline, log } = newDiscipline();
  clear(terminal, ICANON | ECHO | ISIG);
  type(discipline, "a");
  type(discipline, "\x1b[A\x7f\x03\x04");
  expect(log).toEqual(["a", "\x1b[A\x7f\x03\x04"]);
});
