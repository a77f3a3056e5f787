/** path_create_directory, path_filestat_*, path_link, path_readlink, path_remove_directory, path_rename, path_symlink, path_unlink_file. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { right } from '../../../../src/backends/wasm/wasi/rights.ts';
import type { WasiFunction } from '../../../../src/backends/wasm/wasi/signatures.ts';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { ALL_RIGHTS, Guest, OPEN, ROOT } from './guest.ts';

const names = (guest: Guest, fd = ROOT) =>
  guest
    .readdir(fd)
    .entries.map(({ name }) => name)
    .filter((name) => !name.startsWith('.'));

describe('making and removing directories', () => {
  test('is done one at a time, and only while they are empty', () => {
    const guest = Guest.in({});
    assert.equal(guest.path('path_create_directory', 'a/b'), 'noent');
    assert.equal(guest.path('path_create_directory', 'a'), 'success');
    assert.equal(guest.path('path_create_directory', 'a/b/'), 'success');
    assert.equal(guest.path('path_create_directory', 'a'), 'exist');
    assert.equal(guest.path('path_create_directory', '.'), 'exist');
    assert.equal(guest.path('path_remove_directory', 'a'), 'notempty');
    assert.equal(guest.path('path_remove_directory', 'a/b'), 'success');
    assert.equal(guest.path('path_remove_directory', 'a/'), 'success');
    assert.equal(guest.path('path_remove_directory', 'a'), 'noent');
    assert.equal(guest.path('path_remove_directory', '.'), 'inval');
  });

  test('files and symlinks are no directories', () => {
    const guest = Guest.in({ f: file(''), d: directory({}), link: symlink('d') });
    assert.equal(guest.path('path_remove_directory', 'f'), 'notdir');
    assert.equal(guest.path('path_remove_directory', 'f/'), 'notdir');
    assert.equal(guest.path('path_remove_directory', 'link'), 'notdir');
    assert.equal(guest.path('path_remove_directory', 'link/'), 'notdir');
    assert.equal(guest.path('path_create_directory', 'f/x'), 'notdir');
    assert.equal(guest.path('path_create_directory', 'link'), 'exist');
  });

  test('in a removed directory that is still open nothing is made', () => {
    const guest = Guest.in({});
    guest.path('path_create_directory', 'gone');
    const fd = guest.fd('gone', { how: OPEN.directory });
    assert.equal(guest.path('path_remove_directory', 'gone'), 'success');
    assert.equal(guest.open('new', { from: fd, how: OPEN.create }), 'noent');
    assert.equal(guest.call('path_create_directory', fd, ...guest.put('new')), 'noent');
    assert.equal(guest.symlink('a', 'new', fd), 'noent');
    guest.fd('f', { how: OPEN.create });
    assert.equal(guest.link('f', 'new', ROOT, fd), 'noent');
    assert.equal(guest.rename('f', 'new', ROOT, fd), 'noent');
    assert.deepEqual(names(guest, fd), []);
  });
});

describe('path_unlink_file', () => {
  test('removes files and symlinks, and no directory', () => {
    const guest = Guest.in({ f: file(''), d: directory({}), link: symlink('f') });
    assert.equal(guest.path('path_unlink_file', 'd'), 'isdir');
    assert.equal(guest.path('path_unlink_file', 'd/'), 'isdir');
    assert.equal(guest.path('path_unlink_file', '.'), 'isdir');
    assert.equal(guest.path('path_unlink_file', 'f/'), 'notdir');
    assert.equal(guest.path('path_unlink_file', 'link'), 'success');
    assert.equal(guest.path('path_unlink_file', 'f'), 'success');
    assert.equal(guest.path('path_unlink_file', 'f'), 'noent');
    assert.deepEqual(names(guest), ['d']);
  });
});

describe('symlinks', () => {
  test('are made, read and followed', () => {
    const guest = Guest.in({ d: directory({ f: file('found') }) });
    assert.equal(guest.symlink('d/f', 'link'), 'success');
    assert.equal(guest.symlink('d/f', 'link'), 'exist');
    const followed = guest.fd('link', { follow: true });
    assert.equal(guest.read(followed), 'found');
    assert.equal(guest.open('link'), 'loop');
    const [itself, target] = [guest.stat('link'), guest.stat('link', true)];
    assert.ok(typeof itself === 'object' && typeof target === 'object');
    assert.deepEqual([itself.type, itself.size, target.type], [7, 3n, 4]);
  });

  test('path_readlink writes what fits, and nothing behind it', () => {
    const guest = Guest.in({ link: symlink('tärget'), f: file('') });
    const [buffer, result] = [guest.room(16), guest.room(4)];
    guest.bytes(buffer, 16).fill(0xaa);
    const read = (path: string, length: number) =>
      guest.call('path_readlink', ROOT, ...guest.put(path), buffer, length, result);
    assert.equal(read('link', 3), 'success');
    assert.equal(guest.u32(result), 3);
    assert.equal(guest.bytes(buffer, 4)[3], 0xaa);
    assert.equal(read('link', 16), 'success');
    assert.equal(guest.text(buffer, guest.u32(result)), 'tärget');
    assert.equal(read('link', 0), 'success');
    assert.equal(guest.u32(result), 0);
    assert.equal(read('f', 16), 'inval');
    assert.equal(read('.', 16), 'inval');
    assert.equal(read('none', 16), 'noent');
    assert.equal(read('link', guest.memory.buffer.byteLength), 'fault');
  });

  test('need a target, a relative one, and a name without a slash', () => {
    const guest = Guest.in({ d: directory({}), f: file('') });
    assert.equal(guest.symlink('', 'link'), 'noent');
    assert.equal(guest.symlink('/etc/passwd', 'link'), 'notcapable');
    assert.equal(guest.symlink('a\0b', 'link'), 'inval');
    assert.equal(guest.symlink('x', 'link/'), 'noent');
    assert.equal(guest.symlink('x', 'd/'), 'exist');
    assert.equal(guest.symlink('x', 'f/'), 'notdir');
  });
});

describe('path_link', () => {
  test('gives a file a second name', () => {
    const guest = Guest.in({ d: directory({}), f: file('') });
    assert.equal(guest.link('f', 'd/g'), 'success');
    const fd = guest.fd('f');
    guest.write(fd, 'shared');
    assert.equal(guest.content('d/g'), 'shared');
    const stat = guest.stat('d/g');
    assert.equal(typeof stat === 'object' && stat.links, 2n);
    assert.equal(guest.path('path_unlink_file', 'f'), 'success');
    assert.equal(guest.content('d/g'), 'shared');
  });

  test('refuses directories, taken names and slashes', () => {
    const guest = Guest.in({
      d: directory({}),
      f: file(''),
      link: symlink('f'),
      dead: symlink('x'),
    });
    assert.equal(guest.link('d', 'e'), 'perm');
    assert.equal(guest.link('.', 'e'), 'perm');
    assert.equal(guest.link('f', 'f'), 'exist');
    assert.equal(guest.link('f', 'd'), 'exist');
    assert.equal(guest.link('f', 'dead'), 'exist');
    assert.equal(guest.link('f', 'new/'), 'noent');
    assert.equal(guest.link('f/', 'new'), 'notdir');
    assert.equal(guest.link('none', 'new'), 'noent');
    assert.equal(guest.link('dead', 'new', ROOT, ROOT, 1), 'noent');
    assert.equal(guest.link('f', 'new', ROOT, ROOT, 2), 'inval');
  });

  test('links the symlink itself, or what it leads to where it is told to follow', () => {
    const guest = Guest.in({ f: file('text'), link: symlink('f') });
    assert.equal(guest.link('link', 'itself'), 'success');
    assert.equal(guest.link('link', 'followed', ROOT, ROOT, 1), 'success');
    const types = ['itself', 'followed'].map((name) => {
      const stat = guest.stat(name);
      return typeof stat === 'object' && stat.type;
    });
    assert.deepEqual(types, [7, 4]);
  });
});

describe('path_rename', () => {
  test('moves, replaces, and keeps what is open open', () => {
    const guest = Guest.in({ a: file('A'), b: file('B'), d: directory({}) });
    const b = guest.fd('b');
    assert.equal(guest.rename('a', 'b'), 'success');
    assert.equal(guest.content('b'), 'A');
    assert.equal(guest.read(b), 'B');
    assert.equal(guest.rename('b', 'd/c'), 'success');
    assert.deepEqual(names(guest), ['d']);
    assert.equal(guest.content('d/c'), 'A');
  });

  test('onto itself and onto another name of the same file it changes nothing', () => {
    const guest = Guest.in({ a: file('A') });
    guest.link('a', 'b');
    assert.equal(guest.rename('a', 'a'), 'success');
    assert.equal(guest.rename('a', 'b'), 'success');
    assert.deepEqual(names(guest), ['a', 'b']);
  });

  test('directories take the place of empty directories alone', () => {
    const guest = Guest.in({
      d: directory({ inner: file('') }),
      empty: directory({}),
      full: directory({ f: file('') }),
      f: file(''),
    });
    assert.equal(guest.rename('d', 'full'), 'notempty');
    assert.equal(guest.rename('d', 'f'), 'notdir');
    assert.equal(guest.rename('f', 'd'), 'isdir');
    assert.equal(guest.rename('f/', 'g'), 'notdir');
    assert.equal(guest.rename('f', 'g/'), 'notdir');
    assert.equal(guest.rename('d/', 'empty/'), 'success');
    assert.deepEqual(names(guest), ['full', 'f', 'empty']);
    assert.equal(guest.content('empty/inner'), '');
  });

  test('no directory goes into itself, by whatever way', () => {
    const guest = Guest.in({
      a: directory({ b: directory({ c: directory({}) }) }),
      link: symlink('a/b'),
    });
    const b = guest.fd('a/b', { how: OPEN.directory });
    assert.equal(guest.rename('a', 'a/x'), 'inval');
    assert.equal(guest.rename('a', 'a/b/c'), 'inval');
    assert.equal(guest.rename('a', 'link/x'), 'inval');
    assert.equal(guest.rename('a', 'x', ROOT, b), 'inval');
    assert.equal(guest.rename('a/b', 'a'), 'notempty');
    for (const path of ['.', 'a/.', 'a/..', 'a/b/..']) {
      assert.equal(guest.rename(path, 'x'), 'busy');
      assert.equal(guest.rename('a', path), 'busy');
    }
    assert.equal(guest.rename('none', 'x'), 'noent');
  });
});

describe('path_filestat_set_times', () => {
  test('sets them on the file, or on the symlink itself', () => {
    const guest = Guest.in({ f: file(''), link: symlink('f') });
    const set = (path: string, follow: number, times: number) =>
      guest.call('path_filestat_set_times', ROOT, follow, ...guest.put(path), 11n, 22n, times);
    const modified = (path: string) => {
      const stat = guest.stat(path);
      return typeof stat === 'object' && stat.modified;
    };
    assert.equal(set('link', 0, 4), 'success');
    assert.deepEqual([modified('link'), modified('f')], [22n, 0n]);
    assert.equal(set('link', 1, 4), 'success');
    assert.equal(modified('f'), 22n);
    assert.equal(set('none', 0, 4), 'noent');
    assert.equal(set('f/', 0, 4), 'notdir');
    assert.equal(set('f', 2, 4), 'inval');
    assert.equal(set('f', 0, 12), 'inval');
  });
});

test('a slash after a name asks for a directory, through a symlink too', () => {
  const guest = Guest.in({ f: file(''), d: directory({}), link: symlink('d'), bad: symlink('f') });
  const type = (path: string) => {
    const stat = guest.stat(path);
    return typeof stat === 'object' ? stat.type : stat;
  };
  assert.deepEqual(['d/', 'd//', 'link/', 'link'].map(type), [3, 3, 3, 7]);
  assert.deepEqual(['f/', 'bad/', 'f/.', 'none/'].map(type), [
    'notdir',
    'notdir',
    'notdir',
    'noent',
  ]);
});

test('each call needs its right on the directory it is given', () => {
  const guest = Guest.in({ f: file(''), d: directory({}), link: symlink('f') });
  const path = guest.put('f');
  const to = guest.put('to');
  const at = guest.room(64);
  const needs: [number, WasiFunction, ...(number | bigint)[]][] = [
    [right.pathCreateDirectory, 'path_create_directory', ...to],
    [right.pathFilestatGet, 'path_filestat_get', 0, ...path, at],
    [right.pathFilestatSetTimes, 'path_filestat_set_times', 0, ...path, 0n, 0n, 0],
    [right.pathLinkSource, 'path_link', 0, ...path, ROOT, ...to],
    [right.pathOpen, 'path_open', 0, ...path, 0, 0n, 0n, 0, at],
    [right.pathReadlink, 'path_readlink', ...path, at, 8, at],
    [right.pathRemoveDirectory, 'path_remove_directory', ...path],
    [right.pathRenameSource, 'path_rename', ...path, ROOT, ...to],
    [right.pathUnlinkFile, 'path_unlink_file', ...path],
    [right.fdReaddir, 'fd_readdir', at, 64, 0n, at],
  ];
  for (const [needed, name, ...args] of needs) {
    const fd = guest.fd('.', { how: OPEN.directory });
    const { base, inheriting } = guest.rights(fd);
    guest.call('fd_fdstat_set_rights', fd, base & ~BigInt(needed), inheriting);
    assert.equal(guest.call(name, fd, ...args), 'notcapable', name);
  }
  const fd = guest.fd('.', { how: OPEN.directory, rights: 0n });
  assert.equal(guest.call('path_symlink', ...path, fd, ...to), 'notcapable');
  assert.equal(guest.call('path_link', ROOT, 0, ...path, fd, ...to), 'notcapable');
  assert.equal(guest.call('path_rename', ROOT, ...path, fd, ...to), 'notcapable');
  assert.deepEqual(names(guest), ['f', 'd', 'link']);
});

test('path calls on what is no directory answer ENOTDIR', () => {
  const guest = Guest.in({ f: file('') });
  const f = guest.fd('f');
  for (const fd of [0, 1, f]) {
    assert.equal(guest.open('x', { from: fd, how: OPEN.create }), 'notdir');
    assert.equal(guest.stat('x', false, fd), 'notdir');
    assert.equal(guest.symlink('a', 'x', fd), 'notdir');
    assert.equal(guest.rename('f', 'x', ROOT, fd), 'notdir');
    assert.equal(guest.link('f', 'x', fd, ROOT), 'notdir');
    assert.equal(guest.call('fd_readdir', fd, 0, 9, 0n, 0), 'notdir');
  }
});

test('a file is not moved or linked to where more may be done with it', () => {
  const guest = Guest.in({ narrow: directory({ f: file('secret') }), wide: directory({}) });
  const reading = ALL_RIGHTS & ~BigInt(right.fdWrite);
  const narrow = guest.fd('narrow', { how: OPEN.directory, inheriting: reading });
  assert.equal(guest.link('f', 'wide/f', narrow, ROOT), 'notcapable');
  assert.equal(guest.rename('f', 'wide/f', narrow, ROOT), 'notcapable');
  assert.equal(guest.link('f', 'g', narrow, narrow), 'success');
  const noTruncate = guest.fd('narrow', {
    how: OPEN.directory,
    rights: guest.rights(ROOT).base & ~BigInt(right.pathFilestatSetSize),
  });
  assert.equal(guest.rename('f', 'wide/f', noTruncate, ROOT), 'notcapable');
});
