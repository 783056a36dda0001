import { Colour, swap } from "./shared";

export default async function lazily(): Promise<string> {
  const [second, first] = swap([Colour[Colour.Red], "lazy"]);
  return `${first}, ${second}`;
}
