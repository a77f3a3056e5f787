/** No path leaves the directory that it is resolved from. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

/** A preopened directory in the middle of a tree: what is above and beside it is nobody's business. */
function enclosed(extra: Record<string, ReturnType<typeof symlink>> = {}) {
  const jail = directory(
    {
      sub: directory({ deep: directory({ f: file('inside') }) }),
      f: file('inside'),
      ...extra,
    },
    { writable: true },
  );
  const whole = directory({
    jail,
    secret: file('outside'),
    beside: directory({ secret: file('outside') }),
  });
  return new Guest({
    preopens: [
      { path: '/jail', directory: jail },
      { path: '/', directory: whole },
    ],
  });
}

describe('escapes', () => {
  const escaping = [
    '/',
    '/secret',
    '//secret',
    '..',
    '../',
    '../secret',
    '../jail/f',
    './../secret',
    'sub/../../secret',
    'sub/deep/../../../secret',
    'sub//..//..//secret',
    'sub/./.././../secret',
    'f/../../secret',
    'none/../../secret',
    '.. /../..',
  ];
  for (const path of escaping) {
    test(`${path} does not lead out`, () => {
      const guest = enclosed();
      const calls = [
        guest.open(path, { rights: 0n }),
        guest.open(path, { rights: 0n, follow: true, how: OPEN.create }),
        guest.stat(path),
        guest.stat(path, true),
        guest.path('path_create_directory', path),
        guest.path('path_unlink_file', path),
        guest.path('path_remove_directory', path),
        guest.symlink('x', path),
        guest.link(path, 'taken'),
        guest.link('f', path),
        guest.rename(path, 'taken'),
        guest.rename('f', path),
      ];
      // Past a file or a missing directory the walk ends there: POSIX asks for it.
      const wanted = /^f\//.test(path)
        ? 'notdir'
        : /^(none|\.\. )/.test(path)
          ? 'noent'
          : 'notcapable';
      assert.deepEqual(new Set(calls), new Set([wanted]));
      assert.deepEqual(guest.host.changes(), []);
    });
  }

  for (const target of [
    '..',
    '../secret',
    'sub/../../secret',
    '/secret',
    '/',
    'sub/deep/../../..',
    './/../secret',
  ]) {
    test(`a symlink to ${target} does not lead out`, () => {
      // The caller's own trees may hold what a guest could not make.
      const guest = enclosed({ out: symlink(target) });
      for (const path of ['out', 'out/', 'out/secret', 'sub/../out', 'out/..', './out/.']) {
        const followed = { rights: 0n, follow: true };
        assert.equal(guest.open(path, followed), 'notcapable', path);
        assert.equal(guest.open(path, { ...followed, how: OPEN.create }), 'notcapable', path);
      }
      assert.equal(guest.path('path_create_directory', 'out/made'), 'notcapable');
      assert.equal(guest.rename('f', 'out/f'), 'notcapable');
      assert.deepEqual(guest.host.changes(), []);
      const stat = guest.stat('out');
      assert.equal(typeof stat === 'object' && stat.type, 7, 'the symlink itself is there');
    });
  }

  test('a chain of symlinks leads out no more than one does', () => {
    const guest = enclosed();
    assert.equal(guest.symlink('sub/up', 'a'), 'success');
    assert.equal(guest.symlink('../b', 'sub/up'), 'success');
    assert.equal(guest.symlink('sub/deep/../../..', 'b'), 'success');
    assert.equal(guest.open('a/secret', { follow: true }), 'notcapable');
    assert.equal(guest.open('a', { follow: true, rights: 0n }), 'notcapable');
  });

  test('a directory that is opened is where its own paths end, and stays so when it is moved', () => {
    const guest = enclosed();
    const deep = guest.fd('sub/deep', { how: OPEN.directory });
    assert.equal(guest.open('../../f', { from: deep }), 'notcapable');
    assert.equal(guest.open('..', { from: deep, rights: 0n }), 'notcapable');
    assert.equal(guest.rename('sub/deep', 'moved'), 'success');
    assert.equal(guest.open('../f', { from: deep }), 'notcapable');
    assert.equal(guest.read(guest.fd('f', { from: deep })), 'inside');
  });

  test('inside, .. goes to where the walk came from', () => {
    const guest = enclosed();
    assert.equal(guest.symlink('sub/deep', 'short'), 'success');
    const read = (path: string) => guest.read(guest.fd(path, { follow: true }));
    assert.equal(read('sub/deep/../../f'), 'inside');
    assert.equal(read('short/../../f'), 'inside');
    assert.equal(read('./sub//deep/.//f'), 'inside');
    assert.equal(guest.open('short/../f', { follow: true }), 'noent');
  });
});

describe('loops and lengths', () => {
  test('symlinks in a circle are ELOOP, however they are met', () => {
    const guest = Guest.in({
      a: symlink('b'),
      b: symlink('a'),
      self: symlink('self/x'),
      d: directory({}),
    });
    for (const path of ['a', 'a/', 'a/x', 'self', 'self/y', 'd/../a']) {
      assert.equal(guest.open(path, { follow: true, rights: 0n }), 'loop', path);
    }
    assert.equal(guest.open('a/x', { rights: 0n }), 'loop');
  });

  test('as many symlinks as the limit are followed, and no more', () => {
    const chain = (length: number) => {
      const links = Object.fromEntries(
        Array.from({ length }, (_, n) => [`l${n}`, symlink(n === 0 ? 'f' : `l${n - 1}`)]),
      );
      return Guest.in({ f: file('end'), ...links }, { limits: { symlinks: 10 } });
    };
    assert.equal(typeof chain(10).open('l9', { follow: true }), 'number');
    assert.equal(chain(11).open('l10', { follow: true }), 'loop');
  });

  test('symlinks that double with every step do not take long', () => {
    const guest = Guest.in({});
    for (let n = 1; n < 30; n++) guest.symlink(`s${n - 1}/../s${n - 1}`, `s${n}`);
    guest.symlink('.', 's0');
    let units = 0;
    const counted = Guest.in(
      Object.fromEntries([
        ['s0', symlink('.')],
        ...Array.from({ length: 30 }, (_, n) => [`s${n + 1}`, symlink(`s${n}/s${n}/s${n}/s${n}`)]),
      ]),
      { charge: (more) => (units += more) },
    );
    assert.equal(counted.open('s30', { follow: true, rights: 0n }), 'loop');
    assert.ok(units < 10_000, `${units} units`);
  });

  test('names and paths past their limits are ENAMETOOLONG, counted in bytes', () => {
    const guest = Guest.in({});
    assert.equal(guest.path('path_create_directory', 'x'.repeat(255)), 'success');
    assert.equal(guest.path('path_create_directory', 'x'.repeat(256)), 'nametoolong');
    assert.equal(guest.path('path_create_directory', 'ü'.repeat(127)), 'success');
    assert.equal(guest.path('path_create_directory', 'ü'.repeat(128)), 'nametoolong');
    assert.equal(guest.stat(`${'./'.repeat(2047)}.`) !== 'nametoolong', true);
    assert.equal(guest.stat(`${'./'.repeat(2048)}.`), 'nametoolong');
    assert.equal(guest.symlink('x'.repeat(4097), 'link'), 'nametoolong');
  });

  test('names are bytes: a mark at the start and look-alikes are names of their own', () => {
    const guest = Guest.in({ f: file('plain'), é: file('composed') });
    assert.equal(guest.open('\ufefff'), 'noent');
    assert.equal(guest.open('F'), 'noent');
    assert.equal(guest.open('e\u0301'), 'noent');
    assert.equal(guest.open('f\\..\\x'), 'noent');
    assert.equal(guest.path('path_create_directory', '\ufefff'), 'success');
    assert.equal(guest.path('path_create_directory', '__proto__'), 'success');
    assert.equal(guest.path('path_create_directory', 'constructor'), 'success');
    assert.equal(guest.content('f'), 'plain');
  });
});

test('whatever the path, what is opened lies inside', () => {
  const step = fc.constantFrom(
    '..',
    '.',
    '',
    'sub',
    'deep',
    'up',
    'top',
    'round',
    'out',
    'f',
    'secret',
    'jail',
    'beside',
  );
  const jail = directory({
    sub: directory({
      deep: directory({ up: symlink('../..'), f: file('inside') }),
      up: symlink('..'),
      top: symlink('../top'),
    }),
    top: symlink('sub/deep/../..'),
    round: symlink('sub/up/sub/deep'),
    out: symlink('sub/../../beside'),
    f: file('inside'),
  });
  const whole = directory({
    jail,
    secret: file('outside'),
    beside: directory({ secret: file('outside') }),
  });
  const guest = new Guest({
    preopens: [
      { path: '/jail', directory: jail },
      { path: '/', directory: whole },
    ],
  });
  const outside = new Set(
    ['secret', 'beside', 'beside/secret', '.'].map((path) => {
      const stat = guest.stat(path, false, 4);
      return typeof stat === 'object' ? stat.inode : undefined;
    }),
  );
  assert.equal(outside.size, 4);
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.boolean(), (steps, follow) => {
      const stat = guest.stat(steps.join('/'), follow, ROOT);
      return typeof stat !== 'object' || !outside.has(stat.inode);
    }),
    { numRuns: 5000 },
  );
});
