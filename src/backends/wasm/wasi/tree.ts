/**
 * What a caller hands in as a guest's files. Whether something may be written is inherited from the directory that
 * it lies in, and false where nobody said so.
 */

interface Common {
  readonly writable?: boolean;
  /** Last change, nanoseconds since 1970; default 0. */
  readonly modifiedNs?: bigint;
}

export interface WasiDirectory extends Common {
  readonly kind: 'directory';
  readonly entries: Readonly<Record<string, WasiEntry>> | ReadonlyMap<string, WasiEntry>;
}

/** Bytes that are read when the guest first reads them. */
export interface LazyBytes {
  readonly size: number;
  /** Must return `size` bytes. Where it throws or returns another number, the guest gets EIO and `faults` tells. */
  readonly load: () => Uint8Array;
}

export interface WasiFile extends Common {
  readonly kind: 'file';
  /** Not copied, and never written to: what the guest writes goes to pages of its own. */
  readonly content: Uint8Array | LazyBytes;
}

export interface WasiSymlink {
  readonly kind: 'symlink';
  /** Followed only within the preopened directory that the guest came through. */
  readonly target: string;
}

export type WasiEntry = WasiDirectory | WasiFile | WasiSymlink;

export function directory(entries: WasiDirectory['entries'], options: Common = {}): WasiDirectory {
  return { kind: 'directory', entries, ...options };
}

const encoder = new TextEncoder();

export function file(content: WasiFile['content'] | string, options: Common = {}): WasiFile {
  const bytes = typeof content === 'string' ? encoder.encode(content) : content;
  return { kind: 'file', content: bytes, ...options };
}

export function symlink(target: string): WasiSymlink {
  return { kind: 'symlink', target };
}
