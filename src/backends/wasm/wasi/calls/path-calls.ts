import type { DirectoryDescriptor } from '../descriptors.ts';
import { type Errno, errno, failed } from '../errno.ts';
import { FILESTAT_BYTES, typeOfNode, writeFilestat } from '../file-type.ts';
import { directoryWithRights, type GuestState, lacks, readPath } from '../guest-state.ts';
import type { Node } from '../nodes.ts';
import { type FollowLast, type Found, resolvePath } from '../resolve-path.ts';
import { right } from '../rights.ts';
import { setTimes } from '../set-times.ts';
import type { WasiCalls } from '../signatures.ts';

type Calls = Pick<
  WasiCalls,
  | 'path_create_directory'
  | 'path_filestat_get'
  | 'path_filestat_set_times'
  | 'path_link'
  | 'path_readlink'
  | 'path_remove_directory'
  | 'path_rename'
  | 'path_symlink'
  | 'path_unlink_file'
>;

const SYMLINK_FOLLOW = 1;

/** What can be done by name to a file itself, not to its name. */
const CONTENT_RIGHTS = right.pathFilestatSetSize | right.pathFilestatSetTimes;

/** What is done by name, but for opening. */
export function pathCalls(state: GuestState): Calls {
  const { memory, files } = state;

  const withPath = (
    fd: number,
    rights: number,
    address: number,
    length: number,
    follow: FollowLast,
    act: (found: Found) => number,
  ): number => {
    const found = lookUp(state, fd, rights, address, length, follow);
    return failed(found) ? found : act(found.at);
  };

  /** Both ends of a link or a renaming. */
  const between = (
    from: { at: Found; through: DirectoryDescriptor } | Errno,
    to: { at: Found; through: DirectoryDescriptor } | Errno,
    act: (from: Found, to: Found) => number,
  ): number => {
    if (failed(from)) return from;
    if (failed(to)) return to;
    // Else a file that may only be read here could be moved to where it may be written.
    const widens =
      lacks(from.through.inheriting, to.through.inheriting) ||
      lacks(from.through.base, to.through.base & CONTENT_RIGHTS);
    return widens ? errno.notcapable : act(from.at, to.at);
  };

  return {
    path_create_directory: (fd, path, length) =>
      withPath(fd, right.pathCreateDirectory, path, length, 'never', (at) =>
        files.createDirectory(at),
      ),

    path_filestat_get(fd, flags, path, length, result) {
      if (lacks(SYMLINK_FOLLOW, flags)) return errno.inval;
      return withPath(fd, right.pathFilestatGet, path, length, followBy(flags), (at) => {
        const node = existing(at);
        if (failed(node)) return node;
        if (!memory.holds(result, FILESTAT_BYTES)) return errno.fault;
        writeFilestat(memory, result, typeOfNode(node), node);
        return errno.success;
      });
    },

    path_filestat_set_times(fd, flags, path, length, accessed, modified, times) {
      if (lacks(SYMLINK_FOLLOW, flags)) return errno.inval;
      return withPath(fd, right.pathFilestatSetTimes, path, length, followBy(flags), (at) => {
        const node = existing(at);
        return failed(node) ? node : setTimes(node, accessed, modified, times, files.now());
      });
    },

    path_link(oldFd, flags, oldPath, oldLength, newFd, newPath, newLength) {
      if (lacks(SYMLINK_FOLLOW, flags)) return errno.inval;
      const old = lookUp(state, oldFd, right.pathLinkSource, oldPath, oldLength, followBy(flags));
      if (failed(old)) return old;
      const node = existing(old.at);
      if (failed(node)) return node;
      const to = lookUp(state, newFd, right.pathLinkTarget, newPath, newLength, 'never');
      return between(old, to, (_, at) => files.link(node, at));
    },

    path_readlink(fd, path, length, buffer, bufferLength, result) {
      return withPath(fd, right.pathReadlink, path, length, 'with-slash', (at) => {
        const node = existing(at);
        if (failed(node)) return node;
        if (node.kind !== 'symlink') return errno.inval;
        if (!memory.holds(buffer, bufferLength) || !memory.holds(result, 4)) return errno.fault;
        const target = node.targetBytes.subarray(0, bufferLength);
        memory.bytes(buffer, target.length).set(target);
        memory.setU32(result, target.length);
        return errno.success;
      });
    },

    path_remove_directory: (fd, path, length) =>
      withPath(fd, right.pathRemoveDirectory, path, length, 'never', (at) =>
        files.removeDirectory(at),
      ),

    path_rename: (oldFd, oldPath, oldLength, newFd, newPath, newLength) =>
      between(
        lookUp(state, oldFd, right.pathRenameSource, oldPath, oldLength, 'never'),
        lookUp(state, newFd, right.pathRenameTarget, newPath, newLength, 'never'),
        (from, to) => files.rename(from, to),
      ),

    path_symlink(oldPath, oldLength, fd, newPath, newLength) {
      const target = readPath(state, oldPath, oldLength);
      if (failed(target)) return target;
      if (target.path === '') return errno.noent;
      // It could never be followed: there is no place that an absolute path begins at.
      if (target.path.startsWith('/')) return errno.notcapable;
      return withPath(fd, right.pathSymlink, newPath, newLength, 'never', (at) =>
        files.createSymlink(at, target.path),
      );
    },

    path_unlink_file: (fd, path, length) =>
      withPath(fd, right.pathUnlinkFile, path, length, 'never', (at) => files.unlink(at)),
  };
}

/** Where a path of the guest leads from one of its directories. */
export function lookUp(
  state: GuestState,
  fd: number,
  rights: number,
  address: number,
  length: number,
  follow: FollowLast,
): { at: Found; through: DirectoryDescriptor } | Errno {
  const through = directoryWithRights(state, fd, rights);
  if (failed(through)) return through;
  const read = readPath(state, address, length);
  if (failed(read)) return read;
  const at = resolvePath(through.node, read.path, follow, state);
  return failed(at) ? at : { at, through };
}

/** What is there; a slash after its name asks for a directory. */
export function existing(at: Found): Node | Errno {
  if (at.node === undefined) return errno.noent;
  return at.slash && at.node.kind !== 'directory' ? errno.notdir : at.node;
}

export function followBy(flags: number): FollowLast {
  return flags & SYMLINK_FOLLOW ? 'always' : 'with-slash';
}
