import type { WasiClock } from './clock.ts';
import { type Errno, errno } from './errno.ts';
import type { WasiLimits } from './limits.ts';
import { TreeLoader } from './load-tree.ts';
import { type DirectoryEntry, DirectoryNode, FileNode, type Node, SymlinkNode } from './nodes.ts';
import type { Found } from './resolve-path.ts';
import type { WasiDirectory } from './tree.ts';

const NO_BYTES = new Uint8Array(0);

/**
 * Changes trees, and keeps account of what they hold: bytes, names and depth. Knows nothing of descriptors and
 * rights. Every change answers with an error number, 0 for success.
 */
export class FileSystem {
  readonly #clock: WasiClock;
  readonly #limits: WasiLimits;
  readonly #loader: TreeLoader;
  readonly #charge: (units: number) => void;
  #lastInode = 0;
  #bytes = 0;
  #entries = 0;

  constructor(clock: WasiClock, limits: WasiLimits, charge: (units: number) => void) {
    this.#clock = clock;
    this.#charge = charge;
    this.#limits = limits;
    this.#loader = new TreeLoader(limits, () => ++this.#lastInode);
  }

  load(given: WasiDirectory): DirectoryNode {
    return this.#loader.directory(given);
  }

  now(): bigint {
    return this.#clock.now('realtime') ?? 0n;
  }

  createFile(at: Found): FileNode | Errno {
    const refusal = this.#roomFor(at);
    if (refusal !== errno.success) return refusal;
    const node = new FileNode(++this.#lastInode, true, this.now(), NO_BYTES);
    node.dirty = true;
    this.#add(at.directory, at.name, node);
    return node;
  }

  createDirectory(at: Found): Errno {
    const refusal = this.#roomFor(at);
    if (refusal !== errno.success) return refusal;
    if (depthOf(at.directory) + 1 > this.#limits.depth) return errno.nametoolong;
    this.#add(at.directory, at.name, new DirectoryNode(++this.#lastInode, true, this.now()));
    return errno.success;
  }

  createSymlink(at: Found, target: string): Errno {
    const refusal = slashRefuses(at) || this.#roomFor(at);
    if (refusal !== errno.success) return refusal;
    const node = new SymlinkNode(++this.#lastInode, true, this.now(), target);
    if (this.#bytes + node.targetBytes.length > this.#limits.fileBytes) return errno.nospc;
    node.charged = node.targetBytes.length;
    this.#bytes += node.charged;
    this.#add(at.directory, at.name, node);
    return errno.success;
  }

  link(node: Node, at: Found): Errno {
    const refusal = slashRefuses(at) || this.#roomFor(at);
    if (refusal !== errno.success) return refusal;
    if (node.kind === 'directory') return errno.perm;
    // A second name in a place that may be written would let what is read-only be moved about.
    if (node.pinned) return errno.xdev;
    node.times.changed = this.now();
    this.#add(at.directory, at.name, node);
    return errno.success;
  }

  unlink(at: Found): Errno {
    const { node } = at;
    if (node === undefined) return errno.noent;
    if (node.kind === 'directory') return errno.isdir;
    if (at.slash) return errno.notdir;
    const refusal = mayRemove(at.directory, node);
    if (refusal === errno.success) this.#drop(at.directory, at.name);
    return refusal;
  }

  removeDirectory(at: Found): Errno {
    const { node } = at;
    if (node === undefined) return errno.noent;
    if (at.name === '') return errno.inval;
    if (node.kind !== 'directory') return errno.notdir;
    const refusal = mayRemove(at.directory, node);
    if (refusal !== errno.success) return refusal;
    if (node.size > 0) return errno.notempty;
    this.#drop(at.directory, at.name);
    return errno.success;
  }

  rename(from: Found, to: Found): Errno {
    const { node } = from;
    if (from.name === '' || to.name === '') return errno.busy;
    if (node === undefined) return errno.noent;
    if (node.kind !== 'directory' && (from.slash || to.slash)) return errno.notdir;
    if (node.kind === 'directory' && isWithin(to.directory, node)) return errno.inval;
    if (to.node?.kind === 'directory' && isWithin(from.directory, to.node)) return errno.notempty;
    if (node === to.node) return errno.success;
    const refusal = mayRemove(from.directory, node) || this.#mayReplace(node, to);
    if (refusal !== errno.success) return refusal;
    if (node.kind === 'directory') {
      const depth = depthOf(to.directory) + this.#heightOf(node);
      if (depth > this.#limits.depth) return errno.nametoolong;
    }
    const entry = from.directory.get(from.name);
    const freed = [entry, to.directory.get(to.name)].filter((old) => old && !old.given).length;
    if (this.#entries - freed + 1 > this.#limits.entries) return errno.nospc;
    if (to.node !== undefined) this.#drop(to.directory, to.name);
    if (entry !== undefined) this.#remove(from.directory, entry);
    if (node.kind !== 'directory') node.links -= 1;
    this.#add(to.directory, to.name, node);
    node.times.changed = this.now();
    return errno.success;
  }

  /** @returns how many bytes were written; fewer than given where the limit comes first */
  write(file: FileNode, offset: number, source: Uint8Array): { written: number } | Errno {
    if (!file.writable) return errno.rofs;
    if (source.length === 0) return { written: 0 };
    const largest = this.#limits.fileBytes - this.#bytes + file.charged;
    const length = Math.min(source.length, largest - offset);
    if (offset >= this.#limits.fileBytes) return errno.fbig;
    if (length <= 0) return errno.nospc;
    const refusal = this.#account(file, Math.max(file.content.size, offset + length));
    if (refusal !== errno.success) return refusal;
    file.content.write(offset, source.subarray(0, length));
    this.#touch(file);
    return { written: length };
  }

  resize(file: FileNode, size: number): Errno {
    if (!file.writable) return errno.rofs;
    if (size > this.#limits.fileBytes) return errno.fbig;
    const refusal = this.#account(file, size);
    if (refusal !== errno.success) return refusal;
    file.content.resize(size);
    this.#touch(file);
    return errno.success;
  }

  /** To be called when the last use may have gone: what a file without names and descriptors took is free again. */
  release(node: FileNode | SymlinkNode): void {
    if (node.links > 0 || (node.kind === 'file' && node.opened > 0)) return;
    this.#bytes -= node.charged;
    node.charged = 0;
  }

  #account(file: FileNode, size: number): Errno {
    if (this.#bytes + size - file.charged > this.#limits.fileBytes) return errno.nospc;
    this.#bytes += size - file.charged;
    file.charged = size;
    file.dirty = true;
    return errno.success;
  }

  #roomFor(at: Found): Errno {
    if (at.node !== undefined) return errno.exist;
    if (!at.directory.writable) return errno.rofs;
    if (at.directory.removed) return errno.noent;
    return this.#entries < this.#limits.entries ? errno.success : errno.nospc;
  }

  #mayReplace(node: Node, to: Found): Errno {
    const old = to.node;
    if (!to.directory.writable) return errno.rofs;
    if (to.directory.removed) return errno.noent;
    if (old === undefined) return errno.success;
    if (old.kind === 'directory') {
      if (node.kind !== 'directory') return errno.isdir;
      return mayRemove(to.directory, old) || (old.size > 0 ? errno.notempty : errno.success);
    }
    return node.kind === 'directory' ? errno.notdir : mayRemove(to.directory, old);
  }

  #add(directory: DirectoryNode, name: string, node: Node): void {
    directory.add(name, node);
    this.#entries += 1;
    if (node.kind !== 'directory') node.links += 1;
    this.#touch(directory);
  }

  #drop(directory: DirectoryNode, name: string): void {
    const entry = directory.get(name);
    if (entry === undefined) return;
    this.#remove(directory, entry);
    const { node } = entry;
    node.times.changed = this.now();
    if (node.kind === 'directory') {
      node.parent = undefined;
      node.removed = true;
      return;
    }
    node.links -= 1;
    this.release(node);
  }

  #remove(directory: DirectoryNode, entry: DirectoryEntry): void {
    directory.delete(entry);
    if (!entry.given) this.#entries -= 1;
    this.#touch(directory);
  }

  /** Levels of directories, itself included. */
  #heightOf(directory: DirectoryNode): number {
    let height = 0;
    for (let level = [directory]; level.length > 0; height += 1) {
      this.#charge(level.reduce((sum, { size }) => sum + size, 1));
      level = level.flatMap((each) =>
        [...each.entries()].map(({ node }) => node).filter((node) => node.kind === 'directory'),
      );
    }
    return height;
  }

  #touch(node: Node): void {
    node.times.modified = this.now();
    node.times.changed = node.times.modified;
  }
}

function mayRemove(directory: DirectoryNode, node: Node): Errno {
  if (!directory.writable || !node.writable) return errno.rofs;
  return node.pinned ? errno.busy : errno.success;
}

function depthOf(directory: DirectoryNode): number {
  let depth = 0;
  for (let above = directory.parent; above !== undefined; above = above.parent) depth += 1;
  return depth;
}

/** A slash asks for a directory, and this is to become none. */
function slashRefuses(at: Found): Errno {
  if (!at.slash) return errno.success;
  if (at.node === undefined) return errno.noent;
  return at.node.kind === 'directory' ? errno.success : errno.notdir;
}

function isWithin(directory: DirectoryNode, ancestor: DirectoryNode): boolean {
  for (let at: DirectoryNode | undefined = directory; at !== undefined; at = at.parent) {
    if (at === ancestor) return true;
  }
  return false;
}
