import { callOut } from './host-fault.ts';
import type { LazyBytes } from './tree.ts';

const PAGE_BYTES = 65_536;

/**
 * The bytes of a file: pages that the guest wrote over the bytes that were handed in, which stay as they are.
 * Holes take no memory, growing copies at most one page, and pages take at most twice the file's size and 256 bytes.
 * Sizes are charged by the file system, not here.
 */
export class FileContent {
  #given: Uint8Array | LazyBytes;
  /** How much of what was given still shows; less than its length after a truncation. */
  #givenLength: number;
  readonly #pages = new Map<number, Uint8Array>();
  #size: number;

  constructor(given: Uint8Array | LazyBytes) {
    this.#given = given;
    this.#size = given instanceof Uint8Array ? given.length : given.size;
    this.#givenLength = this.#size;
  }

  get size(): number {
    return this.#size;
  }

  /** Memory that was taken for what was written. */
  get pageBytes(): number {
    return this.#pages.values().reduce((sum, page) => sum + page.length, 0);
  }

  /** @returns how many bytes were there to read */
  read(offset: number, target: Uint8Array): number {
    const length = Math.max(0, Math.min(target.length, this.#size - offset));
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const within = at % PAGE_BYTES;
      const step = Math.min(length - done, PAGE_BYTES - within);
      const part = target.subarray(done, done + step);
      const page = this.#pages.get(Math.floor(at / PAGE_BYTES));
      if (page === undefined) this.#readGiven(at, part);
      else readPage(page, within, part);
      done += step;
    }
    return length;
  }

  /** Grows the file where it must. */
  write(offset: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const at = offset + done;
      const within = at % PAGE_BYTES;
      const step = Math.min(source.length - done, PAGE_BYTES - within);
      this.#page(Math.floor(at / PAGE_BYTES), within + step).set(
        source.subarray(done, done + step),
        within,
      );
      done += step;
    }
    this.#size = Math.max(this.#size, offset + source.length);
  }

  /** Cuts off, or adds zeros. */
  resize(size: number): void {
    if (size < this.#size) {
      this.#givenLength = Math.min(this.#givenLength, size);
      if (size === 0) this.#given = new Uint8Array(0);
      const kept = Math.ceil(size / PAGE_BYTES);
      for (const index of [...this.#pages.keys()]) if (index >= kept) this.#pages.delete(index);
      // What is cut off must read as zeros when the file grows again.
      this.#pages.get(kept - 1)?.fill(0, size - (kept - 1) * PAGE_BYTES);
      // Else a guest could fill and cut off file after file, and keep a page for every byte that counts.
      const first = this.#pages.get(0);
      const enough = firstPageBytes(Math.min(size, PAGE_BYTES));
      if (first !== undefined && first.length > enough) this.#pages.set(0, first.slice(0, enough));
    }
    this.#size = size;
  }

  /** All of it; where nothing was written these are the bytes that were handed in themselves. */
  whole(): Uint8Array {
    if (this.#pages.size === 0 && this.#givenLength === this.#size) {
      const given = this.#loaded();
      return given.length === this.#size ? given : given.subarray(0, this.#size);
    }
    const bytes = new Uint8Array(this.#size);
    this.read(0, bytes);
    return bytes;
  }

  /** The page, at least so long; the first one starts small, since most files are. */
  #page(index: number, length: number): Uint8Array {
    const old = this.#pages.get(index);
    if (old !== undefined && old.length >= length) return old;
    const start = index * PAGE_BYTES;
    const shown = Math.max(0, Math.min(PAGE_BYTES, this.#givenLength - start));
    const bytes = index > 0 ? PAGE_BYTES : firstPageBytes(Math.max(length, shown));
    const page = new Uint8Array(bytes);
    if (old === undefined) this.#readGiven(start, page);
    else page.set(old);
    this.#pages.set(index, page);
    return page;
  }

  #readGiven(offset: number, target: Uint8Array): void {
    const length = Math.max(0, Math.min(target.length, this.#givenLength - offset));
    if (length > 0) target.set(this.#loaded().subarray(offset, offset + length));
    target.fill(0, length);
  }

  #loaded(): Uint8Array {
    if (this.#given instanceof Uint8Array) return this.#given;
    const { load, size } = this.#given;
    const bytes = callOut(() => {
      const loaded = load();
      if (loaded.length !== size) throw new RangeError(`a file of ${size} bytes was announced`);
      return loaded;
    });
    this.#given = bytes;
    return bytes;
  }
}

function readPage(page: Uint8Array, within: number, target: Uint8Array): void {
  const there = page.subarray(within, within + target.length);
  target.set(there);
  target.fill(0, there.length);
}

function firstPageBytes(length: number): number {
  let bytes = 256;
  while (bytes < length) bytes *= 2;
  return bytes;
}
