export enum Colour {
  Red = 1,
  Green = Red << 1,
  Blue = Green << 1,
  All = Red | Green | Blue,
}

export namespace Shapes {
  export const sides = { triangle: 3, square: 4 };
  export function area(width: number, height = width): number {
    return width * height;
  }
}

export abstract class Animal<Sound extends string = string> {
  static count = 0;
  constructor(
    readonly name: string,
    protected sound?: Sound,
  ) {
    Animal.count++;
  }
  abstract legs(): number;
  get text(): string {
    return `${this.name} says ${this.sound ?? "nothing"} on ${this.legs()} legs — “ünï”, \u{1F600}`;
  }
}

export type Pair<A, B = A> = [A, B?];

export function swap<A, B>([first, second]: [A, B]): [B, A] {
  return [second, first];
}

export const numbers = [0, -0, 1e21, 1e-7, 0x7fffffff, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1 / 3];
