/** How a Go program starts, step by step: each at its first instruction, most of them once. */
import { RAX, RBX, RCX, RDI, RDX, RSI, RSP } from "../../jit/registers.js";
import { SOURCE_FS_BASE } from "./capture.js";
import { follow, statusName, type FieldMaker, type Row, type Values } from "./row.js";

/** A step of `schedinit` that is told by its name and what it is for. */
const step = (name: string, purpose: string): Row => ({
  event: `schedinit-${name}`,
  group: "bootstrap",
  at: [`runtime.${name}`],
  times: 1,
  optional: true,
  text: () => purpose,
});

/** The 4 bytes of a register as characters, lowest first. */
const chars = (word: unknown): string =>
  String.fromCharCode(...[0, 8, 16, 24].map((shift) => (Number(word) >> shift) & 0xff));

const newG = (at: FieldMaker, index: number) => {
  const g = at.arg(index, "address");
  return {
    g,
    goid: follow(g, "number", at.layout.gGoid),
    status: follow(g, "int", at.layout.gStatus),
    ...at.stackOf(g),
  };
};

export const bootstrapRows: readonly Row[] = [
  {
    event: "entry",
    group: "bootstrap",
    at: ["_rt0_amd64_linux"],
    times: 1,
    fields: (at) => ({ sp: at.reg(RSP, "address"), argc: at.reg(RSP, "int", 0), argv0: at.reg(RSP, "address", 8) }),
    text: (v) => `the kernel's stack: argc ${v["argc"]} at SP ${v["sp"]}, argv from SP+8 (argv[0] ${v["argv0"]})`,
  },
  {
    event: "rt0",
    group: "bootstrap",
    at: ["runtime.rt0_go"],
    times: 1,
    fields: (at) => ({ argc: at.reg(RDI, "int"), argv: at.reg(RSI, "address") }),
    text: (v) => `argc ${v["argc"]} in DI, argv ${v["argv"]} in SI`,
  },
  {
    event: "stack-aligned",
    group: "bootstrap",
    at: "aligned",
    times: 1,
    fields: (at) => ({ sp: at.reg(RSP, "address") }),
    text: (v) => `room for arguments, SP aligned to 16: ${v["sp"]}`,
  },
  {
    event: "g0-stack",
    group: "bootstrap",
    at: "g0Stack",
    times: 1,
    fields: (at) => {
      const g = at.at(at.code.g0, "address");
      return { g, ...at.stackOf(g) };
    },
    text: (v) =>
      `g0 ${v["g"]} takes 64 KB of the kernel's stack: stack [${v["lo"]}, ${v["hi"]}), stackguard0 ${v["guard0"]}, stackguard1 ${v["guard1"]}`,
  },
  {
    event: "cpuid-vendor",
    group: "bootstrap",
    at: "vendor",
    times: 1,
    fields: (at) => ({
      leaves: at.reg(RAX, "int"),
      ebx: at.reg(RBX, "int"),
      edx: at.reg(RDX, "int"),
      ecx: at.reg(RCX, "int"),
    }),
    text: (v) =>
      `CPUID 0: highest leaf ${v["leaves"]}, vendor "${chars(v["ebx"])}${chars(v["edx"])}${chars(v["ecx"])}"`,
  },
  {
    event: "cpuid-version",
    group: "bootstrap",
    at: "version",
    times: 1,
    fields: (at) => ({ version: at.reg(RAX, "address"), ecx: at.reg(RCX, "address"), edx: at.reg(RDX, "address") }),
    text: (v) => `CPUID 1: processorVersionInfo ${v["version"]}, features ECX ${v["ecx"]}, EDX ${v["edx"]}`,
  },
  {
    event: "cgo-init",
    group: "bootstrap",
    at: "cgoInit",
    times: 1,
    fields: (at) => ({ cgoInit: at.reg(RAX, "address") }),
    text: (v) =>
      v["cgoInit"] === "0x0"
        ? "_cgo_init is nil: no C runtime, the thread's TLS is set here"
        : `_cgo_init ${v["cgoInit"]} is called`,
  },
  {
    event: "settls",
    group: "bootstrap",
    at: ["runtime.settls"],
    times: 1,
    fields: (at) => ({ tls: at.reg(RDI, "address") }),
    text: (v) => `arch_prctl(ARCH_SET_FS, m0.tls ${v["tls"]} + 8)`,
  },
  {
    event: "tls-set",
    group: "bootstrap",
    at: "tlsSet",
    times: 1,
    fields: (at) => ({ fs: at.reg(SOURCE_FS_BASE, "address") }),
    text: (v) => `FS.base is ${v["fs"]}: -8(FS) is m0.tls[0], the place of g`,
  },
  {
    event: "tls-test",
    group: "bootstrap",
    at: "tlsTest",
    times: 1,
    fields: (at) => ({ read: at.reg(RAX, "address") }),
    text: (v) =>
      `0x123 stored through TLS, ${v["read"]} read at m0.tls${v["read"] === "0x123" ? ": it works" : ": abort"}`,
  },
  {
    event: "g0-m0-bound",
    group: "bootstrap",
    at: "bound",
    times: 1,
    fields: (at) => ({
      g: at.g("address"),
      g0: at.at(at.code.g0, "address"),
      m0: at.at(at.code.m0, "address"),
      m0G0: at.at(at.code.m0, "address", at.layout.mG0),
      g0M: at.at(at.code.g0, "address", at.layout.gM),
    }),
    text: (v) => `TLS g = g0 ${v["g"]}; m0 ${v["m0"]}: m0.g0 = ${v["m0G0"]}, g0.m = ${v["g0M"]}`,
  },
  {
    event: "check",
    group: "bootstrap",
    at: ["runtime.check"],
    times: 1,
    text: () => "sizes of types, atomic operations, NaNs",
  },
  {
    event: "args",
    group: "bootstrap",
    at: ["runtime.args"],
    times: 1,
    fields: (at) => ({ argc: at.arg(0, "int"), argv: at.arg(1, "address") }),
    text: (v) => `argc ${v["argc"]}, argv ${v["argv"]}; then the auxiliary vector: page size, random bytes, vDSO`,
  },
  {
    event: "osinit",
    group: "bootstrap",
    at: ["runtime.osinit"],
    times: 1,
    text: () => "number of CPUs, size of huge pages",
  },
  {
    event: "schedinit",
    group: "bootstrap",
    at: ["runtime.schedinit"],
    times: 1,
    fields: (at) => ({ ncpu: at.at(at.code.ncpu, "int", 0), hugePage: at.at(at.code.hugePage, "number", 0) }),
    text: (v) => `osinit found ncpu ${v["ncpu"]}, physHugePageSize ${v["hugePage"]}`,
  },
  step("moduledataverify1", "the linker's tables are sound"),
  step("stackinit", "pools of stacks"),
  step("mallocinit", "heap arenas, size classes, m0's cache of spans"),
  step("randinit", "seeds of the random generators, from the auxiliary vector"),
  {
    event: "schedinit-mcommoninit",
    group: "bootstrap",
    at: ["runtime.mcommoninit"],
    times: 1,
    fields: (at) => ({ m: at.arg(0, "address") }),
    text: (v) => `m ${v["m"]} gets its id, its random state, its signal stack (gsignal), and into allm`,
  },
  step("cpuinit", "features of the processor"),
  step("alginit", "hash functions, with AES or without"),
  step("modulesinit", "the list of modules"),
  step("typelinksinit", "types that several modules have"),
  step("itabsinit", "tables of interfaces"),
  step("goargs", "os.Args"),
  { ...step("goenvs_unix", "the environment"), event: "schedinit-goenvs" },
  step("secure", "set-uid programs"),
  step("checkfds", "descriptors 0, 1, 2 are open"),
  {
    ...step("parsedebugvars", "GODEBUG, GOTRACEBACK"),
    at: ["runtime.parsedebugvars", "runtime.parseRuntimeDebugVars"],
  },
  step("gcinit", "GOGC, GOMEMLIMIT, the pacer"),
  {
    event: "procresize",
    group: "bootstrap",
    at: ["runtime.procresize"],
    fields: (at) => ({ count: at.arg(0, "int") }),
    text: (v) => `GOMAXPROCS ${v["count"]}: so many Ps`,
  },
  {
    event: "newproc",
    group: "bootstrap",
    at: ["runtime.newproc"],
    times: 1,
    fields: (at) => ({ fn: at.onStack ? at.reg(RSP, "code", 16, 0) : at.reg(RAX, "code", 0) }),
    text: (v) => `a goroutine for ${v["fn"]}`,
  },
  {
    event: "gfget",
    group: "bootstrap",
    at: ["runtime.gfget"],
    times: 1,
    note: true,
    text: () => "a dead g to use again? There is none yet",
  },
  {
    event: "malg",
    group: "bootstrap",
    at: ["runtime.malg"],
    times: 2,
    note: true,
    fields: (at) => ({ size: at.arg(0, "int") }),
    text: (v) => `a new g with a stack of ${v["size"]} bytes, status _Gidle`,
  },
  {
    event: "stackalloc",
    group: "bootstrap",
    at: ["runtime.stackalloc"],
    times: 3,
    fields: (at) => ({ size: at.arg(0, "int") }),
    text: (v) => `${v["size"]} bytes of stack`,
  },
  {
    event: "allgadd",
    group: "bootstrap",
    at: ["runtime.allgadd"],
    times: 1,
    fields: (at) => newG(at, 0),
    text: (v: Values) =>
      `the new g ${v["g"]} is ${statusName(v["status"]!)}, its stack [${v["lo"]}, ${v["hi"]}), stackguard0 ${v["guard0"]}; now in allgs`,
  },
  {
    event: "mstart",
    group: "bootstrap",
    at: ["runtime.mstart"],
    times: 1,
    fields: (at) => ({ sp: at.reg(RSP, "address") }),
    text: (v) => `m0 begins to schedule, on g0's stack, SP ${v["sp"]}`,
  },
  {
    event: "mstart0",
    group: "bootstrap",
    at: ["runtime.mstart0"],
    times: 1,
    optional: true,
    fields: (at) => at.stackOf(at.g("address")),
    text: (v) => `g0's stack [${v["lo"]}, ${v["hi"]})`,
  },
  {
    event: "minit",
    group: "bootstrap",
    at: ["runtime.minit"],
    times: 1,
    fields: (at) => at.schedOf(at.g("address")),
    text: (v) =>
      `mstart1 has saved in g0.sched: sp ${v["sp"]}, pc ${v["pc"]}, so that mcall comes back here; now signal stack and mask`,
  },
  {
    event: "mstartm0",
    group: "bootstrap",
    at: ["runtime.mstartm0"],
    times: 1,
    text: () => "signal handlers are installed",
  },
  {
    event: "schedule",
    group: "bootstrap",
    at: ["runtime.schedule"],
    times: 1,
    text: () => "looks for a goroutine to run",
  },
  {
    event: "gogo",
    group: "bootstrap",
    at: ["runtime.gogo"],
    times: 1,
    fields: (at) => {
      const buffer = at.reg(RSP, "address", 8);
      return {
        g0sp: at.reg(RSP, "address"),
        sp: follow(buffer, "address", 0),
        pc: follow(buffer, "code", 8),
        g: follow(buffer, "address", 16),
        ctxt: follow(buffer, "address", 24),
        bp: follow(buffer, "address", at.layout.gobufBp),
        returnTo: follow(follow(buffer, "address", 0), "code", 0),
      };
    },
    text: (v) =>
      `from g0's stack (SP ${v["g0sp"]}) to the goroutine's: SP ${v["sp"]}, BP ${v["bp"]}, DX ${v["ctxt"]} (closure), ` +
      `TLS g and R14 ${v["g"]}, jump to ${v["pc"]}; on the stack waits the return to ${v["returnTo"]}`,
  },
  {
    event: "runtime-main",
    group: "bootstrap",
    at: ["runtime.main"],
    times: 1,
    fields: (at) => ({ sp: at.reg(RSP, "address"), returnTo: at.reg(RSP, "code", 0) }),
    text: (v) => `the main goroutine runs, SP ${v["sp"]}; it would return to ${v["returnTo"]}`,
  },
  {
    event: "main-started",
    group: "bootstrap",
    at: "mainStarted",
    times: 1,
    text: () => "largest stack 1 GB; mainStarted: new goroutines may start Ms from now on",
  },
  {
    event: "sysmon",
    group: "bootstrap",
    at: ["runtime.sysmon"],
    times: 1,
    text: () => "the monitor runs, on a thread without a P",
  },
  {
    event: "init-task",
    group: "bootstrap",
    at: ["runtime.doInit1", "runtime.doInit"],
    optional: true,
    fields: (at) => ({ done: at.arg(0, "int", 0), first: at.arg(0, "task") }),
    text: (v) => (v["done"] === 0 && v["first"] !== "" ? `initialises a package: ${v["first"]}` : null),
  },
  {
    event: "gc-enabled",
    group: "bootstrap",
    at: ["runtime.gcenable"],
    times: 1,
    text: () => "bgsweep and bgscavenge start, the collector is enabled",
  },
  { event: "main", group: "bootstrap", at: ["main.main"], times: 1, text: () => "the program's own code" },
  {
    event: "exit",
    group: "bootstrap",
    at: ["runtime.exit"],
    times: 1,
    fields: (at) => ({ status: at.reg(RSP, "int", 8) }),
    text: (v) => `exit_group(${v["status"]})`,
  },
];
