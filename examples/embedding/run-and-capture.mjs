// Runs a program to its end and shows what it wrote: node examples/embedding/run-and-capture.mjs [PROGRAM [ARG…]]
import { GojitError, run } from "gojit";

const [program = "examples/spheres", ...args] = process.argv.slice(2);

try {
  const { status, signal, stdout, stderr } = await run({ program, args, env: { NO_COLOR: "1" }, timeoutMs: 60_000 });
  console.log(new TextDecoder().decode(stdout));
  console.log(`standard error: ${stderr.length} bytes`);
  console.log(signal ? `ended by signal ${signal}` : `exit status ${status}`);
} catch (error) {
  // What the caller can do something about; anything else is a bug.
  if (!(error instanceof GojitError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
