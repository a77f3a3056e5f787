import {
  type Descriptor,
  type DirectoryDescriptor,
  descriptorFlag,
  KNOWN_DESCRIPTOR_FLAGS,
} from '../descriptors.ts';
import { type Errno, errno, failed } from '../errno.ts';
import { fileType, typeOfNode } from '../file-type.ts';
import { directoryWithRights, type GuestState, lacks } from '../guest-state.ts';
import type { DirectoryNode } from '../nodes.ts';
import type { Found } from '../resolve-path.ts';
import { DIRECTORY_RIGHTS, FILE_RIGHTS, knownRights, type Rights, right } from '../rights.ts';
import type { WasiCalls } from '../signatures.ts';
import { followBy, lookUp } from './path-calls.ts';

type Calls = Pick<WasiCalls, 'path_open' | 'fd_readdir'>;

const CREATE = 1;
const DIRECTORY = 2;
const EXCLUSIVE = 4;
const TRUNCATE = 8;
const KNOWN_OPEN_FLAGS = 15;

const DIRENT_BYTES = 24;
const encoder = new TextEncoder();

/** Opening what lies in a directory, and listing it. */
export function directoryCalls(state: GuestState): Calls {
  const { memory, descriptors, files } = state;

  const open = (
    at: Found,
    through: DirectoryDescriptor,
    asked: Rights,
    how: number,
    flags: number,
  ): Descriptor | Errno => {
    const { readOnly } = through;
    const refusal = mayOpen(at, asked, how, readOnly);
    if (refusal !== errno.success) return refusal;
    const isDirectory = at.node?.kind === 'directory';
    // Rights that mean nothing on this kind of file are not granted, and so not asked for.
    const base = asked.base & (isDirectory ? DIRECTORY_RIGHTS : FILE_RIGHTS);
    const inheriting = isDirectory ? asked.inheriting & (DIRECTORY_RIGHTS | FILE_RIGHTS) : 0;
    if (lacks(through.inheriting, base | inheriting)) return errno.notcapable;
    const common = { flags, base, inheriting, readOnly };
    if (at.node?.kind === 'directory') return { kind: 'directory', node: at.node, ...common };
    const node = at.node ?? files.createFile(at);
    if (failed(node)) return node;
    if (node.kind !== 'file') return errno.loop;
    if (how & TRUNCATE && at.node !== undefined) {
      const resized = files.resize(node, 0);
      if (resized !== errno.success) return resized;
    }
    return { kind: 'file', node, offset: 0, ...common };
  };

  return {
    path_open(fd, lookup, path, length, how, base, inheriting, flags, result) {
      const known =
        !lacks(1, lookup) && !lacks(KNOWN_OPEN_FLAGS, how) && !lacks(KNOWN_DESCRIPTOR_FLAGS, flags);
      if (!known || (how & CREATE && how & DIRECTORY)) return errno.inval;
      const needed =
        right.pathOpen |
        (how & CREATE ? right.pathCreateFile : 0) |
        (how & TRUNCATE ? right.pathFilestatSetSize : 0);
      // A symlink where a new file is to be made is itself what is there already (POSIX open, O_EXCL).
      const follow = how & CREATE && how & EXCLUSIVE ? 'never' : followBy(lookup);
      const found = lookUp(state, fd, needed, path, length, follow);
      if (failed(found)) return found;
      if (!maySynchronize(found.through.inheriting, flags)) return errno.notcapable;
      if (!memory.holds(result, 4)) return errno.fault;
      if (descriptors.full) return errno.mfile;
      const asked = { base: knownRights(base), inheriting: knownRights(inheriting) };
      const opened = open(found.at, found.through, asked, how, flags);
      if (failed(opened)) return opened;
      const added = descriptors.add(opened);
      if (failed(added)) return added;
      memory.setU32(result, added.number);
      return errno.success;
    },

    fd_readdir(fd, buffer, length, cookie, result) {
      const descriptor = directoryWithRights(state, fd, right.fdReaddir);
      if (failed(descriptor)) return descriptor;
      if (!memory.holds(buffer, length) || !memory.holds(result, 4)) return errno.fault;
      state.charge(length);
      const header = new Uint8Array(DIRENT_BYTES);
      const view = new DataView(header.buffer);
      let used = 0;
      const put = (bytes: Uint8Array): void => {
        const part = bytes.subarray(0, length - used);
        memory.bytes(buffer + used, part.length).set(part);
        used += part.length;
      };
      for (const entry of listing(descriptor.node, cookie)) {
        if (used === length) break;
        const name = encoder.encode(entry.name);
        view.setBigUint64(0, BigInt(entry.next), true);
        view.setBigUint64(8, BigInt(entry.inode), true);
        view.setUint32(16, name.length, true);
        view.setUint8(20, entry.type);
        put(header);
        put(name);
      }
      memory.setU32(result, used);
      return errno.success;
    },
  };
}

/** What keeps a file from being opened in that way, whoever asks. */
function mayOpen(at: Found, asked: Rights, how: number, readOnly: boolean): Errno {
  const { node } = at;
  const writes = (asked.base & right.fdWrite) !== 0 || (how & TRUNCATE) !== 0;
  // A slash asks for a directory, and none is made here, whatever is there.
  if (how & CREATE && at.slash) return errno.isdir;
  if (node === undefined) {
    if (!(how & CREATE)) return errno.noent;
    return readOnly ? errno.rofs : errno.success;
  }
  if (how & CREATE && how & EXCLUSIVE) return errno.exist;
  if (node.kind === 'directory') return writes || how & CREATE ? errno.isdir : errno.success;
  if (node.kind === 'symlink') return errno.loop;
  if (how & DIRECTORY || at.slash) return errno.notdir;
  return writes && (readOnly || !node.writable) ? errno.rofs : errno.success;
}

/** Synchronous writing is what there is in memory, but the right to ask for it is the directory's to give. */
function maySynchronize(inheriting: number, flags: number): boolean {
  if (flags & (descriptorFlag.rsync | descriptorFlag.sync)) return !lacks(inheriting, right.fdSync);
  if (flags & descriptorFlag.dsync) return (inheriting & (right.fdSync | right.fdDatasync)) !== 0;
  return true;
}

interface Listed {
  readonly name: string;
  readonly inode: number;
  readonly type: number;
  readonly next: number;
}

/** From a cookie on. `..` has no serial number: what lies above is not the guest's to know. */
function* listing(directory: DirectoryNode, cookie: bigint): Iterable<Listed> {
  const type = fileType.directory;
  if (cookie < 1n) yield { name: '.', inode: directory.inode, type, next: 1 };
  if (cookie < 2n) yield { name: '..', inode: 0, type, next: 2 };
  if (cookie > BigInt(Number.MAX_SAFE_INTEGER)) return;
  for (const { name, node, cookie: next } of directory.after(Number(cookie))) {
    yield { name, inode: node.inode, type: typeOfNode(node), next };
  }
}
