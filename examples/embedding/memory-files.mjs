// Gives a program a file system of its own, in memory, and reads what it has left there:
// node examples/embedding/memory-files.mjs PROGRAM FILE [ARG…]
import { run } from "gojit";

const [program, file, ...args] = process.argv.slice(2);
if (!file) {
  console.error("Usage: node examples/embedding/memory-files.mjs PROGRAM FILE-THAT-IT-WRITES [ARG…]");
  process.exit(2);
}

const result = await run({
  program,
  args,
  currentDirectory: "/home/me",
  files: {
    etc: { hostname: "memory\n" },
    home: { me: { before: "from the embedder\n", data: Uint8Array.of(1, 2, 3) } },
  },
  stdout: (bytes) => process.stdout.write(bytes),
  stderr: (bytes) => process.stderr.write(bytes),
});
const left = result.readFile(`/home/me/${file}`);
console.log(left ? `${file}: ${JSON.stringify(new TextDecoder().decode(left))}` : `there is no ${file}`);
