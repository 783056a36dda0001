#!/usr/bin/env node
import { bundledModule, bundledScript } from "../machine/node-bundle.js";
import { runScript } from "../machine/node-script.js";
import { startNodeWorker } from "../machine/node-worker.js";

/** For what keeps the event loop going all the same. */
const PATIENCE_MS = 5000;

type CommandLine = typeof import("./command-line.js");

const runs = process.argv[2] === "run";
// It takes as long to start as the program to be read.
const early = runs ? startNodeWorker("guest") : undefined;
const script = runs ? bundledScript("run") : undefined;
const { commandLine } = (
  script ? runScript(script) : await import(bundledModule("cli", new URL("./command-line.js", import.meta.url)).href)
) as CommandLine;
process.exitCode = await commandLine(process.argv.slice(2), early);
void early?.terminate();
// The end of the event loop, not `exit` at once: that joins V8's compiler threads while this thread's heap still lives, and waits for
// ever if one of them waits for a collection there (https://github.com/nodejs/node/issues/54918). All Workers have been told to end.
setTimeout(() => process.exit(), PATIENCE_MS).unref();
