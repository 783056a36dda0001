#!/usr/bin/env node
import { bundledModule, bundledScript } from "../machine/node-bundle.js";
import { runScript } from "../machine/node-script.js";
import { startNodeWorker } from "../machine/node-worker.js";

type CommandLine = typeof import("./command-line.js");

const runs = process.argv[2] === "run";
// It takes as long to start as the program to be read.
const early = runs ? startNodeWorker("guest") : undefined;
const script = runs ? bundledScript("run") : undefined;
const { commandLine } = (
  script ? runScript(script) : await import(bundledModule("cli", new URL("./command-line.js", import.meta.url)).href)
) as CommandLine;
const status = await commandLine(process.argv.slice(2), early);
// Workers may still be alive, blocked in whatever their threads were doing.
process.exit(status);
