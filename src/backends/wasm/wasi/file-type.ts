import type { Descriptor } from './descriptors.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Node } from './nodes.ts';

/** Source: typenames.witx, `$filetype`. There are no devices and sockets here. */
export const fileType = {
  unknown: 0,
  characterDevice: 2,
  directory: 3,
  regularFile: 4,
  symbolicLink: 7,
} as const;

export const FILESTAT_BYTES = 64;

export function typeOfNode(node: Node): number {
  if (node.kind === 'directory') return fileType.directory;
  return node.kind === 'symlink' ? fileType.symbolicLink : fileType.regularFile;
}

/** A stream that is no terminal has no type of its own in preview 1: `unknown`, so that isatty says no. */
export function typeOfDescriptor(descriptor: Descriptor): number {
  if (descriptor.kind !== 'stream') return typeOfNode(descriptor.node);
  return descriptor.stream.terminal ? fileType.characterDevice : fileType.unknown;
}

/** Writes a `filestat`; of a stream there is nothing to tell but its type. */
export function writeFilestat(
  memory: GuestMemory,
  address: number,
  type: number,
  node: Node | undefined,
): void {
  memory.bytes(address, FILESTAT_BYTES).fill(0);
  memory.setU8(address + 16, type);
  if (node === undefined) return;
  memory.setU64(address, 1n);
  memory.setU64(address + 8, BigInt(node.inode));
  // 1 for a directory: "not counted", as file systems without such counts say it.
  memory.setU64(address + 24, BigInt(node.kind === 'directory' ? 1 : node.links));
  memory.setU64(address + 32, BigInt(sizeOf(node)));
  memory.setU64(address + 40, node.times.accessed);
  memory.setU64(address + 48, node.times.modified);
  memory.setU64(address + 56, node.times.changed);
}

function sizeOf(node: Node): number {
  if (node.kind === 'directory') return 0;
  return node.kind === 'symlink' ? node.targetBytes.length : node.content.size;
}
