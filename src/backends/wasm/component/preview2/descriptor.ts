/** wasi:filesystem/types over the file system that preview 1 has, too. Source: WASI 0.2, filesystem/wit/types.wit. */
import { existing } from '../../wasi/calls/path-calls.ts';
import { errno } from '../../wasi/errno.ts';
import type { DirectoryNode, FileNode, Node } from '../../wasi/nodes.ts';
import { type FollowLast, type Found, resolvePath } from '../../wasi/resolve-path.ts';
import { setTimes } from '../../wasi/set-times.ts';
import { DirectoryEntryStream } from './directory-entry-stream.ts';
import { HostResource, type HostState } from './host-state.ts';
import { type NewTimestamp, timeFlags, timeOf } from './new-timestamp.ts';
import { hashOf, statOf, typeOf } from './node-facts.ts';
import { check, checked, Refused, withFaults } from './refused.ts';
import { InputStream, OutputStream } from './streams.ts';

interface Flags {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly mutateDirectory?: boolean;
}
interface OpenFlags {
  readonly create?: boolean;
  readonly directory?: boolean;
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
}
interface PathFlags {
  readonly symlinkFollow?: boolean;
}

const READ_MAX = 2 ** 20;
const OFFSET_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export class Descriptor extends HostResource {
  readonly #node: FileNode | DirectoryNode;
  readonly #flags: Flags;

  constructor(state: HostState, node: FileNode | DirectoryNode, flags: Flags) {
    super(state);
    this.#node = node;
    this.#flags = flags;
    if (node.kind === 'file') node.opened += 1;
  }

  protected override dropped(): void {
    if (this.#node.kind === 'file') leave(this.state, this.#node);
  }

  readViaStream(offset: bigint): InputStream {
    const file = this.#file('read');
    let at = offsetOf(offset);
    const end = enter(this.state, file);
    const source = (most: number): Uint8Array => {
      const bytes = readAt(file, at, most);
      at += bytes.length;
      return bytes;
    };
    return new InputStream(this.state, source, end);
  }

  writeViaStream(offset: bigint): OutputStream {
    const file = this.#file('write');
    let at = offsetOf(offset);
    const sink = (bytes: Uint8Array): void => {
      this.#writeAll(file, at, bytes);
      at += bytes.length;
    };
    return new OutputStream(this.state, sink, enter(this.state, file));
  }

  appendViaStream(): OutputStream {
    const file = this.#file('write');
    const sink = (bytes: Uint8Array): void => this.#writeAll(file, file.content.size, bytes);
    return new OutputStream(this.state, sink, enter(this.state, file));
  }

  advise(): void {
    this.#file();
  }

  syncData(): void {}

  sync(): void {}

  getFlags(): Flags {
    return this.#flags;
  }

  getType(): string {
    return typeOf(this.#node);
  }

  setSize(size: bigint): void {
    const file = this.#file('write');
    if (size > OFFSET_MAX) check(errno.fbig);
    withFaults(() => check(this.state.files.resize(file, Number(size))));
  }

  setTimes(accessed: NewTimestamp, modified: NewTimestamp): void {
    this.#setTimes(this.#node, accessed, modified);
  }

  read(length: bigint, offset: bigint): [Uint8Array, boolean] {
    const file = this.#file('read');
    const at = offsetOf(offset);
    const most = Number(length < BigInt(READ_MAX) ? length : BigInt(READ_MAX));
    this.state.charge(most);
    const bytes = readAt(file, at, most);
    return [bytes, at + bytes.length >= file.content.size];
  }

  write(bytes: Uint8Array, offset: bigint): bigint {
    const file = this.#file('write');
    const at = offsetOf(offset);
    this.state.charge(bytes.length);
    const { written } = withFaults(() => checked(this.state.files.write(file, at, bytes)));
    return BigInt(written);
  }

  readDirectory(): DirectoryEntryStream {
    return new DirectoryEntryStream(this.state, this.#directory());
  }

  createDirectoryAt(path: string): void {
    check(this.state.files.createDirectory(this.#change(path)));
  }

  stat() {
    return statOf(this.#node);
  }

  statAt(flags: PathFlags, path: string) {
    return statOf(this.#existing(flags, path));
  }

  setTimesAt(flags: PathFlags, path: string, accessed: NewTimestamp, modified: NewTimestamp): void {
    this.#mayMutate();
    this.#setTimes(this.#existing(flags, path), accessed, modified);
  }

  linkAt(flags: PathFlags, path: string, to: Descriptor, newPath: string): void {
    this.#mayMutate();
    const node = this.#existing(flags, path);
    check(this.state.files.link(node, to.#change(newPath)));
  }

  openAt(pathFlags: PathFlags, path: string, how: OpenFlags, flags: Flags): Descriptor {
    if (how.create && how.directory) check(errno.inval);
    const changes = flags.write || flags.mutateDirectory || how.create || how.truncate;
    const follow = how.create && how.exclusive ? 'never' : followBy(pathFlags);
    const at = this.#find(path, follow);
    if (changes && this.#flags.mutateDirectory !== true) check(errno.rofs);
    const { files } = this.state;
    const node = at.node ?? (how.create ? checked(made(this.state, at)) : undefined);
    if (node === undefined) throw new Refused('no-entry');
    if (at.node !== undefined) mayOpen(at, node, how, flags);
    if (node.kind === 'symlink') throw new Refused('loop');
    if (node.kind === 'file' && how.truncate && at.node !== undefined) {
      withFaults(() => check(files.resize(node, 0)));
    }
    return new Descriptor(this.state, node, {
      read: flags.read === true,
      write: flags.write === true,
      mutateDirectory: flags.mutateDirectory === true,
    });
  }

  readlinkAt(path: string): string {
    const node = this.#existing({}, path);
    if (node.kind !== 'symlink') throw new Refused('invalid');
    return node.target;
  }

  removeDirectoryAt(path: string): void {
    check(this.state.files.removeDirectory(this.#change(path)));
  }

  renameAt(path: string, to: Descriptor, newPath: string): void {
    check(this.state.files.rename(this.#change(path), to.#change(newPath)));
  }

  symlinkAt(target: string, path: string): void {
    if (target === '') check(errno.noent);
    // It could never be followed: there is no place that an absolute path begins at.
    if (target.startsWith('/')) check(errno.notcapable);
    if (Buffer.byteLength(target) > this.state.limits.pathBytes) check(errno.nametoolong);
    check(this.state.files.createSymlink(this.#change(path), target));
  }

  unlinkFileAt(path: string): void {
    check(this.state.files.unlink(this.#change(path)));
  }

  isSameObject(other: Descriptor): boolean {
    return this.#node === other.#node;
  }

  metadataHash() {
    return hashOf(this.#node);
  }

  metadataHashAt(flags: PathFlags, path: string) {
    return hashOf(this.#existing(flags, path));
  }

  #file(access?: 'read' | 'write'): FileNode {
    if (this.#node.kind !== 'file') throw new Refused('is-directory');
    if (access !== undefined && this.#flags[access] !== true) check(errno.badf);
    return this.#node;
  }

  #directory(): DirectoryNode {
    if (this.#node.kind !== 'directory') throw new Refused('not-directory');
    return this.#node;
  }

  #mayMutate(): void {
    this.#directory();
    if (this.#flags.mutateDirectory !== true) check(errno.rofs);
  }

  #find(path: string, follow: FollowLast): Found {
    const directory = this.#directory();
    const { limits } = this.state;
    this.state.charge(path.length);
    if (Buffer.byteLength(path) > limits.pathBytes) check(errno.nametoolong);
    if (path.includes('\0')) check(errno.inval);
    return checked(resolvePath(directory, path, follow, this.state));
  }

  #change(path: string): Found {
    this.#mayMutate();
    return this.#find(path, 'never');
  }

  #existing(flags: PathFlags, path: string): Node {
    return checked(existing(this.#find(path, followBy(flags))));
  }

  #writeAll(file: FileNode, offset: number, bytes: Uint8Array): void {
    const { written } = withFaults(() => checked(this.state.files.write(file, offset, bytes)));
    if (written < bytes.length) check(errno.nospc);
  }

  #setTimes(node: Node, accessed: NewTimestamp, modified: NewTimestamp): void {
    const flags = timeFlags(accessed, modified);
    const now = this.state.files.now();
    check(setTimes(node, timeOf(accessed), timeOf(modified), flags, now));
  }
}

function followBy({ symlinkFollow }: PathFlags): FollowLast {
  return symlinkFollow === true ? 'always' : 'with-slash';
}

/** What keeps that which is there from being opened in that way. */
function mayOpen(at: Found, node: Node, how: OpenFlags, flags: Flags): void {
  if (how.create && at.slash) check(errno.isdir);
  if (how.create && how.exclusive) check(errno.exist);
  const writes = flags.write === true || how.truncate === true;
  if (node.kind === 'directory') {
    if (writes || how.create) check(errno.isdir);
    return;
  }
  if (node.kind === 'file' && (how.directory || at.slash || flags.mutateDirectory)) {
    check(errno.notdir);
  }
  if (writes && !node.writable) check(errno.rofs);
}

function made({ files }: HostState, at: Found) {
  return at.slash ? errno.isdir : files.createFile(at);
}

function offsetOf(offset: bigint): number {
  if (offset > OFFSET_MAX) check(errno.overflow);
  return Number(offset);
}

function readAt({ content }: FileNode, offset: number, most: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(most, content.size - offset)));
  return bytes.subarray(
    0,
    withFaults(() => content.read(offset, bytes)),
  );
}

/** A file without a name lives on while somebody reads or writes it. */
function enter(state: HostState, file: FileNode): () => void {
  file.opened += 1;
  return () => leave(state, file);
}

function leave({ files }: HostState, file: FileNode): void {
  file.opened -= 1;
  files.release(file);
}
