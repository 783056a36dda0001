import { ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "./errno.js";
import { filesHeader, NAME_MAX, PATH_MAX, STORED_PATH_BYTES } from "./files-layout.js";
import { FileStat, type HostFiles, S_IFDIR, S_IFLNK, S_IFMT } from "./host/types.js";
import type { MountTree, TreeNode } from "./mounts.js";
import { encodeName } from "./names.js";
import { filesHeaderWord } from "./open-files.js";

/** Paths with empty, `.` or `..` components, or a trailing slash. */
const UNCLEAN = /\/\.{0,2}(\/|$)/;
/** Directories that are remembered before all are forgotten. */
const MAX_PARENTS = 4096;
const MAX_PLAIN = 65536;
/** Links followed in one resolution before ELOOP. */
const MAX_LINKS = 40;

/** How the last component was written, which some calls treat apart. */
export type LastComponent = "name" | "dot" | "dotdot" | "root";

/** Where a path leads. Filled by `PathResolver.resolve`; reused between calls. */
export class Resolution {
  /** Canonical guest path: absolute, no links, no `.`, no `..`. */
  path = "/";
  /** Mount that holds it, or −1 for the skeleton of guest space. */
  mount = -1;
  /** Path relative to the mount. */
  relative = "";
  /** The node of the skeleton at this path, if there is one. */
  node: TreeNode | undefined = undefined;
  /** Whether anything is there; if so `stat` describes it. */
  exists = false;
  last: LastComponent = "name";
  /** The path ended in a slash, so only a directory will do. */
  trailingSlash = false;
  readonly stat = new FileStat();

  get isDirectory(): boolean {
    return (this.stat.mode & S_IFMT) === S_IFDIR;
  }

  get isLink(): boolean {
    return (this.stat.mode & S_IFMT) === S_IFLNK;
  }
}

/** A directory on the way. */
interface Place {
  readonly path: string;
  readonly mount: number;
  readonly relative: string;
  readonly node: TreeNode | undefined;
}

/**
 * Resolves guest paths component by component in guest space: links and `..` never leave it, whatever the host's
 * directories contain. The caller holds the tree lock from here to the end of the operation on the result.
 */
export class PathResolver {
  readonly #tree: MountTree;
  readonly #host: HostFiles;
  readonly #words: Int32Array;
  /** Fills the attributes of a place in the skeleton; 0 or −errno. */
  readonly #statNode: (node: TreeNode, out: FileStat) => number;
  /** Target of a synthetic link to follow; undefined when it leads to an open file without a path. */
  readonly #linkTarget: (node: TreeNode) => string | undefined;
  /** Called when a path leads to a place that no mount covers. */
  readonly #refused: (path: string) => void;
  /** Directories (mount:relative) known to be no links, while the epoch stands. */
  readonly #plain = new Set<string>();
  /** Directories by lexical path that lead to themselves, while the epoch stands. */
  readonly #parents = new Map<string, Place>();
  #plainEpoch = -1;

  constructor(
    tree: MountTree,
    host: HostFiles,
    words: Int32Array,
    statNode: (node: TreeNode, out: FileStat) => number,
    linkTarget: (node: TreeNode) => string | undefined,
    refused: (path: string) => void,
  ) {
    this.#tree = tree;
    this.#host = host;
    this.#words = words;
    this.#statNode = statNode;
    this.#linkTarget = linkTarget;
    this.#refused = refused;
  }

  /**
   * @param base canonical guest path that a relative `path` starts from
   * @param follow whether a link in the last component is followed; a trailing slash follows it too
   * @param out receives the place, existing or not
   * @param nameOnly the call acts on the name itself (mkdir, unlink, rename): a trailing slash does not follow a link
   * and is left to the caller
   * @returns 0 when the directory that holds the last component exists, else −errno. A missing last component is no
   * error here: see `out.exists`.
   */
  resolve(base: string, path: string, follow: boolean, out: Resolution, nameOnly = false): number {
    if (isLonger(path, PATH_MAX)) return -ENAMETOOLONG;
    if (path === "") return -ENOENT;
    const status = this.#find(base, path, follow, out, nameOnly);
    return status === 0 && isLonger(out.path, STORED_PATH_BYTES) ? -ENAMETOOLONG : status;
  }

  #find(base: string, path: string, follow: boolean, out: Resolution, nameOnly: boolean): number {
    this.#checkEpoch();
    const lexical = path.startsWith("/") ? path : base === "/" ? `/${path}` : `${base}/${path}`;
    const slash = UNCLEAN.test(lexical) ? -1 : lexical.lastIndexOf("/");
    const parent = slash < 0 ? undefined : this.#parents.get(lexical.slice(0, slash));
    if (parent !== undefined) {
      const status = this.#resolveIn(parent, lexical.slice(slash + 1), follow, out);
      if (status !== undefined) return status;
    }
    const status = this.#walk(base, path, follow, out, nameOnly);
    // No link was on the way: next time the directory is known.
    if (status === 0 && slash >= 0 && out.path === lexical && out.last === "name") {
      this.#remember(lexical.slice(0, slash), out);
    }
    return status;
  }

  /** Resolves a name in a directory that is known. Undefined when it is a link to follow or does not fit. */
  #resolveIn(parent: Place, name: string, follow: boolean, out: Resolution): number | undefined {
    if (name.length * 3 > NAME_MAX) return undefined;
    const child = childOf(parent, name);
    const status = this.#stat(child, out.stat);
    if (status < 0 && status !== -ENOENT) return undefined;
    if (status === 0 && follow && (out.stat.mode & S_IFMT) === S_IFLNK) return undefined;
    this.#settle(child, out);
    out.exists = status === 0;
    out.last = "name";
    out.trailingSlash = false;
    if (!out.exists && child.mount < 0) this.#refused(child.path);
    return 0;
  }

  /** Notes the directory that holds what was just resolved. */
  #remember(parent: string, out: Resolution): void {
    const inner = out.relative.lastIndexOf("/");
    const node = this.#tree.find(parent);
    // Only inside one mount: what lies on its border is found the long way.
    if (out.mount < 0 || (inner < 0 && node?.mount !== out.mount)) return;
    if (this.#parents.size >= MAX_PARENTS) this.#parents.clear();
    this.#parents.set(parent, {
      path: parent,
      mount: out.mount,
      relative: out.relative.slice(0, Math.max(0, inner)),
      node,
    });
  }

  #walk(base: string, path: string, follow: boolean, out: Resolution, nameOnly: boolean): number {
    out.trailingSlash = path.endsWith("/");
    let stack: Place[] = [this.#rootPlace()];
    if (!path.startsWith("/")) {
      const failure = this.#descend(stack, base, out.stat);
      if (failure !== 0) return failure;
    }
    let pending = splitPath(path);
    out.last = pending.length === 0 ? "root" : "name";
    let links = 0;
    /** The component that a link of /proc/self/fd leads to: the open file itself, also where that is a link (O_PATH). */
    let landing = -1;
    for (let i = 0; i < pending.length; i++) {
      const name = pending[i];
      const final = i === pending.length - 1;
      const place = stack[stack.length - 1];
      if (name === ".") {
        if (final) out.last = "dot";
        continue;
      }
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        if (final) out.last = "dotdot";
        continue;
      }
      if (isLonger(name, NAME_MAX + 1)) return -ENAMETOOLONG;
      const child = childOf(place, name);
      if (!final && this.#isPlain(child)) {
        stack.push(child);
        continue;
      }
      const status = this.#stat(child, out.stat);
      if (status === -ENOENT && final) {
        this.#settle(child, out);
        out.exists = false;
        out.last = "name";
        if (child.mount < 0) this.#refused(child.path);
        return 0;
      }
      if (status < 0) {
        if (status === -ENOENT && child.mount < 0) this.#refused([child.path, ...pending.slice(i + 1)].join("/"));
        return status;
      }
      const type = out.stat.mode & S_IFMT;
      if (type === S_IFLNK && i !== landing && (!final || follow || (out.trailingSlash && !nameOnly))) {
        if (++links > MAX_LINKS) return -ELOOP;
        const target = this.#readlink(child);
        if (target === undefined) {
          // A link of /proc/self/fd to something that has no path leads to the open file itself.
          if (!final) return -ENOTDIR;
          this.#settle(child, out);
          out.exists = true;
          out.last = "name";
          return 0;
        }
        if (typeof target === "number") return target;
        if (target === "") return -ENOENT;
        if (final && target.endsWith("/")) out.trailingSlash = true;
        const inner = splitPath(target);
        landing = child.node?.synthetic?.kind === "fd" ? inner.length - 1 : -1;
        pending = [...inner, ...pending.slice(i + 1)];
        i = -1;
        if (target.startsWith("/")) stack = [this.#rootPlace()];
        if (pending.length === 0) out.last = "root";
        continue;
      }
      if (final) {
        this.#settle(child, out);
        out.exists = true;
        out.last = "name";
        return out.trailingSlash && type !== S_IFDIR && !nameOnly ? -ENOTDIR : 0;
      }
      if (type !== S_IFDIR) return -ENOTDIR;
      if (child.mount >= 0) this.#notePlain(child);
      stack.push(child);
    }
    const place = stack[stack.length - 1];
    this.#settle(place, out);
    const status = this.#stat(place, out.stat);
    if (status < 0) return status;
    out.exists = true;
    return 0;
  }

  /** Notes that a directory or link may have been replaced, in every Worker. */
  changed(): void {
    Atomics.add(this.#words, filesHeaderWord(filesHeader.treeEpoch), 1);
  }

  #checkEpoch(): void {
    const epoch = Atomics.load(this.#words, filesHeaderWord(filesHeader.treeEpoch));
    if (epoch === this.#plainEpoch) return;
    this.#plain.clear();
    this.#parents.clear();
    this.#plainEpoch = epoch;
  }

  #rootPlace(): Place {
    return { path: "/", mount: this.#tree.root.mount, relative: "", node: this.#tree.root };
  }

  /**
   * Goes down a canonical path. A component that is no directory any more was removed and something else took its
   * name: to the guest that is a removed directory.
   */
  #descend(stack: Place[], path: string, stat: FileStat): number {
    for (const name of splitPath(path)) {
      const child = childOf(stack[stack.length - 1], name);
      stack.push(child);
      if (this.#isPlain(child)) continue;
      const status = this.#stat(child, stat);
      if (status < 0) return status;
      if ((stat.mode & S_IFMT) !== S_IFDIR) return -ENOENT;
      if (child.mount >= 0) this.#notePlain(child);
    }
    return 0;
  }

  #notePlain(place: Place): void {
    if (this.#plain.size >= MAX_PLAIN) this.#plain.clear();
    this.#plain.add(plainKey(place));
  }

  /** Whether a place is known to be a directory: a part of the skeleton, or seen since the last change. */
  #isPlain(place: Place): boolean {
    if (place.mount >= 0) return this.#plain.has(plainKey(place));
    return place.node !== undefined && place.node.synthetic === undefined;
  }

  #stat(place: Place, out: FileStat): number {
    if (place.mount >= 0) {
      const status = this.#host.statAt(place.mount, place.relative, out);
      // A directory that only leads to a nested mount need not exist in the outer one.
      return status === -ENOENT && place.node !== undefined ? this.#statNode(place.node, out) : status;
    }
    return place.node === undefined ? -ENOENT : this.#statNode(place.node, out);
  }

  #readlink(place: Place): string | number | undefined {
    if (place.mount >= 0) return this.#host.readlinkAt(place.mount, place.relative);
    return place.node === undefined ? -ENOENT : this.#linkTarget(place.node);
  }

  #settle(place: Place, out: Resolution): void {
    out.path = place.path;
    out.mount = place.mount;
    out.relative = place.relative;
    out.node = place.node;
  }
}

/**
 * The directory and the name of a canonical path, for `resolve`: the whole may be longer than a path that a guest
 * gives.
 */
export const splitCanonical = (path: string): readonly [base: string, name: string] => {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash) || "/", path.slice(slash + 1) || "."];
};

const splitPath = (path: string): string[] => path.split("/").filter((name) => name !== "");

const plainKey = (place: Place): string => `${place.mount}:${place.relative}`;

const childOf = (place: Place, name: string): Place => {
  const path = place.path === "/" ? `/${name}` : `${place.path}/${name}`;
  const node =
    place.node === undefined ? undefined : (place.node.children.get(name) ?? place.node.dynamic?.child(name));
  if (node !== undefined && node.mount >= 0) return { path, mount: node.mount, relative: "", node };
  if (node?.synthetic !== undefined) return { path, mount: -1, relative: "", node };
  if (place.mount < 0) return { path, mount: -1, relative: "", node };
  return { path, mount: place.mount, relative: place.relative === "" ? name : `${place.relative}/${name}`, node };
};

/** Whether a name, with the NUL behind it, needs more than so many bytes. */
const isLonger = (name: string, bytes: number): boolean =>
  name.length >= bytes || (name.length * 3 >= bytes && encodeName(name).length >= bytes);
