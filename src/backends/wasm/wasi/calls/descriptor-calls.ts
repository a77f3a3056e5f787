import { type Descriptor, KNOWN_DESCRIPTOR_FLAGS } from '../descriptors.ts';
import { errno, failed } from '../errno.ts';
import { FILESTAT_BYTES, typeOfDescriptor, writeFilestat } from '../file-type.ts';
import { asOffset, fileWithRights, type GuestState, lacks, withRights } from '../guest-state.ts';
import { KNOWN_RIGHTS, knownRights, right } from '../rights.ts';
import { setTimes } from '../set-times.ts';
import type { WasiCalls } from '../signatures.ts';

type Calls = Pick<
  WasiCalls,
  | 'fd_advise'
  | 'fd_allocate'
  | 'fd_close'
  | 'fd_datasync'
  | 'fd_fdstat_get'
  | 'fd_fdstat_set_flags'
  | 'fd_fdstat_set_rights'
  | 'fd_filestat_get'
  | 'fd_filestat_set_size'
  | 'fd_filestat_set_times'
  | 'fd_prestat_get'
  | 'fd_prestat_dir_name'
  | 'fd_renumber'
  | 'fd_sync'
>;

const FDSTAT_BYTES = 24;
const PRESTAT_BYTES = 8;
const LAST_ADVICE = 5;
const LARGEST_FILEDELTA = 2n ** 63n - 1n;

/** What a descriptor is, and what is done to all of a file at once. */
export function descriptorCalls(state: GuestState): Calls {
  const { memory, descriptors, files } = state;

  const sync = (fd: number, needed: number): number => {
    const descriptor = withRights(state, fd, needed);
    return failed(descriptor) ? descriptor : errno.success;
  };

  const preopen = (fd: number): Uint8Array | undefined => {
    const descriptor = descriptors.get(fd);
    return descriptor?.kind === 'directory' ? descriptor.preopen : undefined;
  };

  return {
    fd_advise(fd, offset, length, advice) {
      const descriptor = fileWithRights(state, fd, right.fdAdvise);
      if (failed(descriptor)) return descriptor;
      const valid = advice <= LAST_ADVICE && offset + length <= LARGEST_FILEDELTA;
      return valid ? errno.success : errno.inval;
    },

    fd_allocate(fd, offset, length) {
      const descriptor = fileWithRights(state, fd, right.fdAllocate);
      if (failed(descriptor)) return descriptor;
      if (length === 0n) return errno.inval;
      const end = asOffset(offset + length);
      if (end === undefined) return errno.fbig;
      const { node } = descriptor;
      if (!node.writable) return errno.rofs;
      return end <= node.content.size ? errno.success : files.resize(node, end);
    },

    fd_close: (fd) => descriptors.close(fd),
    fd_renumber: (from, to) => descriptors.renumber(from, to),
    fd_sync: (fd) => sync(fd, right.fdSync),
    fd_datasync: (fd) => sync(fd, right.fdDatasync),

    fd_fdstat_get(fd, address) {
      const descriptor = descriptors.get(fd);
      if (descriptor === undefined) return errno.badf;
      if (!memory.holds(address, FDSTAT_BYTES)) return errno.fault;
      memory.bytes(address, FDSTAT_BYTES).fill(0);
      memory.setU8(address, typeOfDescriptor(descriptor));
      memory.setU16(address + 2, descriptor.flags);
      memory.setU64(address + 8, BigInt(descriptor.base));
      memory.setU64(address + 16, BigInt(descriptor.inheriting));
      return errno.success;
    },

    fd_fdstat_set_flags(fd, flags) {
      const descriptor = withRights(state, fd, right.fdFdstatSetFlags);
      if (failed(descriptor)) return descriptor;
      if (lacks(KNOWN_DESCRIPTOR_FLAGS, flags)) return errno.inval;
      descriptor.flags = flags;
      return errno.success;
    },

    fd_fdstat_set_rights(fd, base, inheriting) {
      const descriptor = descriptors.get(fd);
      if (descriptor === undefined) return errno.badf;
      const unknown = base > BigInt(KNOWN_RIGHTS) || inheriting > BigInt(KNOWN_RIGHTS);
      const gains =
        lacks(descriptor.base, knownRights(base)) ||
        lacks(descriptor.inheriting, knownRights(inheriting));
      if (unknown || gains) return errno.notcapable;
      descriptor.base = knownRights(base);
      descriptor.inheriting = knownRights(inheriting);
      return errno.success;
    },

    fd_filestat_get(fd, address) {
      const descriptor = withRights(state, fd, right.fdFilestatGet);
      if (failed(descriptor)) return descriptor;
      if (!memory.holds(address, FILESTAT_BYTES)) return errno.fault;
      writeFilestat(memory, address, typeOfDescriptor(descriptor), nodeOf(descriptor));
      return errno.success;
    },

    fd_filestat_set_size(fd, size) {
      const descriptor = fileWithRights(state, fd, right.fdFilestatSetSize);
      if (failed(descriptor)) return descriptor;
      const length = asOffset(size);
      return length === undefined ? errno.fbig : files.resize(descriptor.node, length);
    },

    fd_filestat_set_times(fd, accessed, modified, flags) {
      const descriptor = withRights(state, fd, right.fdFilestatSetTimes);
      if (failed(descriptor)) return descriptor;
      const node = nodeOf(descriptor);
      return node ? setTimes(node, accessed, modified, flags, files.now()) : errno.notsup;
    },

    // wasi-libc looks for preopens from 3 upwards until EBADF; any other error ends the program.
    fd_prestat_get(fd, address) {
      const name = preopen(fd);
      if (name === undefined) return errno.badf;
      if (!memory.holds(address, PRESTAT_BYTES)) return errno.fault;
      memory.bytes(address, PRESTAT_BYTES).fill(0);
      memory.setU32(address + 4, name.length);
      return errno.success;
    },

    fd_prestat_dir_name(fd, address, length) {
      const name = preopen(fd);
      if (name === undefined) return errno.badf;
      if (length < name.length) return errno.nametoolong;
      if (!memory.holds(address, name.length)) return errno.fault;
      memory.bytes(address, name.length).set(name);
      return errno.success;
    },
  };
}

function nodeOf(descriptor: Descriptor) {
  return descriptor.kind === 'stream' ? undefined : descriptor.node;
}
