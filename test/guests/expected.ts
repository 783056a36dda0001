import { readFileSync } from "node:fs";
import path from "node:path";
import type { RecordedOutcome } from "./outcome.js";
import { projectRoot } from "./unpack.js";

/** Where the native outcomes of one Go version are recorded. */
export function expectedFile(version: string): string {
  return path.join(projectRoot, "test", "guests", "expected", `go${version}.json`);
}

/** The recorded outcomes of one Go version, by case name. */
export function expectedOutcomes(version: string): Record<string, RecordedOutcome> {
  return JSON.parse(readFileSync(expectedFile(version), "utf8")) as Record<string, RecordedOutcome>;
}
