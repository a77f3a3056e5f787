import { descriptorFlag, type FileDescriptor } from '../descriptors.ts';
import { type Errno, errno, failed } from '../errno.ts';
import {
  asOffset,
  fileWithRights,
  type GuestState,
  readVectors,
  refuses,
  type Vector,
} from '../guest-state.ts';
import { right } from '../rights.ts';
import type { WasiCalls } from '../signatures.ts';
import type { InputStream, OutputStream } from '../streams.ts';

type Calls = Pick<
  WasiCalls,
  'fd_read' | 'fd_pread' | 'fd_write' | 'fd_pwrite' | 'fd_seek' | 'fd_tell'
>;

type Moved = { readonly bytes: number } | Errno;

const WHENCE_CURRENT = 1;
const WHENCE_END = 2;

/** Bytes between the guest's memory, its files and its streams. A transfer may be shorter than asked for. */
export function transferCalls(state: GuestState): Calls {
  const { memory, files, descriptors } = state;

  /** Runs a transfer over the buffers once all of them, and the place for the count, are known to be there. */
  const transfer = (
    vectors: number,
    count: number,
    result: number,
    move: (vectors: Vector[], total: number) => Moved,
  ): number => {
    const buffers = readVectors(state, vectors, count);
    if (failed(buffers)) return buffers;
    if (!memory.holds(result, 4)) return errno.fault;
    const moved = move(buffers.vectors, buffers.total);
    if (failed(moved)) return moved;
    memory.setU32(result, moved.bytes);
    return errno.success;
  };

  const readFile = ({ node }: FileDescriptor, offset: number, vectors: Vector[]): Moved => {
    let bytes = 0;
    for (const { address, length } of vectors) {
      const read = node.content.read(offset + bytes, memory.bytes(address, length));
      bytes += read;
      if (read < length) break;
    }
    return { bytes };
  };

  const writeFile = ({ node }: FileDescriptor, offset: number, vectors: Vector[]): Moved => {
    if (!node.writable) return errno.rofs;
    let bytes = 0;
    for (const { address, length } of vectors) {
      const wrote = files.write(node, offset + bytes, memory.bytes(address, length));
      if (failed(wrote)) return bytes > 0 ? { bytes } : wrote;
      bytes += wrote.written;
      if (wrote.written < length) break;
    }
    return { bytes };
  };

  const readStream = (
    stream: InputStream,
    flags: number,
    vectors: Vector[],
    total: number,
  ): Moved => {
    const waits = (flags & descriptorFlag.nonblock) === 0;
    if (!waits && total > 0 && !stream.wait(0n)) return errno.again;
    const read = stream.read(total);
    let done = 0;
    for (const { address, length } of vectors) {
      const part = read.subarray(done, done + length);
      memory.bytes(address, part.length).set(part);
      done += part.length;
    }
    return { bytes: done };
  };

  const writeStream = (stream: OutputStream, vectors: Vector[]): Moved => {
    let bytes = 0;
    for (const { address, length } of vectors) {
      const taken = stream.write(memory.bytes(address, length));
      bytes += taken;
      if (taken < length) return bytes > 0 ? { bytes } : errno.nospc;
    }
    return { bytes };
  };

  return {
    fd_read(fd, vectors, count, result) {
      const descriptor = descriptors.get(fd);
      if (descriptor === undefined) return errno.badf;
      if (descriptor.kind === 'directory') return errno.isdir;
      const refusal = refuses(descriptor, right.fdRead);
      if (refusal !== errno.success) return refusal;
      return transfer(vectors, count, result, (buffers, total) => {
        if (descriptor.kind === 'stream') {
          const { stream, flags } = descriptor;
          return stream.kind === 'input'
            ? readStream(stream, flags, buffers, total)
            : errno.notcapable;
        }
        const moved = readFile(descriptor, descriptor.offset, buffers);
        if (!failed(moved)) descriptor.offset += moved.bytes;
        return moved;
      });
    },

    fd_write(fd, vectors, count, result) {
      const descriptor = descriptors.get(fd);
      if (descriptor === undefined) return errno.badf;
      if (descriptor.kind === 'directory') return errno.isdir;
      const refusal = refuses(descriptor, right.fdWrite);
      if (refusal !== errno.success) return refusal;
      return transfer(vectors, count, result, (buffers) => {
        if (descriptor.kind === 'stream') {
          const { stream } = descriptor;
          return stream.kind === 'output' ? writeStream(stream, buffers) : errno.notcapable;
        }
        const appends = (descriptor.flags & descriptorFlag.append) !== 0;
        const offset = appends ? descriptor.node.content.size : descriptor.offset;
        const moved = writeFile(descriptor, offset, buffers);
        if (!failed(moved)) descriptor.offset = offset + moved.bytes;
        return moved;
      });
    },

    fd_pread(fd, vectors, count, offset, result) {
      const descriptor = fileWithRights(state, fd, right.fdRead | right.fdSeek);
      if (failed(descriptor)) return descriptor;
      const from = asOffset(offset);
      return transfer(vectors, count, result, (buffers) =>
        from === undefined ? { bytes: 0 } : readFile(descriptor, from, buffers),
      );
    },

    fd_pwrite(fd, vectors, count, offset, result) {
      const descriptor = fileWithRights(state, fd, right.fdWrite | right.fdSeek);
      if (failed(descriptor)) return descriptor;
      const from = asOffset(offset);
      return transfer(vectors, count, result, (buffers) =>
        from === undefined ? errno.fbig : writeFile(descriptor, from, buffers),
      );
    },

    fd_seek(fd, delta, whence, result) {
      const signed = BigInt.asIntN(64, delta);
      const stays = whence === WHENCE_CURRENT && signed === 0n;
      const descriptor = fileWithRights(state, fd, 0);
      if (failed(descriptor)) return descriptor;
      const needed = stays ? right.fdSeek | right.fdTell : right.fdSeek;
      if ((descriptor.base & needed) === 0) return errno.notcapable;
      if (whence > WHENCE_END) return errno.inval;
      if (!memory.holds(result, 8)) return errno.fault;
      const { offset, node } = descriptor;
      const from =
        whence === WHENCE_CURRENT ? offset : whence === WHENCE_END ? node.content.size : 0;
      const to = BigInt(from) + signed;
      if (to < 0n) return errno.inval;
      const reached = asOffset(to);
      if (reached === undefined) return errno.overflow;
      descriptor.offset = reached;
      memory.setU64(result, to);
      return errno.success;
    },

    fd_tell(fd, result) {
      const descriptor = fileWithRights(state, fd, 0);
      if (failed(descriptor)) return descriptor;
      if ((descriptor.base & (right.fdSeek | right.fdTell)) === 0) return errno.notcapable;
      if (!memory.holds(result, 8)) return errno.fault;
      memory.setU64(result, BigInt(descriptor.offset));
      return errno.success;
    },
  };
}
