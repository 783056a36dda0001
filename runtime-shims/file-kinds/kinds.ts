import { fileKind } from "../files-layout.js";
import { memoryDevice } from "./device.js";
import { directory, pathOnly } from "./directory.js";
import { epoll } from "./epoll.js";
import { eventfd } from "./eventfd.js";
import { hostFile } from "./host-file.js";
import type { FileKind } from "./kind.js";
import { pipeReader, pipeWriter } from "./pipe.js";
import { stdin } from "./stdin.js";
import { stream } from "./stream.js";
import { syntheticFile } from "./synthetic-file.js";
import { terminal } from "./terminal.js";

const table: FileKind[] = [];
table[fileKind.host] = hostFile;
table[fileKind.directory] = directory;
table[fileKind.pipeReader] = pipeReader;
table[fileKind.pipeWriter] = pipeWriter;
table[fileKind.eventfd] = eventfd;
table[fileKind.epoll] = epoll;
table[fileKind.device] = memoryDevice;
table[fileKind.synthetic] = syntheticFile;
table[fileKind.stdin] = stdin;
table[fileKind.stream] = stream;
table[fileKind.path] = pathOnly;
table[fileKind.terminal] = terminal;

/** What can be done with an open file, by its `fileKind`. */
export const kinds: readonly FileKind[] = table;
