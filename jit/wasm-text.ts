/** WebAssembly text as Binaryen prints it, one node a line, read back and folded to lines that people can read. */

/** An S-expression. `mark` is the number that `WasmBuilder.mark` gave it, -1 if none. */
export interface TextNode {
  /** The words up to the first child, such as `i64.store $c offset=8`; alignment, which is never assumed, left out. */
  readonly head: string;
  readonly children: readonly TextNode[];
  readonly mark: number;
}

/** One printed line with the mark that holds for it. */
export interface TextLine {
  readonly text: string;
  readonly mark: number;
}

const TOKEN = /;;@ \w+:(\d+):\d+[^\n]*|;;[^\n]*|[()]|"[^"]*"|[^\s()]+/g;

/** Reads one module's text. */
export function parseWasmText(text: string): TextNode {
  const root: DraftNode = { words: [], children: [], mark: -1 };
  const stack = [root];
  let mark = -1;
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    if (token.startsWith(";;")) {
      // Marks are line numbers that count from 1: see WasmBuilder.mark.
      if (match[1] !== undefined) mark = Number(match[1]) - 1;
    } else if (token === "(") {
      const node: DraftNode = { words: [], children: [], mark };
      mark = -1;
      stack[stack.length - 1]!.children.push(node);
      stack.push(node);
    } else if (token === ")") stack.pop();
    else stack[stack.length - 1]!.words.push(token);
  }
  return finish(root.children[0]!);
}

interface DraftNode {
  readonly words: string[];
  readonly children: DraftNode[];
  readonly mark: number;
}

const finish = (node: DraftNode): TextNode => ({
  head: node.words.filter((word) => word !== "align=1").join(" "),
  children: node.children.map(finish),
  mark: node.mark,
});

/** Every function of a module by its name, without the `$`. */
export function functionsOf(module: TextNode): Map<string, TextNode> {
  const functions = module.children.filter(({ head }) => head.startsWith("func $"));
  return new Map(functions.map((node) => [node.head.split(" ")[1]!.slice(1), node]));
}

/** The body of a function: its children without type, parameters, results and locals. */
export const bodyOf = (node: TextNode): readonly TextNode[] =>
  node.children.filter(({ head }) => !/^(type|param|result|local|export|import)( |$)/.test(head));

const STRUCTURE = /^(block|loop|if|then|else)\b/;

/** How often each operation occurs in `nodes`, structure (`block`, `loop`, `then`, `else`) left out. */
export function countOperations(
  nodes: readonly TextNode[],
  counts: Map<string, number> = new Map(),
): Map<string, number> {
  for (const { head, children } of nodes) {
    if (!/^(block|loop|then|else|type|result)\b/.test(head)) {
      // Memory accesses are told apart by their memory.
      const name = head
        .replace(/^(\S+\.(?:load|store)\S*|\S+\.atomic\S*) \$(\w+).*/, "$1 $$$2")
        .replace(/ (?!\$[gc]$).*/, "");
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    countOperations(children, counts);
  }
  return counts;
}

/** Prints `nodes`: what fits in `width` columns on one line, everything else with its children indented by one. */
export function foldLines(nodes: readonly TextNode[], width: number): TextLine[] {
  const out: TextLine[] = [];
  const print = (node: TextNode, indent: number): void => {
    const mark = node.mark >= 0 ? node.mark : firstMark(node);
    const pad = " ".repeat(indent);
    const line = flat(node);
    const structured = STRUCTURE.test(node.head) && node.children.some((child) => hasStructure(child));
    if (!structured && indent + line.length <= width) {
      out.push({ text: pad + line, mark });
      return;
    }
    out.push({ text: `${pad}(${node.head}`, mark });
    for (const child of node.children) print(child, indent + 1);
    out.push({ text: `${pad})`, mark: -1 });
  };
  for (const node of nodes) print(node, 0);
  return out;
}

const flat = ({ head, children }: TextNode): string =>
  children.length ? `(${head} ${children.map(flat).join(" ")})` : `(${head})`;

function hasStructure(node: TextNode): boolean {
  return /^(block|loop|if)\b/.test(node.head) || node.children.some(hasStructure);
}

/** The mark of the first marked node in evaluation order below `node`, arms of structure left out. */
function firstMark(node: TextNode): number {
  if (/^(block|loop|then|else)\b/.test(node.head)) return -1;
  for (const child of node.children) {
    const mark = child.mark >= 0 ? child.mark : firstMark(child);
    if (mark >= 0) return mark;
  }
  return -1;
}
