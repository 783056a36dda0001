import { parentPort, workerData } from "node:worker_threads";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { FakeGuest, type SharedMemories } from "./files-harness.js";

/** A guest thread on a Worker of its own, which makes the file calls that it is told to make. */
const { memories, directory, tid } = workerData as { memories: SharedMemories; directory: string; tid: number };
const guest = new FakeGuest(
  memories,
  {
    host: new NodeFiles([directory]),
    mounts: [{ guest: "/home/user", readOnly: false }],
    executable: "/home/user/program",
    currentDirectory: "/home/user",
  },
  tid,
);

parentPort!.on("message", (call: [string, ...(number | string)[]]) => {
  parentPort!.postMessage(guest.call(...call));
});
