import { numbers } from "./shared";

export const load = async () => (await import("./lazy")).default();
export const total = numbers.reduce((sum, value) => sum + value, 0);
