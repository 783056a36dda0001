/** What `gojit trace --only` chooses from. */
export const GROUPS = ["bootstrap", "sched", "gc", "sys"] as const;
export type Group = (typeof GROUPS)[number];
