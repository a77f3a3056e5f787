import { type Errno, errno } from './errno.ts';
import type { WasiLimits } from './limits.ts';
import type { DirectoryNode, Node } from './nodes.ts';

/** Where a path ended. */
export interface Found {
  /** The directory that holds, or would hold, the last name. */
  readonly directory: DirectoryNode;
  /** Empty where the path ended at `.` or `..`: then `node` is a directory that cannot be named from here. */
  readonly name: string;
  readonly node: Node | undefined;
  /** A slash followed the name. */
  readonly slash: boolean;
}

export interface PathBounds {
  readonly limits: WasiLimits;
  /** Told of every symlink's length before it is followed. */
  charge(units: number): void;
}

export type FollowLast = 'always' | 'never' | 'with-slash';

/**
 * Walks a path from a directory and never out of it: an absolute path, an absolute symlink, and a `..` that would
 * leave the directory where the walk began answer ENOTCAPABLE, wherever in the walk they come up. Directories that
 * are entered stand on a stack, so that `..` goes back to where the walk came from and to no other place.
 *
 * @param follow whether a symlink at the end is followed; `with-slash` when a slash comes after it (POSIX.1-2017 4.13)
 */
export function resolvePath(
  base: DirectoryNode,
  path: string,
  follow: FollowLast,
  bounds: PathBounds,
): Found | Errno {
  if (path === '') return errno.noent;
  if (path.startsWith('/')) return errno.notcapable;
  const stack: DirectoryNode[] = [base];
  let slash = path.endsWith('/');
  const pending = components(path).reverse();
  let followed = 0;
  for (;;) {
    const name = pending.pop();
    const here = stack.at(-1) ?? base;
    if (name === undefined || name === '.') {
      if (pending.length > 0) continue;
      return { directory: here, name: '', node: here, slash: true };
    }
    if (name === '..') {
      stack.pop();
      if (stack.length === 0) return errno.notcapable;
      if (pending.length === 0) pending.push('.');
      continue;
    }
    if (Buffer.byteLength(name) > bounds.limits.nameBytes) return errno.nametoolong;
    const node = here.get(name)?.node;
    const last = pending.length === 0;
    if (node?.kind === 'symlink' && (!last || follows(follow, slash))) {
      followed += 1;
      if (followed > bounds.limits.symlinks) return errno.loop;
      if (node.target.startsWith('/')) return errno.notcapable;
      if (node.target === '') return errno.noent;
      bounds.charge(node.target.length);
      if (last) slash ||= node.target.endsWith('/');
      pending.push(...components(node.target).reverse());
      continue;
    }
    if (last) return { directory: here, name, node, slash };
    if (node === undefined) return errno.noent;
    if (node.kind !== 'directory') return errno.notdir;
    stack.push(node);
  }
}

function follows(follow: FollowLast, slash: boolean): boolean {
  return follow === 'always' || (follow === 'with-slash' && slash);
}

/** Empty names are dropped: `a//b` is `a/b`. */
function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}
