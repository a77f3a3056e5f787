/** path_open and fd_readdir. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FILE_RIGHTS, right } from '../../../../src/backends/wasm/wasi/rights.ts';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { ALL_RIGHTS, Guest, OPEN, ROOT } from './guest.ts';

const { create, exclusive, truncate } = OPEN;

describe('path_open', () => {
  test('opens what is there, and makes what is not where it is told to', () => {
    const guest = Guest.in({ f: file('old'), d: directory({}) });
    assert.equal(guest.open('none'), 'noent');
    assert.equal(guest.open('none/f', { how: create }), 'noent');
    assert.equal(guest.read(guest.fd('f', { how: create })), 'old');
    assert.equal(guest.open('f', { how: create | exclusive }), 'exist');
    assert.equal(guest.read(guest.fd('f', { how: truncate })), '');
    assert.equal(guest.content('f'), '');
    const made = guest.fd('d/new', { how: create | exclusive });
    assert.equal(guest.write(made, 'x'), 1);
    assert.equal(guest.content('d/new'), 'x');
  });

  test('of directories: never to write, and as a directory only what is one', () => {
    const guest = Guest.in({ f: file(''), d: directory({}) });
    const asDirectory = { how: OPEN.directory };
    assert.equal(typeof guest.open('d', asDirectory), 'number');
    assert.equal(typeof guest.open('d/', { rights: 0n }), 'number');
    assert.equal(guest.open('f', asDirectory), 'notdir');
    assert.equal(guest.open('f/'), 'notdir');
    assert.equal(guest.open('d', { rights: ALL_RIGHTS }), 'isdir');
    assert.equal(guest.open('d', { how: truncate, rights: 0n }), 'isdir');
    assert.equal(guest.open('d', { how: create, rights: 0n }), 'isdir');
    assert.equal(guest.open('.', { how: create, rights: 0n }), 'isdir');
    assert.equal(guest.open('new/', { how: create }), 'isdir');
    assert.equal(guest.open('d', { how: create | OPEN.directory }), 'inval');
  });

  test('of symlinks: follows where it is told to, and makes what they lead to', () => {
    const guest = Guest.in({ dead: symlink('made'), loop: symlink('loop'), f: file('') });
    assert.equal(guest.open('dead', { follow: true }), 'noent');
    assert.equal(guest.open('dead'), 'loop');
    assert.equal(guest.open('dead', { how: create }), 'loop');
    assert.equal(guest.open('dead', { how: create | exclusive, follow: true }), 'exist');
    assert.equal(typeof guest.open('dead', { how: create, follow: true }), 'number');
    assert.equal(guest.content('made'), '');
    assert.equal(guest.open('loop', { follow: true }), 'loop');
    assert.equal(guest.open('dead', { how: OPEN.directory }), 'loop');
  });

  test('refuses flags that there are not', () => {
    const guest = Guest.in({ f: file('') });
    for (const how of [16, 0x8000, 0x10000, 0xffffffff])
      assert.equal(guest.open('f', { how }), 'inval');
    for (const flags of [32, 0x10000, 0xffffffff])
      assert.equal(guest.open('f', { flags }), 'inval');
    const [path, result] = [guest.put('f'), guest.room(4)];
    assert.equal(guest.call('path_open', ROOT, 2, ...path, 0, 0n, 0n, 0, result), 'inval');
    assert.equal(guest.call('path_open', ROOT, 0, ...path, 0, 0n, 0n, 0, 0xfffffffe), 'fault');
    assert.equal(guest.fd('f'), 4, 'a refused opening takes no descriptor');
  });

  test('gives the rights that were asked for, as far as they mean something', () => {
    const guest = Guest.in({ f: file(''), d: directory({}) });
    const asked = BigInt(right.fdRead | right.pathOpen | right.sockAccept) | (1n << 40n);
    assert.deepEqual(guest.rights(guest.fd('f', { rights: asked })), {
      type: 4,
      flags: 0,
      base: BigInt(right.fdRead),
      inheriting: 0n,
    });
    const d = guest.fd('d', { rights: asked, inheriting: asked });
    assert.equal(guest.rights(d).base, BigInt(right.pathOpen));
    assert.equal(guest.rights(d).inheriting, BigInt(right.fdRead | right.pathOpen));
  });

  test('gives no right that the directory does not pass on, whatever is asked for', () => {
    const guest = Guest.in({ d: directory({ f: file(''), e: directory({ f: file('') }) }) });
    const reading = BigInt(right.fdRead | right.fdSeek | right.pathOpen | right.fdReaddir);
    const d = guest.fd('d', { rights: ALL_RIGHTS & ~64n, inheriting: reading });
    assert.equal(guest.open('f', { from: d, rights: BigInt(right.fdWrite) }), 'notcapable');
    assert.equal(
      guest.open('new', { from: d, how: create, rights: BigInt(right.fdWrite) }),
      'notcapable',
    );
    assert.equal(guest.stat('d/new'), 'noent', 'a refused opening makes no file');
    assert.equal(guest.open('.', { from: d, rights: 0n, inheriting: ALL_RIGHTS }), 'notcapable');
    assert.equal(
      guest.open('e', { from: d, rights: 0n, inheriting: BigInt(FILE_RIGHTS) }),
      'notcapable',
    );
    const e = guest.fd('e', { from: d, rights: reading, inheriting: reading });
    assert.equal(
      guest.open('f', { from: e, rights: BigInt(right.fdWrite), inheriting: 0n }),
      'notcapable',
    );
    assert.equal(
      typeof guest.open('f', { from: e, rights: BigInt(right.fdRead), inheriting: 0n }),
      'number',
    );
    assert.equal(guest.open('f', { from: e, how: create, rights: 0n }), 'notcapable');
    assert.equal(guest.open('f', { from: e, how: truncate, rights: 0n }), 'notcapable');
  });

  test('opens for synchronous writing where that is passed on', () => {
    const guest = Guest.in({ d: directory({ f: file('') }) });
    const [dsync, rsync, sync] = [2, 8, 16];
    for (const flags of [dsync, rsync, sync]) {
      assert.equal(guest.rights(guest.fd('d/f', { flags })).flags, flags);
    }
    const without = ALL_RIGHTS & ~BigInt(right.fdSync);
    const d = guest.fd('d', { how: OPEN.directory, inheriting: without });
    const open = (flags: number) => guest.open('f', { from: d, flags, rights: 0n });
    assert.deepEqual([open(rsync), open(sync)], ['notcapable', 'notcapable']);
    assert.equal(typeof open(dsync), 'number');
  });

  test('checks the path before it looks at anything', () => {
    const guest = Guest.in({ f: file('') });
    const { byteLength } = guest.memory.buffer;
    const open = (address: number, length: number) =>
      guest.call('path_open', ROOT, 0, address, length, create, 0n, 0n, 0, 0);
    assert.equal(open(byteLength - 1, 2), 'fault');
    assert.equal(open(0xffffffff, 0xffffffff), 'fault');
    assert.equal(open(0, 5000), 'nametoolong');
    assert.equal(guest.open(''), 'noent');
    assert.equal(guest.open('f\0'), 'inval');
    assert.equal(guest.open('a\0b', { how: create }), 'inval');
    for (const bytes of [
      [0xff],
      [0xc3],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf8, 0x88, 0x80, 0x80],
    ]) {
      assert.equal(open(...guest.put(Uint8Array.from(bytes))), 'ilseq');
    }
    assert.equal(guest.readdir(ROOT).entries.length, 3);
  });
});

describe('what is read-only', () => {
  const content = () => ({
    free: directory({ mine: file('mine') }, { writable: true }),
    fixed: directory({
      inner: directory({ f: file('fixed') }),
      but: file('b', { writable: true }),
    }),
    link: symlink('fixed'),
  });

  test('in the tree stays as it is', () => {
    const guest = Guest.in(content(), { writable: false });
    assert.equal(guest.open('new', { how: create }), 'rofs');
    assert.equal(guest.open('fixed/inner/f'), 'rofs');
    assert.equal(guest.open('fixed/inner/f', { how: truncate, rights: 0n }), 'rofs');
    assert.equal(guest.content('fixed/inner/f'), 'fixed');
    assert.equal(guest.path('path_create_directory', 'fixed/new'), 'rofs');
    assert.equal(guest.path('path_unlink_file', 'fixed/inner/f'), 'rofs');
    assert.equal(guest.path('path_remove_directory', 'fixed/inner'), 'rofs');
    assert.equal(guest.symlink('a', 'fixed/new'), 'rofs');
    assert.equal(guest.rename('fixed/inner/f', 'free/f'), 'rofs');
    assert.equal(guest.rename('free/mine', 'fixed/f'), 'rofs');
    assert.equal(guest.link('fixed/inner/f', 'free/f'), 'xdev');
    assert.equal(guest.link('free/mine', 'fixed/f'), 'rofs');
    const f = guest.fd('fixed/inner/f', { rights: ALL_RIGHTS & ~64n });
    assert.equal(guest.call('fd_filestat_set_size', f, 0n), 'rofs');
    assert.equal(guest.call('fd_allocate', f, 0n, 100n), 'rofs');
    assert.equal(guest.call('fd_filestat_set_times', f, 1n, 1n, 5), 'rofs');
    assert.equal(
      guest.call('path_filestat_set_times', ROOT, 0, ...guest.put('link'), 1n, 1n, 5),
      'rofs',
    );
    assert.deepEqual(guest.host.changes(), []);
  });

  test('may hold what is writable, and that is', () => {
    const guest = Guest.in(content(), { writable: false });
    assert.equal(guest.write(guest.fd('fixed/but'), 'X'), 1);
    assert.equal(guest.write(guest.fd('free/new', { how: create }), 'new'), 3);
    assert.equal(guest.path('path_unlink_file', 'free/mine'), 'success');
    assert.equal(guest.path('path_unlink_file', 'fixed/but'), 'rofs');
    assert.deepEqual(
      guest.host.changes().map(({ kind, path }) => `${kind} ${path}`),
      ['removed /free/mine', 'file /free/new', 'file /fixed/but'],
    );
  });

  test('inside what is writable can neither be moved away nor taken the place of', () => {
    const guest = Guest.in({
      work: directory({
        sub: directory({ git: directory({ config: file('c') }, { writable: false }) }),
        lock: file('l', { writable: false }),
      }),
      other: directory({}),
    });
    assert.equal(guest.rename('work/sub/git', 'work/x'), 'rofs');
    assert.equal(guest.rename('work/sub', 'work/x'), 'busy');
    assert.equal(guest.rename('work', 'x'), 'busy');
    assert.equal(guest.path('path_unlink_file', 'work/lock'), 'rofs');
    assert.equal(guest.link('work/lock', 'second'), 'xdev');
    guest.fd('new', { how: create });
    assert.equal(guest.rename('new', 'work/lock'), 'rofs');
    assert.equal(guest.rename('other', 'work/sub/git'), 'rofs');
    assert.equal(guest.rename('other', 'work/sub'), 'busy');
    assert.equal(guest.path('path_remove_directory', 'work/sub'), 'busy');
    assert.equal(guest.rename('new', 'work/sub/free'), 'success');
  });

  test('is what comes through a preopen that only reads, although it is writable through another', () => {
    const shared = directory(
      { f: file('text'), d: directory({ g: file('') }) },
      { writable: true },
    );
    const guest = new Guest({
      preopens: [
        { path: '/ro', directory: shared, access: 'read' },
        { path: '/rw', directory: shared },
      ],
    });
    const [ro, rw] = [3, 4];
    assert.equal(guest.rights(ro).base, guest.rights(rw).base);
    assert.equal(guest.open('f', { from: ro }), 'rofs');
    assert.equal(guest.open('new', { from: ro, how: create }), 'rofs');
    assert.equal(guest.open('f', { from: ro, how: truncate, rights: 0n }), 'rofs');
    const f = guest.fd('f', { from: ro, how: create, rights: ALL_RIGHTS & ~64n });
    assert.equal(guest.read(f), 'text');
    assert.equal(guest.call('fd_filestat_set_size', f, 0n), 'rofs');
    assert.equal(guest.call('fd_allocate', f, 0n, 9n), 'rofs');
    assert.equal(guest.call('fd_filestat_set_times', f, 1n, 1n, 5), 'rofs');
    const d = guest.fd('d', { from: ro, how: OPEN.directory });
    assert.equal(guest.open('g', { from: d }), 'rofs');
    assert.equal(guest.call('path_create_directory', d, ...guest.put('x')), 'rofs');
    assert.equal(guest.call('path_unlink_file', ro, ...guest.put('f')), 'rofs');
    assert.equal(guest.call('path_remove_directory', ro, ...guest.put('d')), 'rofs');
    assert.equal(guest.symlink('f', 'x', ro), 'rofs');
    assert.equal(guest.link('f', 'x', ro, rw), 'rofs');
    assert.equal(guest.link('f', 'x', rw, ro), 'rofs');
    assert.equal(guest.rename('f', 'x', ro, rw), 'rofs');
    assert.equal(guest.rename('f', 'x', rw, ro), 'rofs');
    assert.equal(
      guest.call('path_filestat_set_times', ro, 0, ...guest.put('f'), 1n, 1n, 5),
      'rofs',
    );
    assert.deepEqual(guest.host.changes(), []);
    assert.equal(guest.write(guest.fd('f', { from: rw }), 'X'), 1);
    assert.equal(guest.call('fd_seek', f, 0n, 0, 0), 'success');
    assert.equal(guest.read(f), 'Xext', 'it is the same file');
  });
});

describe('fd_readdir', () => {
  test('tells names, kinds and serial numbers, and . and .. first', () => {
    const guest = Guest.in({ f: file(''), d: directory({}), l: symlink('f'), ünï: file('') });
    const { entries, used } = guest.readdir(ROOT);
    assert.ok(used < 4096);
    assert.deepEqual(
      entries.map(({ name, type }) => [name, type]),
      [
        ['.', 3],
        ['..', 3],
        ['f', 4],
        ['d', 3],
        ['l', 7],
        ['ünï', 4],
      ],
    );
    for (const { name, inode } of entries.filter(({ name }) => name !== '..')) {
      const stat = guest.stat(name);
      assert.equal(typeof stat === 'object' && stat.inode, inode);
    }
    assert.equal(entries[1]?.inode, 0n, 'what lies above is not told');
  });

  test('goes on at any cookie, in buffers of any size, and meets every entry once', () => {
    const entries = Object.fromEntries(
      Array.from({ length: 50 }, (_, n) => [`entry-${'x'.repeat(n % 7)}${n}`, file('')]),
    );
    const guest = Guest.in(entries);
    const all = guest.readdir(ROOT, 0n, 16_384).entries.map(({ name }) => name);
    assert.equal(all.length, 52);
    for (const length of [64, 100, 333]) {
      const met: string[] = [];
      let cookie = 0n;
      for (;;) {
        const { entries: some, used } = guest.readdir(ROOT, cookie, length);
        met.push(...some.map(({ name }) => name));
        if (used < length) break;
        cookie = some.at(-1)?.next ?? cookie;
      }
      assert.deepEqual(met, all);
    }
  });

  test('cuts the last entry where the buffer ends', () => {
    const guest = Guest.in({ 'a-long-name': file('') });
    for (const length of [0, 1, 24, 25, 49, 50, 51, 70]) {
      assert.equal(guest.readdir(ROOT, 0n, length).used, length);
    }
    assert.equal(guest.readdir(ROOT, 0n, 200).used, 25 + 26 + 35);
  });

  test('entries that come and go while it is read shift no others', () => {
    const guest = Guest.in({ a: file(''), b: file(''), c: file('') });
    const { entries } = guest.readdir(ROOT);
    const afterA = entries.find(({ name }) => name === 'a')?.next ?? 0n;
    guest.path('path_unlink_file', 'a');
    guest.path('path_unlink_file', 'b');
    guest.fd('d', { how: create });
    assert.deepEqual(
      guest.readdir(ROOT, afterA).entries.map(({ name }) => name),
      ['c', 'd'],
    );
  });

  test('after many removals too', () => {
    const guest = Guest.in({});
    const d = guest.path('path_create_directory', 'keep');
    assert.equal(d, 'success');
    for (let n = 0; n < 300; n++) {
      assert.equal(guest.path('path_create_directory', `n${n}`), 'success');
      if (n % 50 !== 0) assert.equal(guest.path('path_remove_directory', `n${n}`), 'success');
    }
    const { entries } = guest.readdir(ROOT);
    const shown = entries.slice(2).map(({ name }) => name);
    assert.deepEqual(shown, ['keep', 'n0', 'n50', 'n100', 'n150', 'n200', 'n250']);
    const rest = guest.readdir(ROOT, entries[5]?.next ?? 0n).entries;
    assert.deepEqual(
      rest.map(({ name }) => name),
      ['n150', 'n200', 'n250'],
    );
  });

  test('cookies that were never given out lead to the end or to the next one', () => {
    const guest = Guest.in({ a: file(''), b: file('') });
    for (const cookie of [1000n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      assert.deepEqual(guest.readdir(ROOT, cookie), { entries: [], used: 0 });
    }
    assert.deepEqual(
      guest.readdir(ROOT, 2n).entries.map(({ name }) => name),
      ['a', 'b'],
    );
  });

  test('checks its pointers', () => {
    const guest = Guest.in({ a: file('') });
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('fd_readdir', ROOT, end - 10, 11, 0n, 0), 'fault');
    assert.equal(guest.call('fd_readdir', ROOT, 0, 0xffffffff, 0n, 0), 'fault');
    assert.equal(guest.call('fd_readdir', ROOT, 0, 10, 0n, end - 3), 'fault');
  });
});
