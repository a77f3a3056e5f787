import { FileContent } from './file-content.ts';
import type { LazyBytes } from './tree.ts';

export interface Times {
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

/** What all things in a tree have. */
abstract class TreeNode {
  /** Serial number, from 1; all trees of one host are one device. */
  readonly inode: number;
  /** Whether content, names or times may be changed. */
  readonly writable: boolean;
  readonly times: Times;
  /** Not to be renamed, removed or replaced: it is, or it holds, something that may not be written. */
  pinned = false;

  constructor(inode: number, writable: boolean, timeNs: bigint) {
    this.inode = inode;
    this.writable = writable;
    this.times = { accessed: timeNs, modified: timeNs, changed: timeNs };
  }
}

export class FileNode extends TreeNode {
  readonly kind = 'file';
  readonly content: FileContent;
  /** Names in directories. */
  links = 0;
  /** Descriptors: a file without a name lives on while it is open. */
  opened = 0;
  /** Bytes that the file system charged for it; 0 while it is as it was handed in. */
  charged = 0;
  /** Whether the guest made or changed it. */
  dirty = false;

  constructor(inode: number, writable: boolean, timeNs: bigint, given: Uint8Array | LazyBytes) {
    super(inode, writable, timeNs);
    this.content = new FileContent(given);
  }
}

export class SymlinkNode extends TreeNode {
  readonly kind = 'symlink';
  readonly target: string;
  readonly targetBytes: Uint8Array;
  links = 0;
  charged = 0;

  constructor(inode: number, writable: boolean, timeNs: bigint, target: string) {
    super(inode, writable, timeNs);
    this.target = target;
    this.targetBytes = new TextEncoder().encode(target);
  }
}

export interface DirectoryEntry {
  readonly name: string;
  readonly node: Node;
  /** Where the next fd_readdir goes on; ascending in the order of making, never used twice. */
  readonly cookie: number;
  /** Handed in by the caller, not made by the guest. */
  readonly given: boolean;
}

/** Cookies 1 and 2 are for `.` and `..`. */
const FIRST_COOKIE = 3;

export class DirectoryNode extends TreeNode {
  readonly kind = 'directory';
  parent: DirectoryNode | undefined;
  /** No longer in any directory: nothing can be made in it. */
  removed = false;
  /** What the caller handed in, by name; what is missing from it now was removed. */
  readonly givenNames = new Map<string, Node>();
  readonly #byName = new Map<string, DirectoryEntry>();
  /** In the order of their cookies; undefined where an entry was removed. */
  #ordered: (DirectoryEntry | undefined)[] = [];
  #cookies: number[] = [];
  #nextCookie = FIRST_COOKIE;

  get size(): number {
    return this.#byName.size;
  }

  entries(): Iterable<DirectoryEntry> {
    return this.#byName.values();
  }

  get(name: string): DirectoryEntry | undefined {
    return this.#byName.get(name);
  }

  add(name: string, node: Node, given = false): void {
    const entry = { name, node, cookie: this.#nextCookie++, given };
    this.#byName.set(name, entry);
    this.#ordered.push(entry);
    this.#cookies.push(entry.cookie);
    if (given) this.givenNames.set(name, node);
    if (node.kind === 'directory') {
      node.parent = this;
      node.removed = false;
    }
  }

  delete(entry: DirectoryEntry): void {
    this.#byName.delete(entry.name);
    this.#ordered[this.#indexFrom(entry.cookie)] = undefined;
    if (this.#ordered.length > 64 && this.#ordered.length > 2 * this.#byName.size) {
      this.#ordered = this.#ordered.filter((kept) => kept !== undefined);
      this.#cookies = this.#ordered.map((kept) => kept?.cookie ?? 0);
    }
  }

  /** The entries whose cookie is greater, in order. */
  *after(cookie: number): Iterable<DirectoryEntry> {
    for (let index = this.#indexFrom(cookie + 1); index < this.#ordered.length; index++) {
      const entry = this.#ordered[index];
      if (entry !== undefined) yield entry;
    }
  }

  /** The first place whose cookie is not less. */
  #indexFrom(cookie: number): number {
    let low = 0;
    let high = this.#cookies.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cookies[middle] ?? 0) < cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export type Node = FileNode | DirectoryNode | SymlinkNode;
