/** What the fixture's JSX becomes: a tree of plain objects. */
export interface Element {
  tag: string;
  props: { [name: string]: unknown };
  children: (Element | string)[];
}

declare global {
  namespace JSX {
    type Element = import("./h").Element;
    interface IntrinsicElements {
      [tag: string]: { [name: string]: unknown };
    }
  }
}

export const Fragment = "fragment";

export function h(tag: string | ((props: any) => Element), props: any, ...children: (Element | string)[]): Element {
  return typeof tag === "function" ? tag({ ...props, children }) : { tag, props: props || {}, children };
}
