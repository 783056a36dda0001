/** Texts of HTML and SVG. */

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text as it stands in HTML. */
export const escape = (text: string | number): string => String(text).replace(/[&<>"]/g, (char) => ENTITIES[char]!);

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element with attributes; its content is markup. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(value!)}"`);
  return `<${name}${list.join("")}>${content.join("")}</${name}>`;
}

/** A line of SVG text. */
export const label = (x: number, y: number, text: string, attributes: Attributes = {}): string =>
  element("text", { x, y, ...attributes }, escape(text));

/** A picture of this size that takes part in the page's colours. */
export const picture = (width: number, height: number, title: string, ...content: readonly string[]): string =>
  element(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    element("title", {}, escape(title)),
    ...content,
  );
