/** A guest without a module: calls the imports as a module would, on a memory of its own. */
import { engine, type WasmMemory } from '../../../../src/backends/wasm/engine.ts';
import { virtualClock } from '../../../../src/backends/wasm/wasi/clock.ts';
import { type Errno, errno } from '../../../../src/backends/wasm/wasi/errno.ts';
import { seededRandom } from '../../../../src/backends/wasm/wasi/random-source.ts';
import { DIRECTORY_RIGHTS, FILE_RIGHTS } from '../../../../src/backends/wasm/wasi/rights.ts';
import { WASI_MODULE, type WasiFunction } from '../../../../src/backends/wasm/wasi/signatures.ts';
import { directory, type WasiDirectory } from '../../../../src/backends/wasm/wasi/tree.ts';
import { WasiHost, type WasiHostOptions } from '../../../../src/backends/wasm/wasi/wasi-host.ts';

export type ErrnoName = keyof typeof errno;
export const ROOT = 3;
export const ALL_RIGHTS = BigInt(DIRECTORY_RIGHTS | FILE_RIGHTS);
export const OPEN = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;

export interface Filestat {
  readonly dev: bigint;
  readonly inode: bigint;
  readonly type: number;
  readonly links: bigint;
  readonly size: bigint;
  readonly accessed: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
}

export interface Dirent {
  readonly next: bigint;
  readonly inode: bigint;
  readonly type: number;
  readonly name: string;
}

interface OpenOptions {
  readonly from?: number;
  readonly how?: number;
  readonly follow?: boolean;
  readonly rights?: bigint;
  readonly inheriting?: bigint;
  readonly flags?: number;
}

const SCRATCH = 1024;
const PAGE = 65_536;

export class Guest {
  readonly host: WasiHost;
  readonly memory: WasmMemory;
  #next = SCRATCH;

  constructor(options: Partial<WasiHostOptions> = {}, pages = 4) {
    this.host = new WasiHost({ clock: virtualClock(), random: seededRandom('test'), ...options });
    this.memory = new engine.Memory({ initial: pages, maximum: 64 });
    this.host.initialize({ exports: { memory: this.memory } });
  }

  /** A guest with one directory, writable unless said otherwise, open at 3 by the name `/`. */
  static in(
    entries: WasiDirectory['entries'],
    options: Partial<WasiHostOptions> & { readonly writable?: boolean } = {},
  ): Guest {
    const { writable = true, ...rest } = options;
    return new Guest({
      preopens: [{ path: '/', directory: directory(entries, { writable }) }],
      ...rest,
    });
  }

  /** Calls by number and answers with the error's name. */
  call(name: WasiFunction, ...args: (number | bigint)[]): ErrnoName {
    return errorName(this.raw(name, ...args));
  }

  raw(name: WasiFunction, ...args: unknown[]): number {
    this.#next = Math.max(this.#next, SCRATCH);
    const call = this.host.imports[WASI_MODULE]?.[name] as (...args: unknown[]) => number;
    return call(...args);
  }

  /** Forgets what `put` and `room` gave out. */
  reset(): void {
    this.#next = SCRATCH;
  }

  room(length: number): number {
    if (this.#next + length > PAGE) this.reset();
    const address = this.#next;
    this.#next += Math.ceil(length / 8) * 8;
    this.bytes(address, length).fill(0);
    return address;
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  get view(): DataView {
    return new DataView(this.memory.buffer);
  }

  u32(address: number): number {
    return this.view.getUint32(address, true);
  }

  u64(address: number): bigint {
    return this.view.getBigUint64(address, true);
  }

  put(content: string | Uint8Array): [address: number, length: number] {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const address = this.room(bytes.length);
    this.bytes(address, bytes.length).set(bytes);
    return [address, bytes.length];
  }

  vectors(...buffers: (readonly [address: number, length: number])[]): [number, number] {
    const at = this.room(buffers.length * 8);
    for (const [index, [address, length]] of buffers.entries()) {
      this.view.setUint32(at + index * 8, address, true);
      this.view.setUint32(at + index * 8 + 4, length, true);
    }
    return [at, buffers.length];
  }

  /** Calls with a path, or two. */
  path(
    name: 'path_create_directory' | 'path_remove_directory' | 'path_unlink_file',
    path: string,
  ): ErrnoName {
    return this.call(name, ROOT, ...this.put(path));
  }

  rename(from: string, to: string, fromFd = ROOT, toFd = ROOT): ErrnoName {
    return this.call('path_rename', fromFd, ...this.put(from), toFd, ...this.put(to));
  }

  symlink(target: string, path: string, fd = ROOT): ErrnoName {
    return this.call('path_symlink', ...this.put(target), fd, ...this.put(path));
  }

  link(from: string, to: string, fromFd = ROOT, toFd = ROOT, follow = 0): ErrnoName {
    return this.call('path_link', fromFd, follow, ...this.put(from), toFd, ...this.put(to));
  }

  /** @returns the descriptor, or the error's name */
  open(path: string, options: OpenOptions = {}): number | ErrnoName {
    const { from = ROOT, how = 0, follow = false, flags = 0 } = options;
    const { rights = defaultRights(how), inheriting = ALL_RIGHTS } = options;
    const result = this.room(4);
    const error = this.call(
      'path_open',
      from,
      follow ? 1 : 0,
      ...this.put(path),
      how,
      rights,
      inheriting,
      flags,
      result,
    );
    return error === 'success' ? this.u32(result) : error;
  }

  /** Opens, and fails the test where that fails. */
  fd(path: string, options: OpenOptions = {}): number {
    const opened = this.open(path, options);
    if (typeof opened !== 'number') throw new Error(`opening ${path}: ${opened}`);
    return opened;
  }

  write(fd: number, content: string | Uint8Array): number | ErrnoName {
    const result = this.room(4);
    const error = this.call('fd_write', fd, ...this.vectors(this.put(content)), result);
    return error === 'success' ? this.u32(result) : error;
  }

  read(fd: number, length = 4096): string | ErrnoName {
    const result = this.room(4);
    const buffer = this.room(length);
    const error = this.call('fd_read', fd, ...this.vectors([buffer, length]), result);
    return error === 'success' ? this.text(buffer, this.u32(result)) : error;
  }

  text(address: number, length: number): string {
    return new TextDecoder().decode(this.bytes(address, length).slice());
  }

  seek(fd: number, delta: bigint, whence: number): bigint | ErrnoName {
    const result = this.room(8);
    const error = this.call('fd_seek', fd, BigInt.asUintN(64, delta), whence, result);
    return error === 'success' ? this.u64(result) : error;
  }

  stat(path: string, follow = false, from = ROOT): Filestat | ErrnoName {
    const result = this.room(64);
    const at = this.put(path);
    const error = this.call('path_filestat_get', from, follow ? 1 : 0, ...at, result);
    return error === 'success' ? this.#filestat(result) : error;
  }

  fdStat(fd: number): Filestat | ErrnoName {
    const result = this.room(64);
    const error = this.call('fd_filestat_get', fd, result);
    return error === 'success' ? this.#filestat(result) : error;
  }

  rights(fd: number): { type: number; flags: number; base: bigint; inheriting: bigint } {
    const at = this.room(24);
    const error = this.call('fd_fdstat_get', fd, at);
    if (error !== 'success') throw new Error(`fd_fdstat_get: ${error}`);
    return {
      type: this.view.getUint8(at),
      flags: this.view.getUint16(at + 2, true),
      base: this.u64(at + 8),
      inheriting: this.u64(at + 16),
    };
  }

  /** One call of fd_readdir. The last entry may be cut, and is then left out. */
  readdir(fd: number, cookie = 0n, length = 4096): { entries: Dirent[]; used: number } {
    const result = this.room(4);
    const buffer = this.room(length);
    const error = this.call('fd_readdir', fd, buffer, length, cookie, result);
    if (error !== 'success') throw new Error(`fd_readdir: ${error}`);
    const used = this.u32(result);
    const entries: Dirent[] = [];
    for (let at = buffer; at + 24 <= buffer + used; ) {
      const nameLength = this.u32(at + 16);
      if (at + 24 + nameLength > buffer + used) break;
      entries.push({
        next: this.u64(at),
        inode: this.u64(at + 8),
        type: this.view.getUint8(at + 20),
        name: this.text(at + 24, nameLength),
      });
      at += 24 + nameLength;
    }
    return { entries, used };
  }

  /** The whole file, by its path. */
  content(path: string): string | ErrnoName {
    const fd = this.open(path, { rights: BigInt(FILE_RIGHTS) & ~0x40n });
    if (typeof fd !== 'number') return fd;
    const text = this.read(fd, 16_384);
    this.call('fd_close', fd);
    return text;
  }

  #filestat(at: number): Filestat {
    return {
      dev: this.u64(at),
      inode: this.u64(at + 8),
      type: this.view.getUint8(at + 16),
      links: this.u64(at + 24),
      size: this.u64(at + 32),
      accessed: this.u64(at + 40),
      modified: this.u64(at + 48),
      changed: this.u64(at + 56),
    };
  }
}

/** Directories are not opened for writing. */
function defaultRights(how: number): bigint {
  return how & OPEN.directory ? BigInt(DIRECTORY_RIGHTS) : ALL_RIGHTS;
}

export function errorName(number: number): ErrnoName {
  for (const [name, value] of Object.entries(errno)) {
    if (value === (number as Errno)) return name as ErrnoName;
  }
  throw new Error(`${number} is no error number`);
}
