/** A trace as one self-contained page: the bootstrap as an annotated timeline, stacks and relations as pictures, and who ran when. */
import {
  bindings,
  colourOf,
  firstStack,
  newStack,
  processors,
  relations,
  schedule,
  stackSwitch,
  trackName,
  type Relations,
} from "./pictures.js";
import type { Values } from "./row.js";
import { element, escape } from "./svg.js";
import { Timeline, type Span } from "./timeline.js";
import type { TraceEvent, TraceSink } from "./trace-event.js";

/** What a page can show: more would be slow to open. */
const MOST_STEPS = 2000;
const MOST_SPANS = 6000;
const MOST_GOROUTINES = 40;

/** Parts of the bootstrap, by the event that each begins with. */
const CHAPTERS: readonly (readonly [event: string, title: string])[] = [
  ["entry", "The kernel hands over"],
  ["settls", "TLS, g0 and m0"],
  ["check", "Before the scheduler"],
  ["schedinit", "schedinit"],
  ["newproc", "The main goroutine is made"],
  ["mstart", "m0 looks for work"],
  ["runtime-main", "runtime.main"],
  ["main", "main.main"],
];

interface Goroutine {
  readonly function: string;
  readonly caller: string;
  runs: number;
  state: string;
}

export class HtmlSink implements TraceSink {
  private readonly write: (text: string) => void;
  private readonly title: string;
  private readonly subtitle: string;
  private readonly timeline = new Timeline((span) => this.span(span));
  private readonly steps: TraceEvent[] = [];
  private readonly spans: Span[] = [];
  private readonly firsts = new Map<string, Values>();
  private readonly goroutines = new Map<number, Goroutine>();
  private readonly ms = new Map<number, { p: number; goroutine: number }>();
  private atMain: Relations | undefined;
  private events = 0;
  private missedSpans = 0;
  private lastUs = 0;

  constructor(write: (text: string) => void, title: string, subtitle: string) {
    this.write = write;
    this.title = title;
    this.subtitle = subtitle;
  }

  add(event: TraceEvent): void {
    this.events++;
    this.lastUs = event.timeUs;
    this.timeline.add(event);
    if (!this.firsts.has(event.event)) this.firsts.set(event.event, event.values);
    if ((event.group === "bootstrap" || this.belongs(event)) && this.steps.length < MOST_STEPS) this.steps.push(event);
    this.follow(event);
    if (event.event === "main") this.atMain = this.relations();
  }

  end(): void {
    this.timeline.end();
    this.write(this.page());
  }

  /** True for events of the scheduler that are steps of the bootstrap as well, until the main goroutine runs. */
  private belongs({ group, event, m }: TraceEvent): boolean {
    if (group !== "sched") return false;
    return !this.firsts.has("runtime-main") || (m === 0 && event === "m-created" && !this.firsts.has("main"));
  }

  private follow({ event, goroutine, m, p, values }: TraceEvent): void {
    if (m < 0) return;
    const place = this.ms.get(m) ?? { p: -1, goroutine: 0 };
    this.ms.set(m, place);
    place.p = event === "p-acquired" ? Number(values["takes"]) : event === "p-released" ? -1 : p;
    if (event === "goroutine-created")
      this.goroutines.set(goroutine, {
        function: String(values["function"]),
        caller: String(values["caller"]),
        runs: 0,
        state: "runnable",
      });
    const known = this.goroutines.get(goroutine);
    const state =
      { "goroutine-runs": "running", "goroutine-parks": "waiting", "goroutine-ends": "ended" }[event] ??
      (/^goroutine-(readied|yields)/.test(event) ? "runnable" : undefined);
    if (!known || state === undefined) return;
    known.state = state === "waiting" ? `waiting: ${String(values["reasonName"])}` : state;
    if (state === "running") {
      known.runs++;
      place.goroutine = goroutine;
    } else if (place.goroutine === goroutine && state !== "runnable") place.goroutine = 0;
    else if (event.startsWith("goroutine-yields")) place.goroutine = 0;
  }

  private span(span: Span): void {
    if (this.spans.length < MOST_SPANS) this.spans.push(span);
    else this.missedSpans++;
  }

  private relations(): Relations {
    const inState = (prefix: string): number[] =>
      [...this.goroutines].filter(([, { state }]) => state.startsWith(prefix)).map(([goroutine]) => goroutine);
    const ms = new Map([...this.ms].sort(([a], [b]) => a - b).map(([m, place]) => [m, { ...place }]));
    return { ms, waiting: inState("waiting"), runnable: inState("runnable") };
  }

  private page(): string {
    const parts = [
      element(
        "header",
        {},
        element("h1", {}, escape(this.title)),
        element("p", {}, escape(`${this.subtitle}, ${this.events} events in ${(this.lastUs / 1000).toFixed(1)} ms`)),
      ),
      this.bootstrap(),
      section(
        "Goroutines, Ms and Ps",
        this.atMain ? "When main.main begins." : "At the end.",
        relations(this.atMain ?? this.relations()),
      ),
      this.switches(),
      this.table(),
    ];
    return `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>${escape(this.title)}</title>\n<style>${STYLE}</style>\n</head>\n<body>\n${DEFINITIONS}\n<main>\n${parts.join("\n")}\n</main>\n</body>\n</html>\n`;
  }

  private bootstrap(): string {
    const starts = new Map(CHAPTERS);
    const out: string[] = [];
    let rows: string[] = [];
    let title = "";
    const close = (): void => {
      if (rows.length)
        out.push(
          element("article", {}, element("h3", {}, escape(title)), element("ol", {}, ...rows), this.pictureOf(title)),
        );
      rows = [];
    };
    for (const step of this.steps) {
      const next = starts.get(step.event);
      if (next !== undefined && next !== title) {
        close();
        title = next;
        starts.delete(step.event);
      }
      rows.push(stepRow(step));
    }
    close();
    return out.length
      ? section("How it starts", "Each step with the time since the first instruction, and where it was seen.", ...out)
      : "";
  }

  private pictureOf(chapter: string): string {
    const get = (event: string): Values | undefined => this.firsts.get(event);
    const pictures: Readonly<Record<string, () => string | undefined>> = {
      "The kernel hands over": () => both(get("entry"), get("g0-stack"), firstStack),
      "TLS, g0 and m0": () => both(get("g0-m0-bound"), get("tls-set"), bindings),
      schedinit: () => get("procresize") && processors(Number(get("procresize")!["count"])),
      "The main goroutine is made": () => get("goroutine-created") && newStack(get("goroutine-created")!),
      "m0 looks for work": () => get("gogo") && stackSwitch(get("gogo")!),
    };
    const drawn = pictures[chapter]?.();
    return drawn ? element("figure", {}, drawn) : "";
  }

  private switches(): string {
    if (this.spans.length === 0) return "";
    const spans = this.spans.toSorted((a, b) => a.startUs - b.startUs);
    const startUs = spans.find(({ kind }) => kind === "running")?.startUs ?? spans[0]!.startUs;
    const endUs = this.missedSpans ? spans.reduce((last, span) => Math.max(last, span.endUs), 0) : this.lastUs;
    const ids = (track: Span["track"]): string[] =>
      [...new Set(spans.filter((span) => span.track === track).map(({ id }) => id))]
        .sort((a, b) => a - b)
        .map((id) => trackName({ track, id }));
    const goroutines = ids("goroutine");
    const notes = [
      goroutines.length > MOST_GOROUTINES
        ? `The first ${MOST_GOROUTINES} of ${goroutines.length} goroutines are shown.`
        : "",
      this.missedSpans ? `${this.missedSpans} later spans are left out; --perfetto has all.` : "",
    ];
    return section(
      "Who ran when",
      `Thick bars run, in the colour of the goroutine; thin ones wait (dark) or are runnable (light); below an M's bar are its system calls. ${notes.join(" ")}`,
      element(
        "figure",
        {},
        schedule(spans, [...ids("m"), ...ids("p"), ...goroutines.slice(0, MOST_GOROUTINES)], startUs, endUs),
      ),
    );
  }

  private table(): string {
    if (this.goroutines.size === 0) return "";
    const rows = [...this.goroutines]
      .slice(0, 200)
      .map(([goroutine, { function: name, caller, runs, state }]) =>
        element(
          "tr",
          {},
          element("td", {}, element("i", { style: `background:${colourOf(goroutine)}` }), `g${goroutine}`),
          element("td", { class: "mono" }, escape(name)),
          element("td", { class: "mono" }, escape(caller)),
          element("td", {}, String(runs)),
          element("td", {}, escape(state)),
        ),
      );
    const head = ["", "function", "made by", "times run", "at the end"].map((text) => element("th", {}, text));
    return section(
      "Goroutines",
      `${this.goroutines.size} were made.`,
      element("table", {}, element("tr", {}, ...head), ...rows),
    );
  }
}

const section = (title: string, what: string, ...content: readonly string[]): string =>
  element("section", {}, element("h2", {}, escape(title)), element("p", {}, escape(what)), ...content);

const both = (
  a: Values | undefined,
  b: Values | undefined,
  draw: (a: Values, b: Values) => string,
): string | undefined => a && b && draw(a, b);

const stepRow = ({ timeUs, function: name, pc, text, event, group }: TraceEvent): string =>
  element(
    "li",
    { class: group },
    element("time", {}, (timeUs / 1000).toFixed(3)),
    element("b", { title: `${event} at 0x${pc.toString(16)}` }, escape(name)),
    element("span", {}, escape(text)),
  );

/** The head of arrows, for all pictures. */
const DEFINITIONS =
  '<svg width="0" height="0" style="position:absolute"><defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" class="head"/></marker></defs></svg>';

const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1f2430;--soft:#667085;--edge:#d9dde3;--g:#cfe8ff;--g0:#ffe3c2;--m:#d9f2dc;--p:#eadcff;--kernel:#e6e8ec;--idle:#eef0f3;--accent:#2563eb}
@media(prefers-color-scheme:dark){:root{--bg:#14171d;--card:#1c2129;--ink:#e8eaee;--soft:#98a2b3;--edge:#343b47;--g:#1f4468;--g0:#6a4520;--m:#22512c;--p:#47336b;--kernel:#343a45;--idle:#2a303a;--accent:#7aa2ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:0 auto;padding:32px 24px 80px}
h1{margin:0;font-size:30px;letter-spacing:-.02em}
header p,section>p{color:var(--soft);margin:4px 0 16px}
section{margin-top:44px}
h2{margin:0;font-size:21px}
article{background:var(--card);border:1px solid var(--edge);border-radius:12px;margin:16px 0;padding:16px 20px;display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 32px}
article h3{grid-column:1/-1;margin:0 0 10px;font-size:16px;color:var(--accent)}
ol{list-style:none;margin:0;padding:0}
li{display:grid;grid-template-columns:70px 200px minmax(0,1fr);gap:12px;padding:4px 0 4px 14px;border-left:2px solid var(--edge);position:relative;font-size:14px}
li:before{content:"";position:absolute;left:-5px;top:11px;width:8px;height:8px;border-radius:50%;background:var(--accent)}
li.sched:before{background:var(--soft)}
time{color:var(--soft);text-align:right;font-variant-numeric:tabular-nums}
li b,.mono{font:13px/1.5 ui-monospace,monospace}
li b{font-weight:600;overflow-wrap:anywhere}
li span{overflow-wrap:anywhere}
figure{margin:0;overflow-x:auto}
article figure{width:410px}
section>figure,section>svg{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:16px}
svg{max-width:100%;height:auto;font:14px system-ui,sans-serif;fill:var(--ink)}
svg .mono{font:12px ui-monospace,monospace}svg .small{font-size:12px;fill:var(--soft)}svg .strong{font-weight:600}
svg rect,svg circle,svg path{stroke:var(--edge)}
.g{fill:var(--g)}.g0{fill:var(--g0)}.m{fill:var(--m)}.p{fill:var(--p)}.kernel{fill:var(--kernel)}.idle,.plain{fill:var(--idle)}
.line,.arrow,.tick{stroke:var(--soft);stroke-width:1.5}.tick{stroke-width:1}.grid{stroke:var(--edge)}
svg .head{fill:var(--soft);stroke:none}
svg rect.running{stroke:none}svg rect.waiting{fill:var(--soft);opacity:.55;stroke:none}svg rect.runnable{fill:var(--edge);stroke:none}svg rect.syscall{fill:#e11d48;stroke:none}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--edge);border-radius:12px}
td,th{text-align:left;padding:6px 14px;border-top:1px solid var(--edge)}th{color:var(--soft);font-weight:500;border:0}
td i{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:8px}
@media(max-width:900px){article{grid-template-columns:1fr}article figure{width:100%}li{grid-template-columns:70px 1fr}li span{grid-column:1/-1}}
`;
