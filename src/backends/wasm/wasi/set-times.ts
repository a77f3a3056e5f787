import { type Errno, errno } from './errno.ts';
import type { Node } from './nodes.ts';

const ACCESSED = 1;
const ACCESSED_NOW = 2;
const MODIFIED = 4;
const MODIFIED_NOW = 8;
const KNOWN = 15;

/** Sets what `fstflags` names, all or nothing. */
export function setTimes(
  node: Node,
  accessed: bigint,
  modified: bigint,
  flags: number,
  now: bigint,
): Errno {
  const both = (one: number, other: number): boolean =>
    (flags & one) !== 0 && (flags & other) !== 0;
  if ((flags & ~KNOWN) !== 0) return errno.inval;
  if (both(ACCESSED, ACCESSED_NOW) || both(MODIFIED, MODIFIED_NOW)) return errno.inval;
  if (!node.writable) return errno.rofs;
  if (flags & ACCESSED) node.times.accessed = accessed;
  if (flags & ACCESSED_NOW) node.times.accessed = now;
  if (flags & MODIFIED) node.times.modified = modified;
  if (flags & MODIFIED_NOW) node.times.modified = now;
  node.times.changed = now;
  return errno.success;
}
