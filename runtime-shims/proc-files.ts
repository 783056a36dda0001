import type { Files } from "./files.js";
import { header, headerTimes, sections } from "./kernel-memory.js";
import { FileStat } from "./host/types.js";
import { EXEC, FILE, READ, SHARED, STACK, WRITE } from "./page-map.js";
import { majorOf, minorOf } from "./stat-layout.js";
import type { Synthetic } from "./synthetic.js";

const RLIMIT_NAMES: readonly (readonly [name: string, unit: string])[] = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
];

/** The guest's own bytes between two addresses that the header holds. */
const guestBytes = (files: Files, startWord: number, endWord: number): Uint8Array => {
  const { kernel, memory } = files.process;
  const start = kernel.words[startWord] >>> 0;
  const end = kernel.words[endWord] >>> 0;
  return end > start && memory.readable(start, end - start) ? memory.load(start, end - start) : new Uint8Array();
};

const hex = (address: number): string => address.toString(16).padStart(8, "0");

/** A part of the program's file in memory, in pages; `offset` is that of `first` in the file. */
interface ProgramPart {
  readonly first: number;
  readonly end: number;
  readonly offset: number;
}

const programParts = (files: Files): ProgramPart[] => {
  const { words } = files.process.kernel;
  return Array.from({ length: words[header.programPartCount] }, (_, index) => {
    const at = header.programParts + 3 * index;
    return { first: words[at], end: words[at + 1], offset: words[at + 2] };
  });
};

/** Device and inode of the program as maps shows them, zeros when the guest does not see its file. */
const programFile = (files: Files): string => {
  const { tree, host, executable } = files;
  const inside = (guest: string): boolean => executable === guest || executable.startsWith(guest.replace(/\/?$/, "/"));
  const mount = tree.mounts.reduce(
    (best, { guest }, index) =>
      inside(guest) && (best < 0 || guest.length > tree.mounts[best].guest.length) ? index : best,
    -1,
  );
  const stat = new FileStat();
  if (mount >= 0) host.statAt(mount, tree.relative(mount, executable), stat);
  const number = (value: number): string => value.toString(16).padStart(2, "0");
  return `${number(majorOf(stat.dev))}:${number(minorOf(stat.dev))} ${stat.ino}`;
};

/** Mapped ranges with equal protection, one per line. Source: fs/proc/task_mmu.c, show_map_vma. */
const maps = (files: Files): string => {
  const { flags } = files.process.pages;
  const { words } = files.process.kernel;
  const heap = words[header.brkStart] >>> 12;
  const heapEnd = ((words[header.brk] >>> 0) + 4095) / 4096;
  const vdso = words[header.vdso] >>> 12;
  const parts = programParts(files);
  const program = programFile(files);
  let text = "";
  for (let page = 0; page < flags.length;) {
    const flag = flags[page];
    const first = page++;
    if (flag === 0) {
      const next = flags.subarray(page).findIndex((value) => value !== 0);
      if (next < 0) break;
      page += next;
      continue;
    }
    const part = flag & FILE ? parts.find((row) => first >= row.first && first < row.end) : undefined;
    while (page < (part?.end ?? flags.length) && flags[page] === flag) page++;
    const protection = `${flag & READ ? "r" : "-"}${flag & WRITE ? "w" : "-"}${flag & EXEC ? "x" : "-"}`;
    const offset = part === undefined ? 0 : (part.offset + first - part.first) * 4096;
    const file = part === undefined ? "00:00 0" : program;
    const line = `${hex(first * 4096)}-${hex(page * 4096)} ${protection}${flag & SHARED ? "s" : "p"} ${hex(offset)} ${file} `;
    let name = part === undefined ? "" : files.executable;
    if (flag & STACK) name = "[stack]";
    else if (first === vdso) name = "[vdso]";
    else if (first >= heap && first < heapEnd) name = "[heap]";
    text += name === "" ? `${line}\n` : `${line.padEnd(73)}${name}\n`;
  }
  return text;
};

const mappedPages = (files: Files): number => {
  const { flags } = files.process.pages;
  const words = new Int32Array(flags.buffer, flags.byteOffset, flags.length / 4);
  let count = 0;
  for (let word = 0; word < words.length; word++) {
    if (words[word] === 0) continue;
    for (let page = 4 * word; page < 4 * word + 4; page++) if (flags[page] !== 0) count++;
  }
  return count;
};

const programName = (files: Files): string =>
  files.executable.slice(files.executable.lastIndexOf("/") + 1).slice(0, 15);

const status = (files: Files): string => {
  const { kernel, pid } = files.process;
  const { uid, gid } = files.identity;
  const size = mappedPages(files) * 4;
  return (
    `Name:\t${programName(files)}\nUmask:\t${files.umask.toString(8).padStart(4, "0")}\nState:\tR (running)\n` +
    `Tgid:\t${pid}\nNgid:\t0\nPid:\t${pid}\nPPid:\t0\nTracerPid:\t0\n` +
    `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t${gid}\t${gid}\t${gid}\t${gid}\n` +
    `VmPeak:\t${size} kB\nVmSize:\t${size} kB\nVmRSS:\t${size} kB\nThreads:\t${kernel.words[header.threadCount]}\n` +
    `Cpus_allowed_list:\t0-${kernel.words[header.cpus] - 1}\n`
  );
};

/** Clock ticks of 10 ms, the unit of /proc/PID/stat. */
const ticks = (ns: number): number => Math.floor(ns / 1e7);

const stat = (files: Files): string => {
  const { clock, kernel, pid } = files.process;
  const [user, system] = clock.processCpuNs() ?? [0, 0];
  const size = mappedPages(files);
  const before = [pid, `(${programName(files)})`, "R", 0, pid, pid, 0, -1, 4194304, 0, 0, 0, 0];
  const times = [ticks(user), ticks(system), 0, 0, 20, 0, kernel.words[header.threadCount], 0];
  const rest = [ticks(kernel.doubles[headerTimes.startMonotonicNs]), size * 4096, size, "18446744073709551615"];
  const addresses = [header.codeStart, header.codeEnd, header.stackTop].map((word) => kernel.words[word] >>> 0);
  return `${[...before, ...times, ...rest, ...addresses, ...Array<number>(24).fill(0)].join(" ")}\n`;
};

const limitText = (value: number): string => (value === Infinity ? "unlimited" : `${value}`);

const limits = (files: Files): string => {
  const { doubles } = files.process.kernel;
  const line = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(26)}${soft.padEnd(21)}${hard.padEnd(21)}${unit === "" ? "" : unit.padEnd(10)}\n`;
  return (
    line("Limit", "Soft Limit", "Hard Limit", "Units") +
    RLIMIT_NAMES.map(([name, unit], index) => {
      const at = sections.rlimits / 8 + 2 * index;
      return line(name, limitText(doubles[at]), limitText(doubles[at + 1]), unit);
    }).join("")
  );
};

const mountLines = (files: Files): { point: string; options: string }[] =>
  files.tree.mounts.map(({ guest, readOnly }) => ({
    point: guest.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`),
    options: readOnly ? "ro" : "rw",
  }));

const mountinfo = (files: Files): string =>
  mountLines(files)
    .map(
      ({ point, options }, index) => `${index + 20} 1 0:${index + 20} / ${point} ${options} - host host ${options}\n`,
    )
    .join("");

const mounts = (files: Files): string =>
  mountLines(files)
    .map(({ point, options }) => `host ${point} host ${options} 0 0\n`)
    .join("");

const cpuinfo = (files: Files): string => {
  let text = "";
  const cpus = files.process.kernel.words[header.cpus];
  for (let cpu = 0; cpu < cpus; cpu++) {
    text += `processor\t: ${cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: gojit\nsiblings\t: ${cpus}\ncore id\t\t: ${cpu}\ncpu cores\t: ${cpus}\n\n`;
  }
  return text;
};

const meminfo = (files: Files): string => {
  const total = (files.process.kernel.words[header.topPage] >>> 0) * 4;
  const free = Math.max(0, total - mappedPages(files) * 4);
  const line = (name: string, kib: number): string => `${`${name}:`.padEnd(16)}${`${kib}`.padStart(8)} kB\n`;
  return line("MemTotal", total) + line("MemFree", free) + line("MemAvailable", free) + line("SwapTotal", 0);
};

const systemStat = (files: Files): string => {
  const { clock, kernel } = files.process;
  const [user, system] = clock.processCpuNs() ?? [0, 0];
  const busy = `${ticks(user)} 0 ${ticks(system)} 0 0 0 0 0 0 0`;
  const cpus = kernel.words[header.cpus];
  const lines = Array.from({ length: cpus }, (_, cpu) => `cpu${cpu} ${cpu === 0 ? busy : "0 0 0 0 0 0 0 0 0 0"}\n`);
  const boot = Math.floor((clock.realtimeMs() - clock.monotonicNs() / 1e6) / 1000);
  return `cpu  ${busy}\n${lines.join("")}btime ${boot}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n`;
};

/**
 * The files of /proc, made from the state of the guest process. /sys/kernel/mm/transparent_hugepage is left out on
 * purpose: there are no huge pages here, and its absence tells Go so.
 */
export const procFiles = (files: Files, proc: string): Synthetic[] => {
  const file = (path: string, content: () => string | Uint8Array): Synthetic => ({ path, kind: "file", content });
  return [
    file(`${proc}/maps`, () => maps(files)),
    file(`${proc}/cmdline`, () => guestBytes(files, header.argStart, header.argEnd)),
    file(`${proc}/environ`, () => guestBytes(files, header.envStart, header.envEnd)),
    file(`${proc}/auxv`, () => guestBytes(files, header.auxvStart, header.auxvEnd)),
    file(`${proc}/comm`, () => `${programName(files)}\n`),
    file(`${proc}/status`, () => status(files)),
    file(`${proc}/stat`, () => stat(files)),
    file(`${proc}/limits`, () => limits(files)),
    file(`${proc}/cgroup`, () => "0::/\n"),
    file(`${proc}/mountinfo`, () => mountinfo(files)),
    file(`${proc}/mounts`, () => mounts(files)),
    { path: "/proc/mounts", kind: "link", target: "self/mounts" },
    file("/proc/cpuinfo", () => cpuinfo(files)),
    file("/proc/meminfo", () => meminfo(files)),
    file("/proc/stat", () => systemStat(files)),
    file("/proc/sys/net/core/somaxconn", () => "4096\n"),
    file("/proc/sys/kernel/ostype", () => "Linux\n"),
  ];
};

/** Bytes of what a content function made. */
export const contentBytes = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;
