/** A report as a chart: for each benchmark, on a logarithmic scale, how many times native's time every runner takes. */
import type { SuiteName } from "./benchmark.js";
import { digits, runnerTitles } from "./format.js";
import type { BenchmarkResult, Report } from "./results.js";
import { runnerNames, type RunnerName } from "./runners.js";
import { groupsOf, meanRatio, ratioOf, suiteGoals, type Group } from "./verdict.js";

/** Suites that are drawn, by column. */
const COLUMNS: readonly (readonly SuiteName[])[] = [["compute", "real"], ["switch"], ["memory", "kernel"]];
const DRAWN: readonly RunnerName[] = ["qemu", "js-wasm", "gojit"];

const LOWEST = 0.5;
const HIGHEST = 64;
const TICKS = [1, 2, 4, 8, 16, 32];

// Pixels.
const MARGIN = 24;
const COLUMN = 490;
const GAP = 28;
const NAME = 196;
const VALUE = 52;
const PLOT = COLUMN - NAME - VALUE;
const ROW = 19;
const TITLE = 34;
const HEAD = 92;
/** What the title and the legend need from side to side. */
const HEADING = 780;

const STYLE = `
    svg { --paper: #ffffff; --ink: #1f2328; --faint: #656d76; --line: #d8dee4; --band: #f3f5f8;
      --gojit: #0969da; --wasm: #bf5b00; --qemu: #8b949e; --goal: #1a7f37; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --band: #161b22;
        --gojit: #58a6ff; --wasm: #f0883e; --qemu: #7d8590; --goal: #3fb950; }
    }
    text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
    .title { font-size: 20px; font-weight: 600; }
    .suite { font-size: 14px; font-weight: 600; }
    .faint { fill: var(--faint); }
    .end { text-anchor: end; }
    .middle { text-anchor: middle; }
    .bold { font-weight: 600; }
    .paper { fill: var(--paper); }
    .band { fill: var(--band); }
    .tick { stroke: var(--line); }
    .native { stroke: var(--ink); stroke-width: 1.5; }
    .reach { stroke: var(--gojit); stroke-width: 3; opacity: 0.45; }
    .gojit { fill: var(--gojit); }
    .js-wasm { fill: var(--paper); stroke: var(--wasm); stroke-width: 2; }
    .qemu { fill: none; stroke: var(--qemu); stroke-width: 1.8; }
    .goal { stroke: var(--goal); stroke-width: 2.5; }
    .limit { stroke: var(--goal); stroke-width: 1.5; stroke-dasharray: 2 2; }`;

/** The chart as an SVG file; results of the newest Go version in the report, and those of real programs. */
export function formatChart(report: Report): string {
  const go = report.benchmarks.find((row) => row.go !== null)?.go ?? null;
  const groups = groupsOf(report).filter((group) => group.go === go || group.go === null);
  const columns = COLUMNS.map((suites) =>
    suites.flatMap((suite) => groups.filter((group) => group.suite === suite).map(drawable)),
  )
    .map((list) => list.filter(({ rows }) => rows.length > 0))
    .filter((list) => list.length > 0);
  const drawn = columns.map((list, at) => drawColumn(list, MARGIN + at * (COLUMN + GAP)));
  const count = Math.max(1, columns.length);
  const width = Math.max(HEADING, 2 * MARGIN + count * COLUMN + (count - 1) * GAP);
  const height = Math.max(HEAD, ...drawn.map(({ bottom }) => bottom)) + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `  <title>Time relative to native, by benchmark</title>`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="paper" width="${width}" height="${height}"/>`,
    ...heading(report, go),
    ...drawn.flatMap(({ lines }) => lines),
    "</svg>\n",
  ].join("\n");
}

const drawable = (group: Group): Group => ({
  ...group,
  rows: group.rows.filter((row) => row.unit !== "times" && ratioOf(row, "gojit")),
});

function heading(report: Report, go: string | null): string[] {
  const { machine, date, runners, rounds } = report;
  const what = go === null ? "" : `, Go ${go}`;
  const facts = `${machine.cpu}, ${machine.cpus} processors; ${runners.gojit ?? ""}; median of ${rounds} rounds; ${date.slice(0, 10)}`;
  const legend: [string, string, number][] = [
    [mark("gojit", 0, 0), "gojit, with the range of its rounds", 238],
    [mark("js-wasm", 0, 0), runnerTitles["js-wasm"], 114],
    [mark("qemu", 0, 0), runnerTitles.qemu, 108],
    [`<path class="native" d="M0 -7V7"/>`, "native", 72],
    [`<path class="goal" d="M0 -6V6"/>`, "goal", 60],
    [`<path class="limit" d="M0 -6V6"/>`, "at worst", 80],
  ];
  const shown = legend.filter(([symbol]) =>
    runnerNames.every((name) => !symbol.includes(`"${name}"`) || name === "native" || runners[name] !== undefined),
  );
  let x = MARGIN + 6;
  const keys = shown.map(([symbol, text, advance]) => {
    const key = `  <g transform="translate(${x} 74)">${symbol}<text x="12" y="4">${escape(text)}</text></g>`;
    x += advance;
    return key;
  });
  return [
    `  <text class="title" x="${MARGIN}" y="36">Time relative to native${escape(what)} (less is better, logarithmic)</text>`,
    `  <text class="faint" x="${MARGIN}" y="56">${escape(facts)}</text>`,
    ...keys,
  ];
}

/** Groups below one another. Returns where they end. */
function drawColumn(groups: readonly Group[], left: number): { lines: string[]; bottom: number } {
  const lines: string[] = [];
  let top = HEAD;
  for (const group of groups) {
    lines.push(...drawGroup(group, left, top));
    top += TITLE + (group.rows.length + 1) * ROW + 12;
  }
  return { lines, bottom: top };
}

function drawGroup({ suite, rows }: Group, left: number, top: number): string[] {
  const plot = left + NAME;
  const first = top + TITLE;
  const bottom = first + rows.length * ROW;
  const mean = meanRatio(rows, "gojit");
  const wanted = suiteGoals[suite];
  const goal = wanted ? ` (goal ${wanted.goal}x, at worst ${wanted.limit}x)` : "";
  const heading = mean === null ? "" : `geometric mean ${digits(mean)}x${goal}`;
  return [
    `  <text class="suite" x="${left}" y="${top + 22}">${suite}</text>`,
    `  <text class="bold end" x="${left + COLUMN}" y="${top + 22}">${heading}</text>`,
    ...rows.flatMap((_, at) =>
      at % 2 ? [] : [`  <rect class="band" x="${left}" y="${first + at * ROW}" width="${COLUMN}" height="${ROW}"/>`],
    ),
    ...TICKS.map(
      (tick) =>
        `  <path class="${tick === 1 ? "native" : "tick"}" d="M${at(plot, tick)} ${first}V${bottom}"/>` +
        `<text class="faint middle" x="${at(plot, tick)}" y="${bottom + 14}">${tick}x</text>`,
    ),
    ...rows.flatMap((row, index) => drawRow(row, left, first + (index + 0.5) * ROW)),
  ];
}

function drawRow(row: BenchmarkResult, left: number, y: number): string[] {
  const plot = left + NAME;
  const gojit = ratioOf(row, "gojit")!;
  const goals =
    row.goal?.of === "ratio"
      ? [
          row.goal.goal === null ? "" : `<path class="goal" d="M${at(plot, row.goal.goal)} ${y - 6}v12"/>`,
          `<path class="limit" d="M${at(plot, row.goal.limit)} ${y - 6}v12"/>`,
        ]
      : [];
  const marks = DRAWN.map((name) => {
    const ratio = ratioOf(row, name);
    return ratio ? mark(name, at(plot, ratio.median), y) : "";
  });
  return [
    `  <text x="${left + 4}" y="${y + 4}">${escape(row.name)}</text>`,
    `  ${goals.join("")}<path class="reach" d="M${at(plot, gojit.low)} ${y}H${at(plot, gojit.high)}"/>${marks.join("")}`,
    `  <text class="bold end" x="${left + COLUMN - 4}" y="${y + 4}">${digits(gojit.median)}x</text>`,
  ];
}

/** A runner's symbol: a full dot, a ring or a cross. */
function mark(name: RunnerName, x: number, y: number): string {
  if (name === "qemu") return `<path class="qemu" d="M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7"/>`;
  return `<circle class="${name}" cx="${x}" cy="${y}" r="${name === "gojit" ? 5 : 4}"/>`;
}

/** The x of a ratio in a plot that begins at `plot`; what lies outside is drawn at the edge. */
function at(plot: number, ratio: number): number {
  const inside = Math.min(HIGHEST, Math.max(LOWEST, ratio));
  return Math.round((plot + 8 + ((PLOT - 16) * Math.log2(inside / LOWEST)) / Math.log2(HIGHEST / LOWEST)) * 10) / 10;
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
