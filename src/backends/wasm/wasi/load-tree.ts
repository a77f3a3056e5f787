import { CaissonError } from '../../../core/error.ts';
import type { WasiLimits } from './limits.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from './nodes.ts';
import type { WasiDirectory, WasiEntry } from './tree.ts';

/**
 * Makes nodes of what a caller handed in. A directory that is handed in twice, as a preopen and below another one,
 * is one directory.
 */
export class TreeLoader {
  readonly #limits: WasiLimits;
  readonly #known = new Map<WasiDirectory, DirectoryNode>();
  /** Directories whose entries are being read: meeting one again is a directory inside itself. */
  readonly #open = new Set<WasiDirectory>();
  readonly #nextInode: () => number;

  constructor(limits: WasiLimits, nextInode: () => number) {
    this.#limits = limits;
    this.#nextInode = nextInode;
  }

  /** @throws CaissonError `REQUEST_INVALID` for a name or a shape that no directory can have */
  directory(given: WasiDirectory, inherited = false, depth = 0): DirectoryNode {
    if (this.#open.has(given)) invalid('a directory lies inside itself');
    const known = this.#known.get(given);
    if (known !== undefined) return known;
    if (depth > this.#limits.depth) invalid(`more than ${this.#limits.depth} directories deep`);
    const writable = given.writable ?? inherited;
    const node = new DirectoryNode(this.#nextInode(), writable, given.modifiedNs ?? 0n);
    node.pinned = !writable;
    this.#known.set(given, node);
    this.#open.add(given);
    const { entries } = given;
    for (const [name, entry] of entries instanceof Map ? entries : Object.entries(entries)) {
      this.#checkName(name);
      const child = this.#entry(entry, writable, depth + 1);
      if (child.kind === 'directory' && child.parent !== undefined) {
        invalid(`the directory ${JSON.stringify(name)} lies in two places`);
      }
      if (child.kind !== 'directory') child.links += 1;
      node.pinned ||= child.pinned;
      node.add(name, child, true);
    }
    this.#open.delete(given);
    return node;
  }

  #entry(given: WasiEntry, inherited: boolean, depth: number): Node {
    if (given.kind === 'directory') return this.directory(given, inherited, depth);
    const inode = this.#nextInode();
    if (given.kind === 'symlink') {
      const link = new SymlinkNode(inode, inherited, 0n, given.target);
      const fits = link.targetBytes.length <= this.#limits.pathBytes && given.target !== '';
      if (!fits || given.target.includes('\0')) invalid('a symlink leads to no path');
      link.pinned = !inherited;
      return link;
    }
    const { content } = given;
    if (!(content instanceof Uint8Array) && !Number.isSafeInteger(content.size)) {
      invalid('a file has no size');
    }
    const writable = given.writable ?? inherited;
    const node = new FileNode(inode, writable, given.modifiedNs ?? 0n, content);
    node.pinned = !writable;
    return node;
  }

  #checkName(name: string): void {
    const named = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
    if (!named || !name.isWellFormed() || Buffer.byteLength(name) > this.#limits.nameBytes) {
      invalid(`${JSON.stringify(name)} cannot be a name in a directory`);
    }
  }
}

function invalid(message: string): never {
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'backends',
    message: `the files for a WASI guest: ${message}`,
  });
}
