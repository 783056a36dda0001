/** How a thread goes on after a system call or a signal. */
export type Outcome = typeof CONTINUE | typeof REPLACED | typeof ENDED;
export const CONTINUE = 0;
/** The context was replaced: go on at cpu.rip through the dispatcher. */
export const REPLACED = 1;
/** The thread has ended, or has left its Worker: return from its dispatcher. */
export const ENDED = 2;

/** Results of a system call body that stand for an outcome instead of a value; below every errno and restart code. */
export const CONTEXT_REPLACED = -0x10000;
export const THREAD_ENDED = -0x10001;
/** The thread gives up its Worker, and goes on with the call when it has one again. */
export const THREAD_LEAVES = -0x10002;
