/**
 * A Worker may be terminated at any time, and V8 aborts the process if that comes while it runs a module that has waited for
 * an asynchronous one. So the translator's bundle has none.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseAst } from "vite";
import { expect, test } from "vitest";
import { projectRoot } from "./guests/unpack.js";

/** True if there is an `await` in `node` that does not belong to a function in it. */
function awaits(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(awaits);
  if (typeof node !== "object" || node === null) return false;
  const { type } = node as { readonly type?: string };
  if (type === "AwaitExpression" || (type === "ForOfStatement" && (node as { readonly await?: boolean }).await))
    return true;
  if (type?.includes("Function")) return false;
  return Object.values(node).some(awaits);
}

test("no module of the translator's bundle awaits while it is evaluated", () => {
  const folder = path.join(projectRoot, "dist", "bundle", "translator");
  const modules = readdirSync(folder).filter((name) => name.endsWith(".js"));
  expect(modules).toContain("index.js");
  expect(modules).toContain("binaryen.js");
  const asynchronous = modules.filter((name) => awaits(parseAst(readFileSync(path.join(folder, name), "utf8")).body));
  expect(asynchronous).toEqual([]);
});

test("an await outside functions is noticed", () => {
  expect(awaits(parseAst("const a = await f(); export { a };").body)).toBe(true);
  expect(awaits(parseAst("export const a = async () => { await f(); };").body)).toBe(false);
});
