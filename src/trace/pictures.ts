/** The pictures of the page: stacks, how G, M and P hang together, and who ran when. */
import { element, escape, label, picture } from "./svg.js";
import type { Values } from "./row.js";
import type { Span } from "./timeline.js";

const box = (x: number, y: number, width: number, height: number, kind: string): string =>
  element("rect", { x, y, width, height, rx: 4, class: kind });
const line = (x1: number, y1: number, x2: number, y2: number, kind = "line"): string =>
  element("line", { x1, y1, x2, y2, class: kind });
/** A line with a head at its end; the page defines `#head`. */
const arrow = (x1: number, y1: number, x2: number, y2: number): string =>
  element("line", { x1, y1, x2, y2, class: "arrow", "marker-end": "url(#head)" });
const mono = { class: "mono" };
const small = { class: "small" };

/** A mark beside a stack: an address and what is there. */
interface Mark {
  readonly y: number;
  readonly address: string;
  readonly what: string;
}

const STACK_WIDTH = 110;

/** A stack, high addresses above, with what its addresses mean beside it. */
function stack(x: number, y: number, height: number, kind: string, title: string, marks: readonly Mark[]): string {
  return [
    box(x, y, STACK_WIDTH, height, kind),
    element("text", { x: x + STACK_WIDTH / 2, y: y + height / 2 + 4, "text-anchor": "middle" }, title),
    ...marks.flatMap((mark) => [
      line(x, mark.y, x + STACK_WIDTH + 12, mark.y, "tick"),
      label(x + STACK_WIDTH + 18, mark.y - 1, mark.address, mono),
      label(x + STACK_WIDTH + 18, mark.y + 12, mark.what, small),
    ]),
  ].join("");
}

/** What the kernel put on the stack, and the part that g0 takes. */
export const firstStack = (entry: Values, g0: Values): string =>
  picture(
    380,
    250,
    "The first stack",
    box(10, 10, STACK_WIDTH, 50, "kernel"),
    element("text", { x: 65, y: 40, "text-anchor": "middle" }, "args, env, auxv"),
    stack(10, 64, 170, "g0", "g0, 64 KB", [
      { y: 64, address: String(entry["sp"]), what: `SP at entry: argc ${entry["argc"]}, argv…` },
      { y: 98, address: String(g0["hi"]), what: "g0.stack.hi: SP, aligned to 16" },
      { y: 234, address: String(g0["lo"]), what: "g0.stack.lo, both stackguards" },
    ]),
  );

/** Thread-local storage, m0 and g0. */
export function bindings(bound: Values, tls: Values | undefined): string {
  const card = (x: number, y: number, title: string, address: unknown, rows: readonly string[], kind: string): string =>
    [
      box(x, y, 150, 44 + 18 * rows.length, kind),
      label(x + 12, y + 20, title, { class: "strong" }),
      label(x + 12, y + 36, String(address), mono),
      ...rows.map((row, i) => label(x + 12, y + 56 + 18 * i, row, small)),
    ].join("");
  return picture(
    560,
    150,
    "g0, m0 and TLS",
    card(10, 20, "FS.base", tls?.["fs"] ?? "", ["-8(FS) is g"], "plain"),
    card(205, 20, "m0", bound["m0"], ["tls[0]", "g0"], "m"),
    card(400, 20, "g0", bound["g0"], ["m", "stack"], "g0"),
    arrow(160, 72, 202, 72),
    arrow(355, 90, 397, 90),
    arrow(400, 72, 358, 72),
  );
}

/** The Ps after procresize. */
export function processors(count: number): string {
  const shown = Math.min(count, 6);
  const ps = Array.from({ length: shown }, (_, p) =>
    [box(150 + 70 * p, 40, 54, 44, p === 0 ? "p" : "idle"), label(166 + 70 * p, 67, `P${p}`)].join(""),
  );
  return picture(
    170 + 70 * shown + (count > shown ? 60 : 0),
    120,
    "m0 has P0, the others are idle",
    box(10, 40, 70, 44, "m"),
    label(34, 67, "m0"),
    arrow(80, 62, 146, 62),
    ...ps,
    count > 1 ? label(220, 104, count > shown ? `idle, as are ${count - shown} more` : "idle", small) : "",
  );
}

/** A new goroutine's stack, made to look as if goexit had called its function. */
export const newStack = (created: Values): string =>
  picture(
    560,
    250,
    "The new goroutine's stack",
    stack(10, 10, 220, "g", `${Number(created["hi"]) - Number(created["lo"])} bytes`, [
      { y: 12, address: String(created["hi"]), what: "stack.hi" },
      { y: 52, address: String(created["sp"]), what: `sched.sp: return to ${String(created["returnTo"])}` },
      { y: 186, address: String(created["guard0"]), what: "stackguard0" },
      { y: 228, address: String(created["lo"]), what: "stack.lo" },
    ]),
    box(390, 80, 160, 86, "plain"),
    label(402, 100, "g.sched", { class: "strong" }),
    label(402, 120, `sp ${String(created["sp"])}`, mono),
    label(402, 137, `pc ${String(created["pc"])}`, mono),
    label(402, 154, `g  ${String(created["gobufG"])}`, mono),
  );

/** gogo: from g0's stack to the goroutine's. */
export const stackSwitch = (gogo: Values): string =>
  picture(
    560,
    200,
    "From g0's stack to the goroutine's",
    stack(10, 10, 180, "g0", "g0", [{ y: 120, address: String(gogo["g0sp"]), what: "SP in gogo" }]),
    stack(330, 10, 180, "g", "g1", []),
    line(330, 60, 440, 60, "tick"),
    label(336, 52, String(gogo["sp"]), mono),
    label(336, 76, "SP from now on", small),
    arrow(250, 128, 326, 62),
    label(196, 168, `JMP ${String(gogo["pc"])}`, mono),
  );

/** Who was where at one moment. */
export interface Relations {
  /** By M: its P (-1: none) and goroutine (0: none). */
  readonly ms: ReadonlyMap<number, { readonly p: number; readonly goroutine: number }>;
  readonly waiting: readonly number[];
  readonly runnable: readonly number[];
}

/** The classic picture: triangles are Ms, squares Ps, circles goroutines. */
export function relations({ ms, waiting, runnable }: Relations): string {
  const column = 110;
  const columns = [...ms].map(([m, { p, goroutine }], i) => {
    const x = 20 + column * i + 35;
    const parts = [
      element("path", { d: `M${x} 180 l34 56 h-68 z`, class: p >= 0 ? "m" : "idle" }),
      element("text", { x, y: 226, "text-anchor": "middle" }, `M${m}`),
    ];
    if (p >= 0) {
      parts.push(line(x, 150, x, 180), box(x - 26, 106, 52, 44, "p"));
      parts.push(element("text", { x, y: 133, "text-anchor": "middle" }, `P${p}`));
    }
    if (goroutine) {
      parts.push(line(x, 70, x, p >= 0 ? 106 : 180), element("circle", { cx: x, cy: 46, r: 24, class: "g" }));
      parts.push(element("text", { x, y: 51, "text-anchor": "middle" }, `g${goroutine}`));
    }
    return parts.join("");
  });
  const x = 40 + column * ms.size;
  const row = (y: number, title: string, goroutines: readonly number[]): string =>
    [
      label(x, y, `${title}: ${goroutines.length}`, { class: "strong" }),
      ...goroutines
        .slice(0, 8)
        .map((goroutine, i) =>
          [
            element("circle", { cx: x + 18 + 46 * i, cy: y + 32, r: 18, class: "idle" }),
            element(
              "text",
              { x: x + 18 + 46 * i, y: y + 36, "text-anchor": "middle", class: "small" },
              `g${goroutine}`,
            ),
          ].join(""),
        ),
    ].join("");
  return picture(
    x + 400,
    250,
    "Goroutines, Ms and Ps",
    ...columns,
    row(40, "runnable", runnable),
    row(130, "waiting", waiting),
  );
}

const TRACK_HEIGHT = 24;
const LEFT = 64;
const WIDTH = 1120;

/** A colour of its own for each goroutine, far from those of its neighbours. */
export const colourOf = (goroutine: number): string => `hsl(${(goroutine * 137) % 360} 62% 52%)`;

/** Who ran when: a row for each track, time to the right. */
export function schedule(spans: readonly Span[], tracks: readonly string[], startUs: number, endUs: number): string {
  const scale = (WIDTH - LEFT) / Math.max(1, endUs - startUs);
  const rows = new Map(tracks.map((track, index) => [track, index]));
  const height = tracks.length * TRACK_HEIGHT + 30;
  const ticks = Array.from({ length: 9 }, (_, i) => {
    const x = LEFT + ((WIDTH - LEFT) * i) / 8;
    const ms = (startUs + ((endUs - startUs) * i) / 8) / 1000;
    const anchor = { "text-anchor": i === 0 ? "start" : i === 8 ? "end" : "middle" };
    return line(x, 0, x, height - 24, "grid") + label(x, height - 8, `${ms.toFixed(1)} ms`, { ...small, ...anchor });
  });
  const bars = spans.flatMap((span) => {
    const row = rows.get(trackName(span));
    if (row === undefined) return [];
    const x = LEFT + Math.max(0, span.startUs - startUs) * scale;
    const width = Math.max(0.6, (Math.min(endUs, span.endUs) - Math.max(startUs, span.startUs)) * scale);
    const [top, tall] = span.kind === "running" ? [3, 18] : span.kind === "syscall" ? [15, 6] : [9, 6];
    const fill = span.kind === "running" ? colourOf(span.goroutine) : undefined;
    const took = ((span.endUs - span.startUs) / 1000).toFixed(3);
    const title = `g${span.goroutine} ${span.kind} for ${took} ms: ${span.text}`;
    const shape = {
      x: x.toFixed(1),
      y: row * TRACK_HEIGHT + top,
      width: width.toFixed(1),
      height: tall,
      fill,
      class: span.kind,
    };
    return [`${element("rect", shape, element("title", {}, escape(title)))}`];
  });
  const names = tracks.map((track, i) => label(4, i * TRACK_HEIGHT + 17, track, { class: "strong" }));
  return picture(WIDTH, height, "Who ran when", ...ticks, ...bars, ...names);
}

const PREFIX: Readonly<Record<Span["track"], string>> = { m: "M", p: "P", goroutine: "g" };
/** What a span's row is called. */
export const trackName = ({ track, id }: Pick<Span, "track" | "id">): string => `${PREFIX[track]}${id}`;
