import type { Synthetic } from "./synthetic.js";

/** A host directory (or single file) in guest space. Its index in the mount list is its root for HostFiles. */
export interface Mount {
  /** Absolute guest path without a trailing slash; "/" for the whole tree. */
  readonly guest: string;
  readonly readOnly: boolean;
}

/** A place in guest space that does not come from a host directory, or where one begins. */
export interface TreeNode {
  readonly path: string;
  readonly children: Map<string, TreeNode>;
  /** Children that come and go, as in /proc/self/fd. */
  dynamic: DynamicChildren | undefined;
  /** Mount that begins here, or −1. */
  mount: number;
  /** What stands here when it is no directory. */
  synthetic: Synthetic | undefined;
}

export interface DynamicChildren {
  child(name: string): TreeNode | undefined;
  list(): string[];
}

/** A node of the skeleton. */
export const newNode = (path: string, synthetic?: Synthetic): TreeNode => ({
  path,
  children: new Map(),
  dynamic: undefined,
  mount: -1,
  synthetic,
});

/**
 * The fixed skeleton of guest space: the mounts, the synthetic files, and the directories that lead to them.
 * Everything else is either inside a mount or does not exist.
 */
export class MountTree {
  readonly root: TreeNode = newNode("/");
  readonly mounts: readonly Mount[];

  constructor(mounts: readonly Mount[], synthetics: readonly Synthetic[]) {
    this.mounts = mounts;
    mounts.forEach((mount, index) => {
      this.#node(mount.guest).mount = index;
    });
    for (const synthetic of synthetics) {
      const node = this.#node(synthetic.path);
      node.synthetic = synthetic;
      if (synthetic.kind === "directory") node.dynamic = synthetic.dynamic;
    }
  }

  /** The node at a canonical path, or undefined. */
  find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const name of path.split("/")) {
      if (name !== "") node = node?.children.get(name) ?? node?.dynamic?.child(name);
    }
    return node;
  }

  /** Path relative to a mount of a canonical guest path inside it. */
  relative(mount: number, path: string): string {
    const { guest } = this.mounts[mount];
    return path.slice(guest === "/" ? 1 : guest.length + 1);
  }

  #node(path: string): TreeNode {
    let node = this.root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      let child = node.children.get(name);
      if (child === undefined) {
        child = newNode(node.path === "/" ? `/${name}` : `${node.path}/${name}`);
        node.children.set(name, child);
      }
      node = child;
    }
    return node;
  }
}
