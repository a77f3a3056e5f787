/** fd_read, fd_pread, fd_write, fd_pwrite, fd_seek, fd_tell; standard streams. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { right } from '../../../../src/backends/wasm/wasi/rights.ts';
import { file } from '../../../../src/backends/wasm/wasi/tree.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

const SET = 0;
const CURRENT = 1;
const END = 2;

/** A read or write at an offset. */
function at(
  guest: Guest,
  name: 'fd_pread' | 'fd_pwrite',
  fd: number,
  offset: bigint,
  text: string,
) {
  const result = guest.room(4);
  const [buffer, length] = guest.put(text);
  const error = guest.call(name, fd, ...guest.vectors([buffer, length]), offset, result);
  if (error !== 'success') return error;
  return name === 'fd_pread' ? guest.text(buffer, guest.u32(result)) : guest.u32(result);
}

describe('files', () => {
  test('are read and written from where the descriptor stands', () => {
    const guest = Guest.in({ a: file('hello world') });
    const fd = guest.fd('a');
    assert.equal(guest.read(fd, 5), 'hello');
    assert.equal(guest.write(fd, '-'), 1);
    assert.equal(guest.read(fd), 'world');
    assert.equal(guest.read(fd), '');
    assert.equal(guest.content('a'), 'hello-world');
  });

  test('every descriptor has an offset of its own', () => {
    const guest = Guest.in({ a: file('abc') });
    const [one, other] = [guest.fd('a'), guest.fd('a')];
    assert.equal(guest.read(one, 2), 'ab');
    assert.equal(guest.read(other, 2), 'ab');
    guest.write(other, 'X');
    assert.equal(guest.read(one), 'X');
  });

  test('scatter and gather, in the order of the buffers, empty ones left out', () => {
    const guest = Guest.in({ a: file('') });
    const fd = guest.fd('a');
    const result = guest.room(4);
    const written = guest.vectors(guest.put('one'), [0xfffffff0, 0], guest.put('two'));
    assert.equal(guest.call('fd_write', fd, ...written, result), 'success');
    assert.equal(guest.u32(result), 6);
    guest.seek(fd, 0n, SET);
    const [first, second] = [guest.room(8), guest.room(8)];
    const read = guest.vectors([first, 4], [second, 8]);
    assert.equal(guest.call('fd_read', fd, ...read, result), 'success');
    assert.equal(guest.u32(result), 6);
    assert.equal(guest.text(first, 4), 'onet');
    assert.equal(guest.text(second, 3), 'wo\0');
  });

  test('appending goes to the end, wherever the descriptor stood', () => {
    const guest = Guest.in({ a: file('start') });
    const fd = guest.fd('a', { flags: 1 });
    guest.write(fd, '1');
    assert.equal(guest.seek(fd, 0n, SET), 0n);
    guest.write(fd, '2');
    assert.equal(guest.seek(fd, 0n, CURRENT), 7n);
    assert.equal(guest.content('a'), 'start12');
  });

  test('at an offset they leave the descriptor where it stood', () => {
    const guest = Guest.in({ a: file('0123456789') });
    const fd = guest.fd('a');
    assert.equal(at(guest, 'fd_pread', fd, 7n, '....'), '789');
    assert.equal(at(guest, 'fd_pwrite', fd, 2n, 'XY'), 2);
    assert.equal(at(guest, 'fd_pread', fd, 10n, '..'), '');
    assert.equal(at(guest, 'fd_pread', fd, 2n ** 64n - 1n, '..'), '');
    assert.equal(guest.read(fd), '01XY456789');
    assert.equal(at(guest, 'fd_pwrite', fd, 2n ** 64n - 1n, 'x'), 'fbig');
  });

  test('a hole reads as zeros', () => {
    const guest = Guest.in({});
    const fd = guest.fd('a', { how: OPEN.create });
    guest.seek(fd, 200_000n, SET);
    guest.write(fd, 'end');
    assert.equal(at(guest, 'fd_pread', fd, 199_998n, '.....'), '\0\0end');
    assert.equal(at(guest, 'fd_pread', fd, 65_534n, '....'), '\0\0\0\0');
    const stat = guest.fdStat(fd);
    assert.equal(typeof stat === 'object' && stat.size, 200_003n);
  });

  test('reading and writing need their rights, and at an offset the right to seek too', () => {
    const guest = Guest.in({ a: file('abc') });
    const reader = guest.fd('a', { rights: BigInt(right.fdRead) });
    const writer = guest.fd('a', { rights: BigInt(right.fdWrite) });
    assert.equal(guest.write(reader, 'x'), 'notcapable');
    assert.equal(guest.read(writer), 'notcapable');
    assert.equal(at(guest, 'fd_pread', reader, 0n, '.'), 'notcapable');
    assert.equal(at(guest, 'fd_pwrite', writer, 0n, '.'), 'notcapable');
    assert.equal(guest.seek(reader, 1n, SET), 'notcapable');
    assert.equal(guest.call('fd_tell', reader, 0), 'notcapable');
  });

  test('directories are neither read nor written', () => {
    const guest = Guest.in({});
    assert.equal(guest.read(ROOT), 'isdir');
    assert.equal(guest.write(ROOT, ''), 'isdir');
    assert.equal(at(guest, 'fd_pread', ROOT, 0n, '.'), 'isdir');
    assert.equal(at(guest, 'fd_pwrite', ROOT, 0n, '.'), 'isdir');
    assert.equal(guest.seek(ROOT, 0n, CURRENT), 'isdir');
    assert.equal(guest.call('fd_tell', ROOT, 0), 'isdir');
  });
});

describe('fd_seek and fd_tell', () => {
  test('count from the start, from here and from the end', () => {
    const guest = Guest.in({ a: file('0123456789') });
    const fd = guest.fd('a');
    assert.equal(guest.seek(fd, 4n, SET), 4n);
    assert.equal(guest.seek(fd, -1n, CURRENT), 3n);
    assert.equal(guest.seek(fd, -2n, END), 8n);
    assert.equal(guest.seek(fd, 1000n, END), 1010n);
    const result = guest.room(8);
    assert.equal(guest.call('fd_tell', fd, result), 'success');
    assert.equal(guest.u64(result), 1010n);
    assert.equal(guest.read(fd), '');
  });

  test('go neither before the start nor where no offset reaches', () => {
    const guest = Guest.in({ a: file('0123456789') });
    const fd = guest.fd('a');
    guest.seek(fd, 5n, SET);
    assert.equal(guest.seek(fd, -6n, CURRENT), 'inval');
    assert.equal(guest.seek(fd, -(2n ** 63n), END), 'inval');
    assert.equal(guest.seek(fd, 2n ** 63n - 1n, SET), 'overflow');
    assert.equal(guest.seek(fd, 2n ** 63n - 1n, CURRENT), 'overflow');
    for (const whence of [3, 255, 0xffffffff]) assert.equal(guest.seek(fd, 0n, whence), 'inval');
    assert.equal(guest.seek(fd, 0n, CURRENT), 5n);
  });

  test('with the right to tell alone, only asking is allowed', () => {
    const guest = Guest.in({ a: file('abc') });
    const fd = guest.fd('a', { rights: BigInt(right.fdTell) });
    assert.equal(guest.seek(fd, 0n, CURRENT), 0n);
    assert.equal(guest.call('fd_tell', fd, 0), 'success');
    assert.equal(guest.seek(fd, 0n, SET), 'notcapable');
    assert.equal(guest.seek(fd, 1n, CURRENT), 'notcapable');
    const seeking = guest.fd('a', { rights: BigInt(right.fdSeek) });
    assert.equal(guest.call('fd_tell', seeking, 0), 'success');
  });
});

describe('standard streams', () => {
  test('input comes from bytes and ends', () => {
    const guest = new Guest({ stdin: new TextEncoder().encode('typed') });
    assert.equal(guest.read(0, 2), 'ty');
    assert.equal(guest.read(0), 'ped');
    assert.equal(guest.read(0), '');
    assert.equal(guest.write(0, 'x'), 'notcapable');
  });

  test('input is pulled, and what was too much is kept', () => {
    const chunks = ['one', 'two!'].map((text) => new TextEncoder().encode(text));
    const asked: number[] = [];
    const read = (most: number) => {
      asked.push(most);
      return chunks.shift();
    };
    const guest = new Guest({ stdin: { read } });
    assert.deepEqual([guest.read(0, 2), guest.read(0, 2), guest.read(0, 9)], ['on', 'e', 'two!']);
    assert.deepEqual([guest.read(0, 9), guest.read(0, 9)], ['', '']);
    assert.deepEqual(asked, [2, 9, 9], 'after the end it is not asked again');
  });

  test('output is scattered over its sinks as copies', () => {
    const got: Uint8Array[] = [];
    const guest = new Guest({ stdout: { sink: (bytes) => got.push(bytes) } });
    const text = guest.put('out');
    guest.call('fd_write', 1, ...guest.vectors(text), guest.room(4));
    guest.bytes(...text).fill(0);
    assert.equal(guest.write(2, 'dropped'), 7);
    assert.equal(Buffer.concat(got).toString(), 'out');
    assert.equal(guest.host.stdout.written, 3);
    assert.equal(guest.read(1), 'notcapable');
  });

  test('past its limit output fails with ENOSPC after what fits', () => {
    let text = '';
    const sink = (bytes: Uint8Array) => {
      text += Buffer.from(bytes);
    };
    const guest = new Guest({ stdout: { sink, limitBytes: 5 } });
    assert.equal(guest.write(1, '123'), 3);
    assert.equal(guest.write(1, '4567'), 2);
    assert.equal(guest.write(1, '8'), 'nospc');
    assert.equal(guest.write(1, ''), 0);
    assert.equal(text, '12345');
  });

  test('or is taken, counted and dropped', () => {
    let text = '';
    const sink = (bytes: Uint8Array) => {
      text += Buffer.from(bytes);
    };
    const guest = new Guest({ stderr: { sink, limitBytes: 5, pastLimit: 'discard' } });
    assert.equal(guest.write(2, '123'), 3);
    assert.equal(guest.write(2, '4567'), 4);
    assert.equal(guest.write(2, '8'), 1);
    assert.equal(text, '12345');
    assert.deepEqual([guest.host.stderr.written, guest.host.stderr.discarded], [5, 3]);
  });

  test('have no offset', () => {
    const guest = new Guest();
    for (const fd of [0, 1, 2]) {
      assert.equal(guest.seek(fd, 0n, CURRENT), 'spipe');
      assert.equal(guest.call('fd_tell', fd, 0), 'spipe');
      assert.equal(at(guest, 'fd_pread', fd, 0n, '.'), 'spipe');
      assert.equal(at(guest, 'fd_pwrite', fd, 0n, '.'), 'spipe');
    }
  });

  test('a read that does not wait answers EAGAIN while nothing is there', () => {
    let there = false;
    const guest = new Guest({
      stdin: { read: () => new Uint8Array([65]), wait: (ns) => ns !== 0n || there },
    });
    assert.equal(guest.call('fd_fdstat_set_flags', 0, 4), 'success');
    assert.equal(guest.read(0, 1), 'again');
    there = true;
    assert.equal(guest.read(0, 1), 'A');
  });

  test('what a source or a sink throws is EIO to the guest, and kept for the host', () => {
    const broken = new Error('the pipe burst');
    const throws = () => {
      throw broken;
    };
    const guest = new Guest({ stdin: { read: throws }, stdout: { sink: throws } });
    assert.equal(guest.read(0), 'io');
    assert.equal(guest.write(1, 'x'), 'io');
    assert.deepEqual(guest.host.faults, [broken, broken]);
    assert.equal(guest.write(2, 'goes on'), 7);
  });
});

describe('lazy files', () => {
  test('are loaded when they are first read, and not for their size', () => {
    let loads = 0;
    const load = () => {
      loads += 1;
      return new TextEncoder().encode('lazy');
    };
    const guest = Guest.in({ a: file({ size: 4, load }) });
    const stat = guest.stat('a');
    assert.equal(typeof stat === 'object' && stat.size, 4n);
    assert.equal(loads, 0);
    assert.equal(guest.content('a'), 'lazy');
    assert.equal(guest.content('a'), 'lazy');
    assert.equal(loads, 1);
  });

  test('cannot be another size than they were announced', () => {
    const guest = Guest.in({ a: file({ size: 4, load: () => new Uint8Array(5) }) });
    assert.equal(guest.content('a'), 'io');
    assert.equal(guest.host.faults.length, 1);
  });

  test('writing over all of one loads nothing, and what was handed in stays as it was', () => {
    const original = new TextEncoder().encode('abcdef');
    const guest = Guest.in({
      lazy: file({
        size: 6,
        load: () => {
          throw new Error('not needed');
        },
      }),
      eager: file(original),
    });
    for (const name of ['lazy', 'eager']) {
      const fd = guest.fd(name, { how: OPEN.truncate });
      guest.write(fd, 'XY');
      assert.equal(guest.content(name), 'XY');
    }
    assert.equal(new TextDecoder().decode(original), 'abcdef');
    assert.deepEqual(guest.host.faults, []);
  });
});
