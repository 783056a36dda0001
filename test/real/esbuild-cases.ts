import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../guests/unpack.js";
import { request } from "./esbuild-service.js";
import type { LiveRun, RealCase } from "./real-case.js";
import { fixtures, rxjs, thisProject, typescriptFixture } from "./trees.js";

/** A case for esbuild from a version on, which is the first that has its options. */
interface EsbuildCase extends RealCase {
  readonly since?: string;
}

const jsx = ["--jsx-factory=h", "--jsx-fragment=Fragment"];
const shared = readFileSync(path.join(fixtures, "fixture-ts", "shared.ts"), "utf8");

/** How long it took differs. */
const withoutTimes = (text: string): string => text.replace(/\b\d+(\.\d+)?m?s\b/g, "N ms");

/** Which of the things that changed it names is by chance: the file, or the directory that has the output since. */
const withoutChange = (text: string): string => text.replace(/\(change: "[^"]*"\)/g, "(change)");

/** Changes a file once the first build is there, and does `end` after the second. */
function watchOneChange(end: (run: LiveRun) => void): (run: LiveRun) => Promise<void> {
  return async (run) => {
    await run.until("stderr", /build finished/, 1);
    const file = path.join(run.directory, "lazy.ts");
    writeFileSync(file, readFileSync(file, "utf8").replace("lazy", "changed"));
    await run.until("stderr", /build finished/, 2);
    end(run);
  };
}

/** Asks the service for two transforms, one after the other, and ends standard input after the second answer. */
async function askService(run: LiveRun): Promise<void> {
  for (const [id, flag] of ["--minify", "--format=cjs"].entries()) {
    const flags = ["--loader=ts", "--sourcemap", flag];
    run.write(request(id, { command: "transform", flags, inputFS: false, input: Buffer.from(shared) }));
    await run.until("stdout", /mapFS/, id + 1);
  }
  run.closeStdin();
}

const rxjsEntries = ["", "operators/", "testing/", "webSocket/", "ajax/", "fetch/"].map(
  (name) => `src/${name}index.ts`,
);
const rxjsFiles = [
  ...["Observable", "Subscriber", "Subscription", "Subject", "ReplaySubject", "Notification", "Scheduler"],
  ...["operators/groupBy", "operators/windowTime", "operators/bufferTime", "observable/dom/AjaxObservable"],
  ...["testing/TestScheduler", "testing/HotObservable", "scheduler/VirtualTimeScheduler", "util/subscribeTo"],
].map((name) => `src/internal/${name}.ts`);

function onFixture(name: string, args: readonly string[], more: Partial<EsbuildCase> = {}): EsbuildCase {
  return { name, args, prepare: typescriptFixture, normalize: withoutTimes, ...more };
}

const cases: readonly EsbuildCase[] = [
  onFixture("version", ["--version"]),
  onFixture("help", ["--help"]),
  onFixture("bundle", ["main.tsx", "--bundle", "--sourcemap", "--outfile=out/main.js", ...jsx]),
  onFixture("minify", ["main.tsx", "--bundle", "--minify", "--sourcemap", "--outdir=out", ...jsx]),
  onFixture("no bundle", ["shared.ts", "split.ts", "h.ts", "--outdir=out", "--target=es2020"]),
  onFixture("decorators", ["decorators.ts", "--outfile=out.js"]),
  onFixture("mistakes", ["broken.ts", "--bundle", "--outfile=out.js"]),
  onFixture("splitting", ["main.tsx", "split.ts", "--bundle", "--splitting", "--format=esm", "--outdir=out", ...jsx], {
    since: "0.6.0",
  }),
  onFixture("transform", ["--loader=ts", "--minify", "--sourcemap=inline", "--sourcefile=shared.ts"], {
    since: "0.6.0",
    stdin: shared,
  }),
  onFixture(
    "older target",
    ["main.tsx", "--bundle", "--target=es2017", "--metafile=meta.json", "--outdir=out", ...jsx],
    {
      since: "0.6.0",
    },
  ),
  onFixture("css", ["style.css", "--bundle", "--minify", "--outdir=out", "--entry-names=[name]-[hash]"], {
    since: "0.14.21",
  }),
  onFixture("analyze", ["main.tsx", "--bundle", "--analyze", "--minify", "--outdir=out", ...jsx], { since: "0.14.21" }),
  onFixture("watch", ["split.ts", "--bundle", "--watch", "--format=esm", "--splitting", "--outdir=out"], {
    since: "0.14.21", // older ones do not end with standard input
    talk: watchOneChange((run) => run.closeStdin()),
    normalize: withoutChange,
  }),
  onFixture("watch until SIGTERM", ["split.ts", "--bundle", "--watch", "--format=esm", "--splitting", "--outdir=out"], {
    since: "0.11.23", // older ones say nothing when a build is there
    talk: watchOneChange((run) => run.kill("SIGTERM")),
    normalize: withoutChange,
  }),
  { name: "service", since: "0.21.5", args: ["--service=VERSION"], prepare: () => {}, talk: askService },
  onFixture("serve", ["split.ts", "--bundle", "--serve=127.0.0.1:0", "--outdir=out"], {
    since: "0.8.40",
    talk: (run) => run.until("stderr", /error/i, 1), // the end of standard input would end it without an error
    refusal: /error: listen tcp4?( 127\.0\.0\.1:0)?: socket: |\[ERROR\] listen tcp4? 127\.0\.0\.1:0: socket: /,
  }),
  {
    name: "rxjs, file by file",
    args: [...rxjsFiles, "--minify", "--sourcemap", "--outdir=out"],
    prepare: rxjs,
    normalize: withoutTimes,
  },
  {
    name: "rxjs, bundled",
    since: "0.6.0", // older ones miss the types that it exports again
    args: [...rxjsEntries, "--bundle", "--splitting", "--format=esm", "--minify", "--sourcemap", "--outdir=out"],
    prepare: rxjs,
    normalize: withoutTimes,
  },
  {
    name: "this project",
    since: "0.14.21",
    args: [
      ...["src/cli/main.ts", "src/browser/index.ts", "--bundle", "--splitting", "--format=esm", "--platform=node"],
      ...["binaryen", "iced-x86", "vite"].map((name) => `--external:${name}`),
      ...["--sourcemap", "--minify", "--outdir=out"],
    ],
    prepare: thisProject,
    normalize: withoutTimes,
  },
  {
    name: "iced-x86",
    since: "0.6.0",
    args: [
      path.join(projectRoot, "node_modules", "iced-x86", "iced_x86.js"),
      ...["--bundle", "--minify", "--sourcemap", "--platform=node", "--outfile=out.js"],
    ],
    prepare: () => {},
    normalize: withoutTimes,
  },
  {
    name: "binaryen",
    since: "0.11.23",
    args: [
      path.join(projectRoot, "node_modules", "binaryen", "index.js"),
      ...["--bundle", "--minify", "--format=esm", "--platform=node", "--outfile=out.js"],
    ],
    prepare: () => {},
    normalize: withoutTimes,
  },
];

/** The cases for an esbuild of this version. */
export function esbuildCases(version: string): RealCase[] {
  const fitting = cases.filter(({ since }) => since === undefined || rank(since) <= rank(version));
  return fitting.map((real) => ({ ...real, args: real.args.map((word) => word.replace("VERSION", version)) }));
}

/** A number that orders versions of three parts below 1000. */
function rank(version: string): number {
  return version.split(".").reduce((sum, part) => sum * 1000 + Number(part), 0);
}
