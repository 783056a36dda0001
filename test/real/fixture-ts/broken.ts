import { absent } from "./shared";
import nothing from "./no-such-file";

export const value: number = "text";
export const twice = absent(nothing);
const value = 1;
export function f( { return 1 }
