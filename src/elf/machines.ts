/** ELF machine numbers (gABI, e_machine) that Go or common toolchains build for, with the names people use. */
const names: Record<number, string> = {
  2: "sparc",
  3: "386 (x86)",
  4: "m68k",
  8: "mips",
  20: "ppc",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  42: "sh",
  43: "sparc64",
  50: "ia64",
  62: "amd64 (x86-64)",
  183: "arm64 (aarch64)",
  243: "riscv64",
  247: "bpf",
  258: "loong64",
};

/** What to call machine `number` in a sentence; unknown ones are called by their number. */
export function machineName(number: number): string {
  return names[number] ?? `machine number ${number}`;
}
