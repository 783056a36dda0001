#!/usr/bin/env node
import { bundled } from "../machine/node-bundle.js";
import { startNodeWorker } from "../machine/node-worker.js";

// It takes as long to start as the program to be read.
const early = process.argv[2] === "run" ? startNodeWorker("guest") : undefined;
const { commandLine } = (await import(
  bundled("cli", new URL("./command-line.js", import.meta.url)).href
)) as typeof import("./command-line.js");
const status = await commandLine(process.argv.slice(2), early);
// Workers may still be alive, blocked in whatever their threads were doing.
process.exit(status);
