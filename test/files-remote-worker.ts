import { parentPort, workerData } from "node:worker_threads";
import { RemoteFiles } from "../runtime-shims/host/remote-files.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { listDirectory } from "./files-replay.js";

/** A guest thread whose files another realm owns: writes a file larger than one message and reads it back. */
const { channel } = workerData as { channel: SharedArrayBuffer };
const guest = new FakeGuest(newMemories(), {
  host: new RemoteFiles(channel),
  mounts: [{ guest: "/", readOnly: false }],
  executable: "/program",
  currentDirectory: "/",
});

const SIZE = 3_000_000;
const made = guest.call("mkdir", "/dir", 0o755);
const fd = guest.call("open", "/dir/big", 0o102, 0o644);
const buffer = guest.allocate(SIZE);
const bytes = guest.process.memory.slice(buffer, SIZE);
for (let i = 0; i < SIZE; i++) bytes[i] = (i * 31) >>> 3;
const before = guest.process.memory.load(buffer, SIZE);
const written = guest.call("write", fd, buffer, SIZE);
bytes.fill(0);
guest.call("lseek", fd, 0, 0);
const size = guest.call("read", fd, buffer, SIZE);
const same = before.every((byte, index) => byte === bytes[index]);
const listed = listDirectory(guest, guest.call("open", "/dir", 0o200000, 0), 4096);
const missing = guest.call("open", "/none", 0, 0);
parentPort!.postMessage({ made, written, size, same, listed, missing });
