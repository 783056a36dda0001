import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseCommandLine, type ParsedCommand } from "../src/cli/commands.js";
import { decidePermissions, guestPathOf, type PermissionSource } from "../src/cli/permissions.js";
import { GojitError } from "../src/errors.js";
import { buildElf } from "./elf-builder.js";
import { guestVersions, projectRoot, unpack } from "./guests/unpack.js";

const parse = (...words: string[]): ParsedCommand => parseCommandLine(words, () => "0.0.0") as ParsedCommand;
const printed = (...words: string[]): string => (parseCommandLine(words, () => "1.2.3") as { print: string }).print;

describe("command line", () => {
  it("leaves everything after PROGRAM to the guest", () => {
    const parsed = parse("run", "--cpus", "2", "./p", "--cpus", "3", "--", "-h", "");
    expect(parsed.options.cpus).toBe(2);
    expect(parsed.words).toEqual(["./p", "--cpus", "3", "--", "-h", ""]);
    expect(parse("run", "--", "--odd-name", "x").words).toEqual(["--odd-name", "x"]);
  });

  it("takes options behind the words of commands that run nothing", () => {
    const parsed = parse("cache", "warm", "--cache", "/c", "--", "-p");
    expect(parsed.options.cacheDirectory).toBe("/c");
    expect(parsed.words).toEqual(["warm", "-p"]);
    expect(printed("inspect", "./p", "--help")).toContain("gojit inspect");
  });

  it("reads sizes, times, counts and optional values", () => {
    const words = ["--memory=1.5GiB", "--timeout", "1.5m", "--strace", "--stats=out.json", "--no-cache", "-A"];
    expect(parse("run", ...words, "p").options).toMatchObject({
      memoryBytes: 1.5 * 2 ** 30,
      timeoutMs: 90_000,
      strace: true,
      stats: "out.json",
      noCache: true,
      allowAll: true,
    });
    expect(parse("run", "--memory", "4G", "p").options.memoryBytes).toBe(2 ** 32 - 65_536);
  });

  it("reads directory grants", () => {
    const grants = ["/a", "b:/c", "d:ro", "e:/f:ro", "C:\\x:/y:ro", "g:rw"].flatMap((text) => ["--dir", text]);
    expect(parse("run", ...grants, "p").options.directories).toEqual([
      { host: "/a", guest: undefined, readOnly: false },
      { host: "b", guest: "/c", readOnly: false },
      { host: "d", guest: undefined, readOnly: true },
      { host: "e", guest: "/f", readOnly: true },
      { host: "C:\\x", guest: "/y", readOnly: true },
      { host: "g", guest: undefined, readOnly: false },
    ]);
  });

  it.each([
    [[]],
    [["fly"]],
    [["run"]],
    [["run", "--cpus"]],
    [["run", "--cpus", "0", "p"]],
    [["run", "--cpus", "two", "p"]],
    [["run", "--memory", "lots", "p"]],
    [["run", "--memory", "1K", "p"]],
    [["run", "--timeout", "-1s", "p"]],
    [["run", "--timeout", "0", "p"]],
    [["run", "--no-cache=yes", "p"]],
    [["run", "--json", "p"]],
    [["run", "-x", "p"]],
    [["run", "--dir", "a:b", "p"]],
    [["run", "--dir", "", "p"]],
    [["run", "--env", "=x", "p"]],
    [["inspect", "a", "b"]],
    [["doctor", "x"]],
  ])("refuses %j with exit status 2 and one sentence", (words) => {
    try {
      parse(...words);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(GojitError);
      expect((error as GojitError).exitStatus).toBe(2);
      expect((error as GojitError).message).toMatch(/^[^\n]+\.$/);
    }
  });

  it("generates help from the tables", () => {
    expect(printed("--version")).toBe("gojit 1.2.3\n");
    expect(printed("--help")).toMatch(/gojit run \[options\] PROGRAM/);
    expect(printed("run", "--cpus", "2", "--help")).toMatch(/--dir HOST\[:GUEST\]\[:ro\]/);
    expect(printed("help", "inspect")).toMatch(/--json/);
    expect(
      Math.max(
        ...printed("run", "--help")
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
    expect(parse("run", "p", "--help").words).toEqual(["p", "--help"]);
  });
});

describe("permissions", () => {
  const source: PermissionSource = {
    currentDirectory: "/home/u/w",
    environment: { LANG: "C", AWS_SECRET: "s", LC_ALL: "C", GOGC: "1", EMPTY: "" },
    program: "/opt/p",
    resolve: (path) => (path.startsWith("/") ? path : `/home/u/w/${path}`),
    exists: (path) => path === "/etc/localtime",
  };
  const decide = (...words: string[]) => decidePermissions(parse("run", ...words, "p").options, source);

  it("shows little by default", () => {
    expect(decide()).toEqual({
      mounts: [
        { guest: "/etc/localtime", host: "/etc/localtime", readOnly: true },
        { guest: "/opt/p", host: "/opt/p", readOnly: true },
        { guest: "/home/u/w", host: "/home/u/w", readOnly: false },
      ],
      environment: ["LANG=C", "LC_ALL=C", "GOGC=1"],
      currentDirectory: "/home/u/w",
      privateTmp: true,
    });
  });

  it("is widened by --dir, and narrowed by it for the current directory", () => {
    const { mounts, privateTmp } = decide("--dir", "/home/u/w:ro", "--dir", "sub:/s/../t/", "--dir", "/var:/tmp");
    expect(mounts).toContainEqual({ guest: "/home/u/w", host: "/home/u/w", readOnly: true });
    expect(mounts).toContainEqual({ guest: "/t", host: "/home/u/w/sub", readOnly: false });
    expect(mounts.filter((mount) => mount.guest === "/home/u/w")).toHaveLength(1);
    expect(privateTmp).toBe(false);
  });

  it("is widened by --env, --env-all and --allow-all", () => {
    expect(decide("--env", "AWS_SECRET", "--env", "X=a=b", "--env", "NONE", "--env", "LANG=de").environment).toEqual([
      "LANG=de",
      "LC_ALL=C",
      "GOGC=1",
      "AWS_SECRET=s",
      "X=a=b",
    ]);
    expect(decide("--env-all").environment).toContain("EMPTY=");
    const all = decide("-A");
    expect(all.mounts).toContainEqual({ guest: "/", host: "/", readOnly: false });
    expect(all.environment).toContain("AWS_SECRET=s");
    expect(all.privateTmp).toBe(false);
  });

  it("gives Windows paths a guest path", () => {
    expect(guestPathOf("C:\\Users\\u")).toBe("/c/Users/u");
  });
});

describe("gojit", () => {
  const main = join(projectRoot, "dist", "src", "cli", "main.js");
  const folder = mkdtempSync(join(tmpdir(), "gojit-cli-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: Uint8Array | string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const temporary = join(folder, "temporary");
  mkdirSync(temporary);
  const gojit = (...words: string[]) =>
    spawnSync(process.execPath, [main, ...words], {
      encoding: "utf8",
      cwd: folder,
      env: { ...process.env, TMPDIR: temporary },
    });
  const hello = unpack(guestVersions().at(-1)!, "hello");

  it.each([
    ["has gone", "| true", "141\n"],
    ["is a full disk", ">/dev/full", /^gojit: standard output cannot be written: .*ENOSPC[^\n]*\n74\n$/],
  ])("a command ends without a stack where its output's reader %s", (_name, to, said) => {
    for (const words of [["doctor"], ["bench", "--list"], ["run", "--help"]]) {
      const command = `{ sleep 0.1; "$@"; echo $? >&2; } ${to}`;
      const ended = spawnSync("sh", ["-c", command, "sh", process.execPath, main, ...words], { encoding: "utf8" });
      expect(ended.stderr).toMatch(said);
    }
  });

  it.each([
    ["a missing file", () => join(folder, "missing"), 127, /no such file/],
    ["a missing file without a slash", () => "missing", 127, /\.\/missing/],
    ["a path through a file", () => join(file("plain", "x"), "y"), 127, /no such file/],
    ["a directory", () => folder, 126, /directory/],
    ["a device", () => "/dev/null", 126, /regular file/],
    ["an empty file", () => file("empty", ""), 126, /empty/],
    ["text", () => file("text", "hello"), 126, /not an ELF/],
    ["half a program", () => file("half", readFileSync(hello).subarray(0, 100_000)), 126, /ends before/],
    ["an ELF program that is not Go's", () => file("other", buildElf()), 126, /no Go program/],
  ])("run refuses %s in one sentence", (_name, path, status, sentence) => {
    const ended = gojit("run", path());
    expect(ended.stderr).toMatch(sentence);
    expect(ended.stderr).toMatch(/^gojit: [^\n]+\n$/);
    expect(ended.stdout).toBe("");
    expect(ended.status).toBe(status);
  });

  it.skipIf(process.getuid?.() === 0)("run refuses a file that may not be read", () => {
    const path = file("secret", "x");
    chmodSync(path, 0);
    expect(gojit("run", path)).toMatchObject({ status: 126 });
  });

  it("inspects a program, as text and as JSON", () => {
    const text = gojit("inspect", hello);
    expect(text).toMatchObject({ status: 0, stderr: "" });
    expect(text.stdout).toMatch(/^will run +yes$/m);
    const json = JSON.parse(gojit("inspect", "--json", hello).stdout) as {
      runs: boolean;
      go: { functions: { count: number } };
    };
    expect(json.runs).toBe(true);
    expect(json.go.functions.count).toBeGreaterThan(1000);
  });

  it("inspect says why a program does not run", () => {
    const ended = gojit("inspect", file("arm", buildElf({ machine: 183 })));
    expect(ended).toMatchObject({ status: 126, stderr: "" });
    expect(ended.stdout).toMatch(/^will run +no: .*arm64/m);
  });

  it("a report that cannot be written is refused before the program runs, or given up with a sentence", () => {
    for (const report of ["--strace", "--stats"]) {
      const refused = gojit("run", "--no-cache", `${report}=${join(folder, "missing/report")}`, hello);
      expect(refused).toMatchObject({ status: 2, stdout: "" });
      expect(refused.stderr).toMatch(/^gojit: [^\n]*missing\/report cannot be written: ENOENT[^\n]*\n$/);
      const full = gojit("run", "--no-cache", `${report}=/dev/full`, hello);
      expect(full).toMatchObject({ status: 0, stdout: "hello, world\n" });
      expect(full.stderr).toMatch(/^(gojit: [^\n]* cannot be written: ENOSPC[^\n]*\n)+$/);
    }
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("doctor finds this engine good enough", () => {
    const report = JSON.parse(gojit("doctor", "--json").stdout) as { ready: boolean; features: unknown[] };
    expect(report.ready).toBe(true);
    expect(report.features.length).toBeGreaterThan(5);
  });
});
