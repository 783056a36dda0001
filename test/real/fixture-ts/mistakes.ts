import { Colour, swap, type Pair } from "./shared";

const colour: Colour = "red";
const pair: Pair<string> = [1, 2, 3];
export const [text] = swap([1, "a"]).map((value) => value.toUpperCase());
export function missing(x): number {}
type Deep<T> = T extends (infer U)[] ? Deep<U> : { [K in keyof T]: T[K] };
export const deep: Deep<{ a: string }[][]> = { a: 1, b: 2 };
console.log(colour, pair, unknownName);
