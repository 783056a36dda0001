/** The page under test: runs what the driver asks for, with gojit's own root export. */
import { run } from "gojit";
import "../protocol.js";

globalThis.runGuest = async ({ program, args, env, stdin, cpus, timeoutMs, files }) => {
  const response = await fetch(program);
  const result = await run({
    program: new Uint8Array(await response.arrayBuffer()),
    args,
    env,
    cpus,
    currentDirectory: "/work",
    stdin: fromBase64(stdin),
    abort: AbortSignal.timeout(timeoutMs),
  });
  return {
    status: result.status,
    stdout: toBase64(result.stdout),
    stderr: toBase64(result.stderr),
    files: Object.fromEntries(
      files.map((name) => {
        const content = result.readFile(`/work/${name}`);
        return [name, content === undefined ? null : toBase64(content)];
      }),
    ),
  };
};

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
