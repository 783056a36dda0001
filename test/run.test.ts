import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { _createPreopenDescriptor } from "@bytecodealliance/preview2-shim/filesystem";
import { describe, expect, test } from "vitest";
import { GojitError, run, type RunOptions, type RunResult } from "../dist/src/index.js";
import { unpack } from "./guests/unpack.js";

const guests = readFileSync(unpack("1.27", "guests"));
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Runs one of the guests with its working directory in memory. */
const runGuest = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<RunResult> =>
  run({ program: guests, args, currentDirectory: "/home/me", cpus: 2, ...options });

describe("run, for embedders", () => {
  test("arguments, environment, exit status", async () => {
    const result = await runGuest(["env", "GUEST_A"], { env: { GUEST_A: "a=b" } });
    expect(text(result.stdout)).toContain('GUEST_A set=true "a=b"');
    expect(await runGuest(["exit", "7"])).toMatchObject({ status: 7, signal: 0 });
    expect(await runGuest(["kill-self", "15"])).toMatchObject({ status: 143, signal: 15 });
  });

  test("standard input comes in pieces, output goes to the caller", async () => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 300; index++) {
        if (index % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        yield new Uint8Array(1000).fill(index);
      }
    }
    let written = 0;
    const result = await runGuest(["cat"], { stdin: pieces(), stdout: (bytes) => void (written += bytes.length) });
    expect(written).toBe(300_000);
    expect(result).toMatchObject({ status: 0, stdout: new Uint8Array() });
  });

  test("files before and after", async () => {
    const result = await runGuest(["files-result"], { files: { home: { me: { before: "kept" } } } });
    expect(result.status).toBe(0);
    expect(text(result.readFile("/home/me/result/text")!)).toBe("some text\nappended\n");
    expect(text(result.readFile("/home/me/before")!)).toBe("kept");
    expect(result.readFile("/home/me/missing")).toBeUndefined();
  });

  test("a directory of preview2-shim", async () => {
    const directory = mkdtempSync(join(tmpdir(), "gojit-run-"));
    try {
      const result = await runGuest(["files-result"], {
        directories: { "/home/me": _createPreopenDescriptor(directory) },
      });
      expect(result.status).toBe(0);
      expect(readFileSync(join(directory, "result/text"), "utf8")).toBe("some text\nappended\n");
      expect(result.readFile("/home/me/result/text")).toBeUndefined();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("a directory of the host, and one that may only be read", async () => {
    const directory = mkdtempSync(join(tmpdir(), "gojit-run-"));
    try {
      const result = await runGuest(["files-result"], { directories: { "/home/me": { hostPath: directory } } });
      expect(result.status).toBe(0);
      expect(readFileSync(join(directory, "result/text"), "utf8")).toBe("some text\nappended\n");
      rmSync(join(directory, "result"), { recursive: true });
      const refused = await runGuest(["files-result"], {
        directories: { "/home/me": { hostPath: directory, readOnly: true } },
      });
      expect(refused.status).not.toBe(0);
      expect(text(refused.stdout) + text(refused.stderr)).toContain("read-only file system");
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    const missing = runGuest([], { directories: { "/home/me": { hostPath: join(directory, "missing") } } });
    await expect(missing).rejects.toMatchObject({ code: "file-not-found" });
  });

  test("a run is given up", async () => {
    const result = await runGuest(["cat"], {
      stdin: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
      abort: AbortSignal.timeout(500),
    });
    expect(result).toMatchObject({ status: 137, signal: 9 });
  });

  test("what the caller's function throws ends the run", async () => {
    const stdout = (): void => {
      throw new Error("enough");
    };
    await expect(runGuest(["output", "300000"], { stdout })).rejects.toThrow("enough");
  });

  test("what cannot run is refused by name", async () => {
    await expect(run({ program: new Uint8Array(100) })).rejects.toThrow(GojitError);
    await expect(runGuest([], { currentDirectory: "home" })).rejects.toMatchObject({ code: "bad-option" });
    await expect(runGuest([], { path: "/a/../b" })).rejects.toMatchObject({ code: "bad-option" });
    await expect(runGuest(["a\0b"])).rejects.toMatchObject({ code: "bad-option" });
    await expect(runGuest([], { env: { "A=B": "" } })).rejects.toMatchObject({ code: "bad-option" });
    await expect(runGuest([], { cpus: 0 })).rejects.toMatchObject({ code: "bad-option" });
    await expect(runGuest(["x".repeat(3_000_000)])).rejects.toMatchObject({ code: "does-not-fit" });
  });
});
