// Tells who made each goroutine and how it ended, and once a second what they all do:
// node examples/embedding/goroutine-watcher.mjs [PROGRAM [ARG…]]
import { start } from "gojit";

const [program = "examples/spheres", ...args] = process.argv.slice(2);

const guest = await start({ program, args, env: { NO_COLOR: "1" }, trace: ["sched"] });
guest.resume();
const timer = setInterval(async () => {
  if (!(await guest.pause())) return;
  for (const { id, status, waitReason } of guest.goroutines()) {
    const frames = guest.backtrace({ goroutine: id }).map((frame) => `${frame.function}:${frame.line}`);
    console.log(`  goroutine ${id} is ${waitReason || status}: ${frames.slice(0, 4).join(" < ")}`);
  }
  guest.resume();
}, 1000);

for await (const { timeUs, goroutine, event, text } of guest.events()) {
  if (event === "goroutine-created" || event === "goroutine-ends")
    console.log(`${(timeUs / 1000).toFixed(3)} ms  goroutine ${goroutine} ${event.slice(10)}  ${text}`);
}
clearInterval(timer);
console.log(`exit status ${(await guest.ended).status}`);
