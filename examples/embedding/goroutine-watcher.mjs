// Tells who made each goroutine and how it ended, and once a second what they all do:
// node examples/embedding/goroutine-watcher.mjs [PROGRAM [ARG…]]
import { setTimeout as sleep } from "node:timers/promises";
import { start } from "gojit";

const [program = "examples/spheres", ...args] = process.argv.slice(2);

const guest = await start({ program, args, env: { NO_COLOR: "1" }, trace: ["sched"] });
guest.resume();

/** One look after the other: a pause may take longer than the time between two. */
async function lookAgainAndAgain() {
  for (;;) {
    await sleep(1000, undefined, { ref: false });
    if (!(await guest.pause())) return;
    for (const { id, status, waitReason } of guest.goroutines()) {
      const frames = guest.backtrace({ goroutine: id }).map((frame) => `${frame.function}:${frame.line}`);
      console.log(`  goroutine ${id} is ${waitReason || status}: ${frames.slice(0, 4).join(" < ")}`);
    }
    guest.resume();
  }
}
void lookAgainAndAgain();

for await (const { timeUs, goroutine, event, text } of guest.events()) {
  if (event === "goroutine-created" || event === "goroutine-ends")
    console.log(`${(timeUs / 1000).toFixed(3)} ms  goroutine ${goroutine} ${event.slice(10)}  ${text}`);
}
console.log(`exit status ${(await guest.ended).status}`);
