/** The bootstrap as `gojit trace` tells it and as a real gdb sees it in the native process: see native-bootstrap.ts. */
import { describe, expect, test } from "vitest";
import { guestVersions, unpack } from "./guests/unpack.js";
import { bootstraps } from "./native-bootstrap.js";
import { whyNoGdb } from "./native-gdb.js";

const reason = whyNoGdb();

describe.skipIf(reason !== "")(`a trace and a real gdb${reason && ` (skipped: ${reason})`}`, () => {
  test.each(guestVersions())("tell the same of how Go %s starts", { timeout: 600_000 }, async (version) => {
    const { native, gojit } = await bootstraps([unpack(version, "hello")]);
    expect(native.length).toBeGreaterThan(50);
    expect(gojit.map(({ event, function: name }) => `${event} ${name}`)).toEqual(
      native.map(({ event, function: name }) => `${event} ${name}`),
    );
    expect(gojit).toEqual(native);
  });
});
