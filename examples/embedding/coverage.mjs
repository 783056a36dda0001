// Which functions of a package a run comes to, though the program was not built for that:
// node examples/embedding/coverage.mjs [PROGRAM PACKAGE [ARG…]]
import { start } from "gojit";

const [program = "examples/spheres", packageName = "main", ...args] = process.argv.slice(2);

const guest = await start({ program, args, env: { NO_COLOR: "1" }, stderr: (bytes) => process.stderr.write(bytes) });
const functions = [...guest.symbols.all()].filter(({ name }) => name.startsWith(`${packageName}.`));
const reached = new Set();
for (const { name, address } of functions) {
  const probe = guest.breakAt(address, {
    // Once is enough: from then on it costs nothing.
    when: () => {
      reached.add(name);
      probe.remove();
      return false;
    },
  });
}
guest.resume();
await guest.ended;

for (const { name, address } of functions) {
  const { file, line } = guest.symbols.describe(address);
  console.log(`${reached.has(name) ? "reached  " : "not      "} ${name}  ${file}:${line}`);
}
console.log(`${reached.size} of ${functions.length} functions of package ${packageName}`);
