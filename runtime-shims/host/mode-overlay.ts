/** Permissions that a host has no place for, kept in memory by place and moved along with it. */
export class ModeOverlay {
  readonly #byPlace = new Map<string, number>();

  get(root: number, path: string): number | undefined {
    return this.#byPlace.get(`${root}:${path}`);
  }

  set(root: number, path: string, mode: number): void {
    this.#byPlace.set(`${root}:${path}`, mode);
  }

  remove(root: number, path: string): void {
    this.#byPlace.delete(`${root}:${path}`);
  }

  /** Follows a rename, of a directory with all that is below it. */
  move(oldRoot: number, oldPath: string, newRoot: number, newPath: string): void {
    const from = `${oldRoot}:${oldPath}`;
    const to = `${newRoot}:${newPath}`;
    if (from === to) return;
    this.#byPlace.delete(to);
    for (const [key, mode] of [...this.#byPlace]) {
      if (key !== from && !key.startsWith(`${from}/`)) continue;
      this.#byPlace.delete(key);
      this.#byPlace.set(to + key.slice(from.length), mode);
    }
  }
}
