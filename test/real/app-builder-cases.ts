import { copyFileSync } from "node:fs";
import path from "node:path";
import { unpack } from "../guests/unpack.js";
import type { RealCase } from "./real-case.js";
import { thisProject } from "./trees.js";

/** Some megabytes that are the same everywhere. */
function someFile(directory: string): void {
  copyFileSync(unpack("1.27", "guests"), path.join(directory, "input"));
}

const blockmap = ["blockmap", "--input=input", "--output=out.blockmap"];

export const appBuilderCases: readonly RealCase[] = [
  { name: "help", args: ["--help"], prepare: () => {} },
  { name: "version", args: ["--version"], prepare: () => {} },
  { name: "no such command", args: ["no-such-command"], prepare: () => {} },
  { name: "blockmap gzip", args: blockmap, prepare: someFile },
  { name: "blockmap deflate", args: [...blockmap, "--compression=deflate"], prepare: someFile },
  { name: "blockmap appended", args: ["blockmap", "--input=input"], prepare: someFile },
  { name: "blockmap of nothing", args: blockmap, prepare: () => {} },
  { name: "copy", args: ["copy", "--from=input", "--to=copied"], prepare: someFile },
  { name: "node-dep-tree", args: ["node-dep-tree", "--dir=."], prepare: thisProject },
];
