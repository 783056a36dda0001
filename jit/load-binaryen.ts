/** Binaryen, for a Worker that may be terminated at any time. */
import "./binaryen-instance.js";

/**
 * Loads Binaryen; to be awaited before anything is loaded that imports it. Its module is asynchronous, and V8 runs those that wait for it in a
 * place where it aborts the process ("Check failed: !is_null()") if their Worker is terminated meanwhile, however short they are.
 * In the translator's bundle Binaryen's module is not asynchronous, and says when it is `ready` (bundle.config.ts).
 */
export async function loadBinaryen(): Promise<void> {
  const loaded = (await import("binaryen")) as { readonly ready?: Promise<void> };
  await loaded.ready;
}
