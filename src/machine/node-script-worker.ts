/** Entry point of Workers on Node whose code is a script: its file is the only argument. */
import { runScript } from "./node-script.js";

runScript(process.argv[2]!);
