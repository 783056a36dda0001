import { Fragment, h } from "./h";
import { Animal, Colour, numbers, Shapes } from "./shared";
import data from "./data.json";

class Bird extends Animal<"tweet"> {
  legs() {
    return 2;
  }
}

const Item = (props: { label: string; children?: unknown[] }) => (
  <li data-label={props.label} hidden>
    {props.label} &amp; {String(props.children)}
  </li>
);

export const view = (
  <>
    <ul class="list" style={{ color: Colour[Colour.Blue] }}>
      <Item label="one" />
      <Item {...{ label: "two" }}>text with "quotes" and spaces</Item>
    </ul>
    {Shapes.sides.square}
  </>
);

export function* squares(limit: number) {
  outer: for (let i = 0; ; i++) {
    for (const divisor of [2, 3]) {
      if (i % divisor === 0) continue outer;
      if (i > limit) return;
    }
    yield i ** 2;
  }
}

export const summary = {
  animal: new Bird("robin", "tweet").text,
  pattern: /^(?<year>\d{4})-[^/\]]+$/u.test("2020-x"),
  largest: Math.max(...numbers),
  area: Shapes.area(3),
  data: data?.list.length ?? -1,
  never: false ? "dropped" : void 0,
};
