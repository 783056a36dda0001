"""Runs in gdb: what a trace's probes would capture, in a native process that stands at its entry.

GOJIT_PHASES names a JSON file: a list of {"probes": [{"number", "pc", "times", "captures"}], "until": pc}, where a capture
is as in src/trace/capture.ts. Prints a line "@ NUMBER HEX HEX ..." for each probe that is passed, in order, with one whole
word of 64 bits for each capture, and goes on to the next phase at the first pass of `until`.
"""

import json
import os

import gdb

REGISTERS = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
SOURCE_G, SOURCE_NUMBER, SOURCE_FS_BASE = 16, 17, 18
MASK = 2**64 - 1


def register(name):
    return int(gdb.selected_frame().read_register(name)) & MASK


def word(address):
    """The word at an address; 0 where there is none."""
    try:
        memory = gdb.selected_inferior().read_memory(address & MASK, 8)
    except gdb.MemoryError:
        return 0
    return int.from_bytes(memory.tobytes(), "little")


def source(capture):
    number = capture["source"]
    if number == SOURCE_NUMBER:
        return capture["number"]
    if number == SOURCE_FS_BASE:
        return register("fs_base")
    if number == SOURCE_G:
        return word(register("fs_base") - 8)
    return register(REGISTERS[number])


def captured(capture):
    value = source(capture)
    for offset in capture["path"]:
        value = word(value + offset)
    return value


def run(phase):
    probes = {probe["pc"]: probe for probe in phase["probes"]}
    left = {pc: probe["times"] or float("inf") for pc, probe in probes.items()}
    breakpoints = {pc: gdb.Breakpoint(f"*{pc}", internal=True) for pc in probes}
    before = None
    while True:
        pc = register("rip")
        if left.get(pc, 0) > 0:
            here = (pc, register("rsp"), *(f"{captured(capture):x}" for capture in probes[pc]["captures"]))
            # A breakpoint stops again in the same state if a signal's handler, as of a preemption, came before its instruction.
            if here != before:
                left[pc] -= 1
                print("@", probes[pc]["number"], *here[2:])
            before = here
        if pc == phase["until"]:
            break
        gdb.execute("continue", to_string=True)
    for breakpoint in breakpoints.values():
        breakpoint.delete()


gdb.execute("set pagination off")
for one in json.load(open(os.environ["GOJIT_PHASES"])):
    run(one)
gdb.execute("kill")
