/** Past every limit there is an error number, what was there stays, and room that is given back can be used again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultWasiLimits, wasiLimits } from '../../../../src/backends/wasm/wasi/limits.ts';
import { directory, file } from '../../../../src/backends/wasm/wasi/tree.ts';
import { isCaissonError } from '../../../../src/core/error.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

const { create, truncate } = OPEN;

describe('bytes', () => {
  const limits = { fileBytes: 1000 };

  test('a write goes as far as there is room, then fails', () => {
    const guest = Guest.in({}, { limits });
    const fd = guest.fd('a', { how: create });
    assert.equal(guest.write(fd, 'x'.repeat(900)), 900);
    assert.equal(guest.write(fd, 'x'.repeat(200)), 100);
    assert.equal(guest.write(fd, 'x'), 'fbig');
    const other = guest.fd('b', { how: create });
    assert.equal(guest.write(other, 'x'), 'nospc');
    assert.equal(guest.call('fd_filestat_set_size', other, 1n), 'nospc');
    assert.equal(guest.call('fd_filestat_set_size', other, 1001n), 'fbig');
    assert.equal(guest.call('fd_allocate', other, 0n, 1n), 'nospc');
    assert.equal(guest.symlink('x', 'link'), 'nospc');
  });

  test('a hole counts as what it would be filled with', () => {
    const guest = Guest.in({}, { limits });
    const fd = guest.fd('a', { how: create });
    guest.seek(fd, 998n, 0);
    assert.equal(guest.write(fd, 'abcd'), 2);
    guest.seek(fd, 2n ** 52n, 0);
    assert.equal(guest.write(fd, 'x'), 'fbig');
    assert.equal(guest.write(fd, ''), 0);
  });

  test('cutting off, removing and closing give room back, each once', () => {
    const guest = Guest.in({}, { limits });
    const fill = (name: string) => {
      const fd = guest.fd(name, { how: create | truncate });
      assert.equal(guest.write(fd, 'x'.repeat(1000)), 1000);
      return fd;
    };
    const a = fill('a');
    assert.equal(guest.call('fd_filestat_set_size', a, 0n), 'success');
    guest.seek(a, 0n, 0);
    const b = fill('b');
    guest.link('b', 'c');
    assert.equal(guest.path('path_unlink_file', 'b'), 'success');
    assert.equal(guest.write(a, 'x'), 'nospc', 'it has another name');
    assert.equal(guest.path('path_unlink_file', 'c'), 'success');
    assert.equal(guest.write(a, 'x'), 'nospc', 'it is still open');
    assert.equal(guest.call('fd_close', b), 'success');
    guest.call('fd_close', a);
    guest.call('fd_close', fill('a'));
    assert.equal(guest.rename('a', 'd'), 'success');
    const e = guest.fd('e', { how: create });
    assert.equal(guest.write(e, 'x'), 'nospc');
    assert.equal(guest.rename('e', 'd'), 'success');
    assert.equal(guest.write(e, 'x'.repeat(1001)), 1000, 'replacing removes');
  });

  test('what was handed in counts from its first change on, and then all of it', () => {
    const guest = Guest.in(
      { big: file(new Uint8Array(5000)), small: file(new Uint8Array(600)) },
      { limits },
    );
    const big = guest.fd('big');
    assert.equal(guest.write(big, 'x'), 'nospc');
    const small = guest.fd('small');
    assert.equal(guest.write(small, 'x'), 1);
    const made = guest.fd('made', { how: create });
    assert.equal(guest.write(made, 'x'.repeat(500)), 400);
    assert.equal(guest.call('fd_filestat_set_size', big, 0n), 'success');
    assert.equal(guest.path('path_unlink_file', 'small'), 'success');
    assert.equal(guest.call('fd_close', small), 'success');
    assert.equal(guest.write(big, 'x'.repeat(700)), 600);
  });

  test('symlinks count by the length of their targets, until the last name is gone', () => {
    const guest = Guest.in({}, { limits });
    assert.equal(guest.symlink('x'.repeat(600), 'a'), 'success');
    assert.equal(guest.symlink('x'.repeat(600), 'b'), 'nospc');
    assert.equal(guest.link('a', 'c'), 'success');
    assert.equal(guest.path('path_unlink_file', 'a'), 'success');
    assert.equal(guest.symlink('x'.repeat(600), 'b'), 'nospc');
    assert.equal(guest.path('path_unlink_file', 'c'), 'success');
    assert.equal(guest.symlink('x'.repeat(600), 'b'), 'success');
  });
});

describe('names', () => {
  test('files, directories, symlinks and links count alike, and renaming adds none', () => {
    const guest = Guest.in({ given: file('') }, { limits: { entries: 4 } });
    guest.fd('f', { how: create });
    assert.equal(guest.path('path_create_directory', 'd'), 'success');
    assert.equal(guest.symlink('f', 's'), 'success');
    assert.equal(guest.link('f', 'l'), 'success');
    assert.equal(guest.open('g', { how: create }), 'nospc');
    assert.equal(guest.path('path_create_directory', 'g'), 'nospc');
    assert.equal(guest.symlink('f', 'g'), 'nospc');
    assert.equal(guest.link('f', 'g'), 'nospc');
    assert.equal(guest.rename('l', 'd/l'), 'success');
    assert.equal(
      guest.rename('given', 'd/given'),
      'nospc',
      'a name that was handed in becomes one of the guest',
    );
    assert.equal(guest.rename('s', 'd/l'), 'success');
    assert.equal(guest.rename('given', 'd/given'), 'success');
    assert.equal(guest.open('g', { how: create }), 'nospc');
    for (const path of ['d/given', 'd/l', 'f']) guest.path('path_unlink_file', path);
    assert.equal(guest.path('path_remove_directory', 'd'), 'success');
    for (const name of ['1', '2', '3', '4']) assert.equal(guest.symlink('x', name), 'success');
    assert.equal(guest.symlink('x', '5'), 'nospc');
  });

  test('directories go only so deep, made or moved', () => {
    const guest = Guest.in({}, { limits: { depth: 3 } });
    for (const path of ['a', 'a/b', 'a/b/c', 'x', 'x/y']) {
      assert.equal(guest.path('path_create_directory', path), 'success');
    }
    assert.equal(guest.path('path_create_directory', 'a/b/c/d'), 'nametoolong');
    assert.equal(guest.rename('x', 'a/b/x'), 'nametoolong');
    assert.equal(guest.rename('x', 'a/x'), 'success');
    const c = guest.fd('a/b/c', { how: OPEN.directory });
    assert.equal(guest.call('path_create_directory', c, ...guest.put('d')), 'nametoolong');
    assert.equal(typeof guest.open('f', { from: c, how: create }), 'number');
  });
});

test('descriptors are EMFILE past their number, and nothing is made for one that is not given', () => {
  const guest = Guest.in({}, { limits: { descriptors: 6 } });
  assert.deepEqual([guest.open('a', { how: create }), guest.open('b', { how: create })], [4, 5]);
  assert.equal(guest.open('c', { how: create }), 'mfile');
  assert.equal(guest.stat('c'), 'noent');
  assert.equal(guest.call('fd_renumber', 4, 5), 'success');
  assert.equal(guest.open('c', { how: create }), 4);
  assert.equal(guest.open('d', { how: create }), 'mfile');
});

test('buffers past their number are EINVAL, and bytes past the most of one transfer are left', () => {
  const guest = Guest.in({ f: file('0123456789') }, { limits: { vectors: 2, transferBytes: 6 } });
  const fd = guest.fd('f');
  const result = guest.room(4);
  const buffer = guest.room(16);
  const three = guest.vectors([buffer, 1], [buffer, 1], [buffer, 1]);
  assert.equal(guest.call('fd_read', fd, ...three, result), 'inval');
  assert.equal(guest.call('fd_read', fd, three[0], 1_000_000_000, result), 'inval');
  const two = guest.vectors([buffer, 4], [buffer + 4, 12]);
  assert.equal(guest.call('fd_read', fd, ...two, result), 'success');
  assert.equal(guest.u32(result), 6);
  assert.equal(guest.text(buffer, 7), '012345\0');
  assert.equal(guest.read(fd), '6789');
});

describe('what is charged', () => {
  const spend = (budget: number) => {
    let left = budget;
    const empty = new Error('no fuel left');
    const charge = (units: number) => {
      left -= units;
      if (left < 0) throw empty;
    };
    return { charge, empty };
  };

  test('grows with what a call is asked to do', () => {
    const charged: number[] = [];
    const guest = Guest.in(
      { f: file('x'.repeat(3000)) },
      { charge: (units) => charged.push(units) },
    );
    const fd = guest.fd('f');
    const during = (work: () => unknown) => {
      charged.length = 0;
      work();
      return charged.reduce((sum, units) => sum + units, 0);
    };
    assert.ok(during(() => guest.read(fd, 3000)) >= 3000);
    assert.ok(during(() => guest.write(fd, 'y'.repeat(500))) >= 500);
    assert.ok(during(() => guest.call('random_get', 0, 10_000)) >= 10_000);
    assert.ok(during(() => guest.stat('x'.repeat(200))) >= 200);
    assert.ok(during(() => guest.readdir(ROOT, 0n, 2000)) >= 2000);
    assert.equal(
      during(() => guest.call('sched_yield')),
      0,
    );
  });

  test('ends the guest by what the meter throws, also where the guest would go on', () => {
    const { charge, empty } = spend(100);
    const guest = Guest.in({}, { charge });
    const run = () =>
      guest.host.run(() => {
        assert.throws(() => guest.raw('random_get', 0, 101), empty);
        assert.throws(() => guest.raw('sched_yield'), empty);
      });
    assert.throws(run, empty);
  });
});

describe('naming limits', () => {
  test('the defaults stand where nothing is named', () => {
    assert.deepEqual(wasiLimits(), defaultWasiLimits);
    assert.deepEqual(wasiLimits({ entries: 0 }), { ...defaultWasiLimits, entries: 0 });
  });

  test('unknown names and what is no count are refused', () => {
    for (const wrong of [
      { bytes: 1 },
      { entries: -1 },
      { entries: 0.5 },
      { entries: Number.NaN },
      { entries: '1' },
    ]) {
      assert.throws(
        () => wasiLimits(wrong as never),
        (error) => isCaissonError(error) && error.code === 'REQUEST_INVALID',
      );
    }
  });

  test('more preopens than descriptors are refused', () => {
    const preopens = [{ path: '/', directory: directory({}) }];
    assert.throws(
      () => new Guest({ preopens, limits: { descriptors: 3 } }),
      (error) => isCaissonError(error) && error.code === 'REQUEST_INVALID',
    );
  });
});
