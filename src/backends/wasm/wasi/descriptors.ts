import { type Errno, errno } from './errno.ts';
import type { FileSystem } from './file-system.ts';
import type { DirectoryNode, FileNode } from './nodes.ts';
import type { InputStream, OutputStream } from './streams.ts';

/** Bits of fdflags. Source: typenames.witx, `$fdflags`. */
export const descriptorFlag = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;
export const KNOWN_DESCRIPTOR_FLAGS = 31;

interface Common {
  flags: number;
  base: number;
  inheriting: number;
  /**
   * Nothing is changed through it, whatever its rights say, nor through what is opened by it. Not told by taking
   * rights away: libraries of languages ask for all of them when they open a file to read, and would be refused.
   */
  readonly readOnly: boolean;
}

export interface FileDescriptor extends Common {
  readonly kind: 'file';
  readonly node: FileNode;
  offset: number;
}

export interface DirectoryDescriptor extends Common {
  readonly kind: 'directory';
  readonly node: DirectoryNode;
  /** The path that the guest knows it by, where it was there from the start. */
  readonly preopen?: Uint8Array;
}

export interface StreamDescriptor extends Common {
  readonly kind: 'stream';
  readonly stream: InputStream | OutputStream;
}

export type Descriptor = FileDescriptor | DirectoryDescriptor | StreamDescriptor;

/** The open descriptors by number; a new one gets the lowest number that is free, as POSIX has it. */
export class DescriptorTable {
  readonly #limit: number;
  readonly #fileSystem: FileSystem;
  readonly #slots: (Descriptor | undefined)[] = [];
  #open = 0;

  constructor(limit: number, fileSystem: FileSystem) {
    this.#limit = limit;
    this.#fileSystem = fileSystem;
  }

  get(number: number): Descriptor | undefined {
    return this.#slots[number];
  }

  get full(): boolean {
    return this.#open >= this.#limit;
  }

  add(descriptor: Descriptor): { number: number } | Errno {
    if (this.full) return errno.mfile;
    // No more slots than the limit, so that looking for one is bounded by it.
    let number = this.#slots.indexOf(undefined);
    if (number < 0) number = this.#slots.length;
    this.#slots[number] = descriptor;
    this.#open += 1;
    if (descriptor.kind === 'file') descriptor.node.opened += 1;
    return { number };
  }

  close(number: number): Errno {
    const descriptor = this.#slots[number];
    if (descriptor === undefined) return errno.badf;
    this.#slots[number] = undefined;
    this.#open -= 1;
    if (descriptor.kind === 'file') {
      descriptor.node.opened -= 1;
      this.#fileSystem.release(descriptor.node);
    }
    return errno.success;
  }

  /** Both must be open: a number that was never given out cannot be taken. */
  renumber(from: number, to: number): Errno {
    const descriptor = this.#slots[from];
    if (descriptor === undefined || this.#slots[to] === undefined) return errno.badf;
    if (from === to) return errno.success;
    this.close(to);
    this.#slots[to] = descriptor;
    this.#slots[from] = undefined;
    return errno.success;
  }
}
