/** What wasi:filesystem tells of a thing in a tree. */
import type { Node } from '../../wasi/nodes.ts';
import { datetime } from './clocks-and-random.ts';

export function typeOf({ kind }: Node): string {
  if (kind === 'directory') return 'directory';
  return kind === 'symlink' ? 'symbolic-link' : 'regular-file';
}

export function statOf(node: Node) {
  const { accessed, modified, changed } = node.times;
  return {
    type: typeOf(node),
    linkCount: BigInt(node.kind === 'directory' ? 1 : node.links),
    size: BigInt(sizeOf(node)),
    dataAccessTimestamp: datetime(accessed),
    dataModificationTimestamp: datetime(modified),
    statusChangeTimestamp: datetime(changed),
  };
}

function sizeOf(node: Node): number {
  if (node.kind === 'directory') return 0;
  return node.kind === 'symlink' ? node.targetBytes.length : node.content.size;
}

/** Tells two files apart, and is the same for both names of one. */
export function hashOf({ inode }: Node): { lower: bigint; upper: bigint } {
  return { lower: BigInt(inode), upper: 1n };
}
