/** fd_close, fd_renumber, fd_prestat_*, fd_fdstat_*, fd_filestat_*, fd_advise, fd_allocate, fd_sync, fd_datasync. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DIRECTORY_RIGHTS,
  FILE_RIGHTS,
  INPUT_RIGHTS,
  OUTPUT_RIGHTS,
  right,
} from '../../../../src/backends/wasm/wasi/rights.ts';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

const NOBODY = 99;

test('every call on a descriptor that is not open answers EBADF', () => {
  const guest = Guest.in({});
  const at = guest.room(64);
  const calls = [
    ['fd_advise', 0n, 0n, 0],
    ['fd_allocate', 0n, 1n],
    ['fd_close'],
    ['fd_datasync'],
    ['fd_fdstat_get', at],
    ['fd_fdstat_set_flags', 0],
    ['fd_fdstat_set_rights', 0n, 0n],
    ['fd_filestat_get', at],
    ['fd_filestat_set_size', 0n],
    ['fd_filestat_set_times', 0n, 0n, 0],
    ['fd_pread', 0, 0, 0n, at],
    ['fd_prestat_get', at],
    ['fd_prestat_dir_name', at, 64],
    ['fd_pwrite', 0, 0, 0n, at],
    ['fd_read', 0, 0, at],
    ['fd_readdir', at, 64, 0n, at],
    ['fd_renumber', 0],
    ['fd_seek', 0n, 0, at],
    ['fd_sync'],
    ['fd_tell', at],
    ['fd_write', 0, 0, at],
    ['path_create_directory', at, 1],
    ['path_filestat_get', 0, at, 1, at],
    ['path_filestat_set_times', 0, at, 1, 0n, 0n, 0],
    ['path_link', 0, at, 1, ROOT, at, 1],
    ['path_open', 0, at, 1, 0, 0n, 0n, 0, at],
    ['path_readlink', at, 1, at, 1, at],
    ['path_remove_directory', at, 1],
    ['path_rename', at, 1, ROOT, at, 1],
    ['path_unlink_file', at, 1],
    ['sock_accept', 0, at],
    ['sock_recv', 0, 0, 0, at, at],
    ['sock_send', 0, 0, 0, at],
    ['sock_shutdown', 1],
  ] as const;
  for (const fd of [NOBODY, 0x7fffffff, 0xffffffff]) {
    for (const [name, ...rest] of calls) {
      assert.equal(guest.call(name, fd, ...rest), 'badf', `${name} of ${fd}`);
    }
    assert.equal(guest.call('path_symlink', at, 1, fd, at, 1), 'inval', 'NUL is no target');
    assert.equal(guest.symlink('a', 'b', fd), 'badf');
  }
});

test('no descriptor is a socket', () => {
  const guest = Guest.in({ a: file('') });
  const at = guest.room(16);
  for (const fd of [0, 1, 2, ROOT, guest.fd('a')]) {
    assert.equal(guest.call('sock_accept', fd, 0, at), 'notsock');
    assert.equal(guest.call('sock_recv', fd, 0, 0, 0, at, at), 'notsock');
    assert.equal(guest.call('sock_send', fd, 0, 0, 0, at), 'notsock');
    assert.equal(guest.call('sock_shutdown', fd, 3), 'notsock');
  }
});

describe('preopens', () => {
  const preopens = [
    { path: '/', directory: directory({ a: file('of the first') }) },
    { path: '/dätä', directory: directory({ b: file('of the second') }) },
  ];

  test('are told from 3 upwards, in order, until EBADF', () => {
    const guest = new Guest({ preopens });
    const names: string[] = [];
    for (let fd = 3; ; fd++) {
      const at = guest.room(8);
      guest.bytes(at, 8).fill(0xff);
      const error = guest.call('fd_prestat_get', fd, at);
      if (error === 'badf') break;
      assert.equal(error, 'success');
      assert.equal(guest.u32(at), 0, 'the tag and its padding');
      const length = guest.u32(at + 4);
      const name = guest.room(length + 1);
      assert.equal(guest.call('fd_prestat_dir_name', fd, name, length), 'success');
      names.push(guest.text(name, length));
      assert.equal(guest.bytes(name + length, 1)[0], 0, 'no NUL is promised, none is written');
    }
    assert.deepEqual(names, ['/', '/dätä']);
    assert.equal(guest.content('a'), 'of the first');
  });

  test('check the room for the name', () => {
    const guest = new Guest({ preopens });
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('fd_prestat_dir_name', 4, 0, 6), 'nametoolong');
    assert.equal(guest.call('fd_prestat_dir_name', 4, 0, 0xffffffff), 'success');
    assert.equal(guest.call('fd_prestat_dir_name', 4, end - 1, 7), 'fault');
    assert.equal(guest.call('fd_prestat_get', 4, end - 7), 'fault');
  });

  test('stdio and opened directories are none', () => {
    const guest = new Guest({ preopens });
    const opened = guest.fd('.', { how: OPEN.directory });
    for (const fd of [0, 1, 2, opened]) {
      assert.equal(guest.call('fd_prestat_get', fd, 0), 'badf');
      assert.equal(guest.call('fd_prestat_dir_name', fd, 0, 9), 'badf');
    }
  });
});

describe('fd_close and fd_renumber', () => {
  test('a closed descriptor is gone, and its number is the next one given out', () => {
    const guest = Guest.in({ a: file('1'), b: file('2') });
    const a = guest.fd('a');
    assert.equal(guest.call('fd_close', a), 'success');
    assert.equal(guest.call('fd_close', a), 'badf');
    assert.equal(guest.fd('b'), a);
    assert.equal(guest.call('fd_close', 1), 'success');
    assert.equal(guest.write(1, 'x'), 'badf');
  });

  test('renumbering moves the descriptor with its offset and closes what was there', () => {
    const guest = Guest.in({ a: file('12345'), b: file('abcde') });
    const [a, b] = [guest.fd('a'), guest.fd('b')];
    assert.equal(guest.read(a, 2), '12');
    assert.equal(guest.call('fd_renumber', a, b), 'success');
    assert.equal(guest.read(b), '345');
    assert.equal(guest.call('fd_close', a), 'badf');
  });

  test('both ends must be open; onto itself it changes nothing', () => {
    const guest = Guest.in({ a: file('12345') });
    const a = guest.fd('a');
    for (const to of [a + 1, 0x7fffffff, 0xffffffff]) {
      assert.equal(guest.call('fd_renumber', a, to), 'badf');
      assert.equal(guest.call('fd_renumber', to, a), 'badf');
    }
    assert.equal(guest.call('fd_renumber', a, a), 'success');
    assert.equal(guest.read(a), '12345');
  });

  test('a preopen that is moved is a preopen where it went', () => {
    const guest = Guest.in({ a: file('x') });
    const opened = guest.fd('.', { how: OPEN.directory });
    assert.equal(guest.call('fd_renumber', ROOT, opened), 'success');
    assert.equal(guest.call('fd_prestat_get', ROOT, 0), 'badf');
    assert.equal(guest.call('fd_prestat_get', opened, 0), 'success');
  });

  test('standard output can be turned to a file', () => {
    const guest = Guest.in({});
    const log = guest.fd('log', { how: OPEN.create });
    assert.equal(guest.call('fd_renumber', log, 1), 'success');
    assert.equal(guest.write(1, 'to the file'), 11);
    assert.equal(guest.content('log'), 'to the file');
  });
});

describe('fd_fdstat', () => {
  test('tells type, flags and rights', () => {
    const guest = Guest.in({ a: file('') });
    assert.deepEqual(guest.rights(0), {
      type: 0,
      flags: 0,
      base: BigInt(INPUT_RIGHTS),
      inheriting: 0n,
    });
    assert.equal(guest.rights(1).base, BigInt(OUTPUT_RIGHTS));
    assert.deepEqual(guest.rights(ROOT), {
      type: 3,
      flags: 0,
      base: BigInt(DIRECTORY_RIGHTS),
      inheriting: BigInt(DIRECTORY_RIGHTS | FILE_RIGHTS),
    });
    assert.deepEqual(guest.rights(guest.fd('a', { flags: 1 | 4 })), {
      type: 4,
      flags: 5,
      base: BigInt(FILE_RIGHTS),
      inheriting: 0n,
    });
    assert.equal(guest.call('fd_fdstat_get', 0, guest.memory.buffer.byteLength - 23), 'fault');
  });

  test('a terminal is a character device without seeking, which is what isatty looks for', () => {
    const guest = new Guest({ stdout: { sink: () => {}, terminal: true } });
    const { type, base } = guest.rights(1);
    assert.equal(type, 2);
    assert.equal(base & BigInt(right.fdSeek | right.fdTell), 0n);
    assert.notEqual(guest.rights(2).type, 2);
  });

  test('flags are set where there is the right, and only flags that there are', () => {
    const guest = Guest.in({ a: file('') });
    const fd = guest.fd('a');
    assert.equal(guest.call('fd_fdstat_set_flags', fd, 31), 'success');
    assert.equal(guest.rights(fd).flags, 31);
    for (const unknown of [32, 0x8000, 0x10000, 0xffffffff]) {
      assert.equal(guest.call('fd_fdstat_set_flags', fd, unknown), 'inval');
    }
    assert.equal(guest.rights(fd).flags, 31);
    const bare = guest.fd('a', { rights: 0n });
    assert.equal(guest.call('fd_fdstat_set_flags', bare, 0), 'notcapable');
  });

  test('rights are given up for good', () => {
    const guest = Guest.in({ a: file('text') });
    const fd = guest.fd('a');
    const { base } = guest.rights(fd);
    const less = base & ~BigInt(right.fdRead);
    assert.equal(guest.call('fd_fdstat_set_rights', fd, less, 0n), 'success');
    assert.equal(guest.read(fd), 'notcapable');
    assert.equal(guest.call('fd_fdstat_set_rights', fd, base, 0n), 'notcapable');
    assert.equal(guest.rights(fd).base, less);
  });

  test('bits that name no right cannot be gained either', () => {
    const guest = Guest.in({ a: file('') });
    const fd = guest.fd('a');
    const { base } = guest.rights(fd);
    for (const bit of [30n, 31n, 32n, 63n]) {
      assert.equal(guest.call('fd_fdstat_set_rights', fd, base | (1n << bit), 0n), 'notcapable');
      assert.equal(guest.call('fd_fdstat_set_rights', fd, base, 1n << bit), 'notcapable');
    }
    assert.equal(guest.rights(fd).base, base);
  });
});

describe('fd_filestat', () => {
  test('tells of a file what there is to tell', () => {
    const guest = Guest.in({ a: file('12345', { modifiedNs: 77n }) });
    const fd = guest.fd('a');
    assert.equal(guest.link('a', 'b'), 'success');
    const stat = guest.fdStat(fd);
    assert.ok(typeof stat === 'object');
    assert.deepEqual(
      { type: stat.type, size: stat.size, links: stat.links, modified: stat.modified },
      { type: 4, size: 5n, links: 2n, modified: 77n },
    );
    assert.deepEqual(guest.stat('a'), stat);
    assert.deepEqual(guest.stat('b'), stat);
    assert.equal(guest.call('fd_filestat_get', fd, guest.memory.buffer.byteLength - 63), 'fault');
  });

  test('of a stream only its type is known, and a directory has another serial number than its files', () => {
    const guest = Guest.in({ a: file('') });
    const [stdin, root, a] = [guest.fdStat(0), guest.fdStat(ROOT), guest.stat('a')];
    assert.ok(typeof stdin === 'object' && typeof root === 'object' && typeof a === 'object');
    assert.deepEqual([stdin.type, stdin.inode, stdin.size], [0, 0n, 0n]);
    assert.equal(root.type, 3);
    assert.equal(root.dev, a.dev);
    assert.notEqual(root.inode, a.inode);
  });

  test('goes on telling of a file that was removed while it is open', () => {
    const guest = Guest.in({});
    const fd = guest.fd('a', { how: OPEN.create });
    guest.write(fd, 'still here');
    assert.equal(guest.path('path_unlink_file', 'a'), 'success');
    const stat = guest.fdStat(fd);
    assert.ok(typeof stat === 'object');
    assert.deepEqual([stat.size, stat.links], [10n, 0n]);
    assert.equal(guest.seek(fd, 0n, 0), 0n);
    assert.equal(guest.read(fd), 'still here');
    assert.equal(guest.stat('a'), 'noent');
  });

  test('fd_filestat_set_size cuts off, and adds zeros', () => {
    const guest = Guest.in({ a: file('12345') });
    const fd = guest.fd('a');
    assert.equal(guest.call('fd_filestat_set_size', fd, 2n), 'success');
    assert.equal(guest.call('fd_filestat_set_size', fd, 4n), 'success');
    assert.equal(guest.content('a'), '12\0\0');
    assert.equal(guest.call('fd_filestat_set_size', fd, 2n ** 63n), 'fbig');
    assert.equal(guest.call('fd_filestat_set_size', ROOT, 0n), 'isdir');
    assert.equal(guest.call('fd_filestat_set_size', 1, 0n), 'spipe');
    const bare = guest.fd('a', { rights: BigInt(right.fdWrite) });
    assert.equal(guest.call('fd_filestat_set_size', bare, 0n), 'notcapable');
  });

  test('fd_filestat_set_times sets what its flags name, all or nothing', () => {
    const guest = Guest.in({ a: file('', { modifiedNs: 5n }) });
    const fd = guest.fd('a');
    const times = (...args: [bigint, bigint, number]) =>
      guest.call('fd_filestat_set_times', fd, ...args);
    const stat = () => {
      const found = guest.fdStat(fd);
      assert.ok(typeof found === 'object');
      return [found.accessed, found.modified];
    };
    assert.equal(times(10n, 20n, 1), 'success');
    assert.deepEqual(stat(), [10n, 5n]);
    assert.equal(times(30n, 2n ** 64n - 1n, 4), 'success');
    assert.deepEqual(stat(), [10n, 2n ** 64n - 1n]);
    for (const both of [3, 12, 15, 16, 0x10000]) assert.equal(times(1n, 1n, both), 'inval');
    assert.deepEqual(stat(), [10n, 2n ** 64n - 1n]);
    assert.equal(times(0n, 0n, 2 | 8), 'success');
    const [accessed, modified] = stat();
    assert.equal(accessed, modified);
    assert.ok(accessed !== undefined && accessed > 10n && accessed < 2n ** 63n);
    assert.equal(guest.call('fd_filestat_set_times', 1, 0n, 0n, 1), 'notcapable');
    assert.equal(guest.call('fd_filestat_set_times', ROOT, 8n, 9n, 5), 'success');
  });
});

test('fd_advise changes nothing, and checks what it is told', () => {
  const guest = Guest.in({ a: file('12345') });
  const fd = guest.fd('a');
  for (const advice of [0, 1, 2, 3, 4, 5]) {
    assert.equal(guest.call('fd_advise', fd, 0n, 10n, advice), 'success');
  }
  assert.equal(guest.content('a'), '12345');
  assert.equal(guest.call('fd_advise', fd, 0n, 10n, 6), 'inval');
  assert.equal(guest.call('fd_advise', fd, 2n ** 64n - 1n, 2n, 0), 'inval');
  assert.equal(guest.call('fd_advise', ROOT, 0n, 0n, 0), 'isdir');
  assert.equal(guest.call('fd_advise', 1, 0n, 0n, 0), 'spipe');
  assert.equal(guest.call('fd_advise', guest.fd('a', { rights: 0n }), 0n, 0n, 0), 'notcapable');
});

test('fd_allocate grows a file and never shrinks it', () => {
  const guest = Guest.in({ a: file('12345') });
  const fd = guest.fd('a');
  assert.equal(guest.call('fd_allocate', fd, 0n, 3n), 'success');
  assert.equal(guest.content('a'), '12345');
  assert.equal(guest.call('fd_allocate', fd, 4n, 3n), 'success');
  assert.equal(guest.content('a'), '12345\0\0');
  assert.equal(guest.call('fd_allocate', fd, 0n, 0n), 'inval');
  assert.equal(guest.call('fd_allocate', fd, 2n ** 64n - 1n, 2n ** 64n - 1n), 'fbig');
  assert.equal(guest.call('fd_allocate', fd, 0n, 2n ** 40n), 'fbig');
  assert.equal(guest.call('fd_allocate', ROOT, 0n, 1n), 'isdir');
  assert.equal(guest.call('fd_allocate', 0, 0n, 1n), 'spipe');
  const bare = guest.fd('a', { rights: BigInt(right.fdWrite) });
  assert.equal(guest.call('fd_allocate', bare, 0n, 9n), 'notcapable');
});

test('fd_sync and fd_datasync succeed where there is the right', () => {
  const guest = Guest.in({ a: file(''), link: symlink('a') });
  for (const name of ['fd_sync', 'fd_datasync'] as const) {
    assert.equal(guest.call(name, guest.fd('a')), 'success');
    assert.equal(guest.call(name, ROOT), 'success');
    assert.equal(guest.call(name, 1), 'success');
    assert.equal(guest.call(name, 0), 'notcapable');
    assert.equal(guest.call(name, guest.fd('a', { rights: 0n })), 'notcapable');
  }
});
