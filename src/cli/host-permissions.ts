import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { PermissionSource } from "./permissions.js";

/** The real current directory, environment and file system. */
export function hostPermissionSource(program: string): PermissionSource {
  return {
    currentDirectory: process.cwd(),
    environment: process.env,
    program,
    resolve: (path) => resolve(path),
    exists: existsSync,
  };
}

/** A fresh directory to stand behind the guest's /tmp, which only this user can read. */
export function createPrivateTmp(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "gojit-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 2 }) };
}
