#!/usr/bin/env node
import { bundled } from "../machine/node-bundle.js";

await import(bundled("cli", new URL("./command-line.js", import.meta.url)).href);
