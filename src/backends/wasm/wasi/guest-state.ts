import type { WasiClock } from './clock.ts';
import type {
  Descriptor,
  DescriptorTable,
  DirectoryDescriptor,
  FileDescriptor,
} from './descriptors.ts';
import { type Errno, errno } from './errno.ts';
import type { FileSystem } from './file-system.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { WasiLimits } from './limits.ts';
import type { RandomSource } from './random-source.ts';
import { CHANGING_RIGHTS } from './rights.ts';

/** What the calls of one guest work on. */
export interface GuestState {
  readonly memory: GuestMemory;
  readonly limits: WasiLimits;
  readonly files: FileSystem;
  readonly descriptors: DescriptorTable;
  readonly clock: WasiClock;
  readonly random: RandomSource;
  /** Each ends with NUL. */
  readonly args: readonly Uint8Array[];
  /** `NAME=value`, each ends with NUL. */
  readonly env: readonly Uint8Array[];
  /** Told before work that grows with what the guest asks for: bytes to move, entries to visit. */
  charge(units: number): void;
}

/** The descriptor, if it has all of these rights. */
export function withRights(state: GuestState, fd: number, rights: number): Descriptor | Errno {
  const descriptor = state.descriptors.get(fd);
  if (descriptor === undefined) return errno.badf;
  const refusal = refuses(descriptor, rights);
  return refusal === errno.success ? descriptor : refusal;
}

/** A regular file's descriptor; what it is comes before what it may, since that says more. */
export function fileWithRights(
  state: GuestState,
  fd: number,
  rights: number,
): FileDescriptor | Errno {
  const descriptor = state.descriptors.get(fd);
  if (descriptor === undefined) return errno.badf;
  if (descriptor.kind === 'directory') return errno.isdir;
  if (descriptor.kind === 'stream') return errno.spipe;
  const refusal = refuses(descriptor, rights);
  return refusal === errno.success ? descriptor : refusal;
}

export function directoryWithRights(
  state: GuestState,
  fd: number,
  rights: number,
): DirectoryDescriptor | Errno {
  const descriptor = state.descriptors.get(fd);
  if (descriptor === undefined) return errno.badf;
  if (descriptor.kind !== 'directory') return errno.notdir;
  const refusal = refuses(descriptor, rights);
  return refusal === errno.success ? descriptor : refusal;
}

/** Why a descriptor may not be used in a way that needs these rights. */
export function refuses(descriptor: Descriptor, rights: number): Errno {
  if (lacks(descriptor.base, rights)) return errno.notcapable;
  return descriptor.readOnly && (rights & CHANGING_RIGHTS) !== 0 ? errno.rofs : errno.success;
}

export function lacks(held: number, needed: number): boolean {
  return (needed & ~held) !== 0;
}

/** A path, or a symlink's target, out of the guest's memory. */
export function readPath(
  state: GuestState,
  address: number,
  length: number,
): { path: string } | Errno {
  const { memory } = state;
  if (!memory.holds(address, length)) return errno.fault;
  if (length > state.limits.pathBytes) return errno.nametoolong;
  state.charge(length);
  const path = memory.text(address, length);
  if (path === undefined) return errno.ilseq;
  return path.includes('\0') ? errno.inval : { path };
}

export interface Vector {
  readonly address: number;
  readonly length: number;
}

const VECTOR_BYTES = 8;

/**
 * The buffers of a scattered read or a gathered write, without the empty ones, cut where the limit of one transfer
 * is reached. All of them are checked before anything is moved.
 */
export function readVectors(
  state: GuestState,
  address: number,
  count: number,
): { vectors: Vector[]; total: number } | Errno {
  const { memory, limits } = state;
  if (count > limits.vectors) return errno.inval;
  if (!memory.holds(address, count * VECTOR_BYTES)) return errno.fault;
  const vectors: Vector[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const at = address + index * VECTOR_BYTES;
    const vector = { address: memory.u32(at), length: memory.u32(at + 4) };
    if (vector.length === 0) continue;
    if (!memory.holds(vector.address, vector.length)) return errno.fault;
    const length = Math.min(vector.length, limits.transferBytes - total);
    if (length > 0) vectors.push({ address: vector.address, length });
    total += length;
  }
  state.charge(total + count);
  return { vectors, total };
}

/** A file size or offset as a number; undefined at 2^53 and above, which no file reaches. */
export function asOffset(value: bigint): number | undefined {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
