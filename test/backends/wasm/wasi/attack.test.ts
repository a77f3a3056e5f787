/** What a hostile guest tries on the boundary itself: pointers, lengths, types, unwinding, the host's stack. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  WASI_MODULE,
  type WasiFunction,
  wasiSignatures,
} from '../../../../src/backends/wasm/wasi/signatures.ts';
import { directory, file, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { Guest, OPEN, ROOT } from './guest.ts';

const { create } = OPEN;
/** Those that return. */
const functions = (Object.keys(wasiSignatures) as WasiFunction[]).filter(
  (name) => name !== 'proc_exit' && name !== 'proc_raise',
);

const populated = () =>
  Guest.in(
    { f: file('0123456789'), d: directory({ g: file('') }), l: symlink('f') },
    { limits: { fileBytes: 100_000 } },
  );

describe('pointers', () => {
  test('at the end of the address space are EFAULT, whatever is to be read or written there', () => {
    const guest = populated();
    const fd = guest.fd('f');
    for (const bad of [0xffffffff, 0xfffffffc, 0x80000000, guest.memory.buffer.byteLength - 1]) {
      const vectors = guest.vectors([bad, 16]);
      assert.equal(guest.call('fd_read', fd, ...vectors, 0), 'fault');
      assert.equal(guest.call('fd_write', fd, ...vectors, 0), 'fault');
      assert.equal(guest.call('fd_pread', fd, ...vectors, 0n, 0), 'fault');
      assert.equal(guest.call('fd_pwrite', fd, ...vectors, 0n, 0), 'fault');
      assert.equal(guest.call('fd_write', 1, ...vectors, 0), 'fault');
      assert.equal(guest.call('fd_read', 0, ...vectors, 0), 'fault');
      assert.equal(guest.call('fd_read', fd, bad, 2, 0), 'fault');
      assert.equal(guest.call('path_rename', ROOT, ...guest.put('f'), ROOT, bad, 9), 'fault');
      assert.equal(guest.call('path_symlink', bad, 9, ROOT, ...guest.put('x')), 'fault');
    }
    assert.equal(guest.content('f'), '0123456789');
  });

  test('nothing happens where the place for the result is not there', () => {
    const guest = populated();
    const fd = guest.fd('f');
    const bad = 0xfffffffe;
    assert.equal(guest.call('fd_write', fd, ...guest.vectors(guest.put('XXX')), bad), 'fault');
    assert.equal(guest.call('fd_read', fd, ...guest.vectors([0, 4]), bad), 'fault');
    assert.equal(guest.call('fd_seek', fd, 5n, 0, bad), 'fault');
    assert.equal(guest.read(fd), '0123456789', 'nothing written, nothing moved');
    const path = guest.put('new');
    assert.equal(guest.call('path_open', ROOT, 0, ...path, create, 0n, 0n, 0, bad), 'fault');
    assert.equal(guest.stat('new'), 'noent');
  });

  test('one bad buffer among good ones moves nothing at all', () => {
    const guest = populated();
    const fd = guest.fd('f');
    const buffer = guest.room(8);
    const vectors = guest.vectors([buffer, 4], [0xfffffff0, 32]);
    assert.equal(guest.call('fd_read', fd, ...vectors, guest.room(4)), 'fault');
    assert.equal(guest.text(buffer, 4), '\0\0\0\0');
    assert.equal(guest.call('fd_write', fd, ...vectors, guest.room(4)), 'fault');
    assert.equal(guest.read(fd), '0123456789');
  });

  test('buffers that overlap each other, their own list and the result are moved in order', () => {
    const guest = populated();
    const fd = guest.fd('f');
    const buffer = guest.room(8);
    const result = guest.room(4);
    const overlapping = guest.vectors([buffer, 4], [buffer + 2, 4]);
    assert.equal(guest.call('fd_read', fd, ...overlapping, result), 'success');
    assert.equal(guest.text(buffer, 6), '014567');
    guest.seek(fd, 0n, 0);
    // The second buffer of the list is the list itself: it was read before anything was moved.
    const [list] = guest.vectors([buffer, 2], [0, 8]);
    guest.view.setUint32(list + 8, list, true);
    assert.equal(guest.call('fd_read', fd, list, 2, list), 'success');
    assert.equal(guest.u32(list), 10);
  });

  test('memory that has grown is used as it is now', () => {
    const guest = populated();
    const old = guest.memory.buffer;
    guest.memory.grow(2);
    assert.equal(old.byteLength, 0);
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('random_get', end - 16, 16), 'success');
    assert.notDeepEqual([...guest.bytes(end - 16, 16)], Array(16).fill(0));
    assert.equal(guest.call('random_get', end - 16, 17), 'fault');
  });

  test('before the guest runs there is no memory, and every address is EFAULT', () => {
    const guest = populated();
    const { host } = new Guest();
    const fresh = new (host.constructor as new (options: unknown) => typeof host)({
      clock: { now: () => 0n, resolution: () => 1n, sleep: () => {} },
      random: () => {},
    });
    const call = fresh.imports[WASI_MODULE]?.random_get as (...args: number[]) => number;
    assert.equal(call(0, 1), 21);
    assert.equal(guest.call('random_get', 0, 1), 'success');
  });
});

describe('huge counts', () => {
  test('are refused before they are counted', () => {
    const guest = populated();
    const fd = guest.fd('f');
    for (const count of [1_000_000_000, 0x20000000, 0x20000001, 0xffffffff]) {
      for (const name of ['fd_read', 'fd_write'] as const) {
        assert.equal(guest.call(name, fd, 0, count, 0), 'inval');
      }
      assert.equal(guest.call('poll_oneoff', 0, 0, count, 0), 'inval');
    }
  });

  test('the whole memory a thousand times over is moved only as far as the limit', () => {
    let taken = 0;
    const guest = new Guest({
      stdout: { sink: (bytes) => (taken += bytes.length), limitBytes: 1000, pastLimit: 'discard' },
      limits: { transferBytes: 1_000_000 },
    });
    const whole = guest.memory.buffer.byteLength;
    const vectors = guest.vectors(...Array.from({ length: 1024 }, () => [0, whole] as const));
    const result = guest.room(4);
    assert.equal(guest.call('fd_write', 1, ...vectors, result), 'success');
    assert.equal(guest.u32(result), 1_000_000);
    assert.equal(taken, 1000);
  });
});

test('no numbers make a call throw or write out of bounds', () => {
  const number = fc.oneof(
    fc.constantFrom(
      0,
      1,
      2,
      3,
      4,
      8,
      0x7fffffff,
      -1,
      -2,
      -8,
      -0x80000000,
      65_536,
      262_143,
      262_144,
    ),
    fc.integer({ min: 0, max: 300_000 }),
    fc.integer(),
  );
  const long = fc.oneof(
    fc.constantFrom(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, 100_001n),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const call = fc
    .constantFrom(...functions)
    .chain((name) =>
      fc.tuple(
        fc.constant(name),
        fc.tuple(...wasiSignatures[name].map((type) => (type === 'i64' ? long : number))),
      ),
    );
  const sleepless = { now: () => 5n, resolution: () => 1n, sleep: () => {} };
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 40 }), (calls) => {
      const guest = Guest.in(
        { f: file('0123456789'), d: directory({}) },
        { clock: sleepless, limits: { fileBytes: 100_000 } },
      );
      // Paths that mean something, where small numbers point.
      guest.bytes(0, 12).set(new TextEncoder().encode('f/d/../../xd'));
      for (const [name, args] of calls) {
        const answer = guest.raw(name, ...args);
        assert.ok(Number.isInteger(answer) && answer >= 0 && answer <= 76, `${name}: ${answer}`);
      }
      assert.deepEqual(guest.host.faults, []);
      guest.host.changes();
    }),
    { numRuns: 400 },
  );
});

test('a module that declares other types gets error numbers, not exceptions', () => {
  const guest = populated();
  const odd = [
    undefined,
    null,
    1n,
    -1n,
    2n ** 70n,
    1.5,
    Number.NaN,
    -0,
    Infinity,
    'x',
    {},
    () => 1,
    Symbol('s'),
  ];
  for (const name of functions) {
    for (const each of odd) {
      for (const count of [0, 1, 9]) {
        const answer = guest.raw(name, ...Array(count).fill(each));
        assert.ok(Number.isInteger(answer), name);
      }
    }
  }
});

describe('going on after the end', () => {
  test('proc_exit that is caught is thrown again by every call, and stays the result', () => {
    const guest = populated();
    const end = guest.host.run(() => {
      assert.throws(() => guest.raw('proc_exit', 7));
      assert.throws(() => guest.raw('proc_exit', 0));
      assert.throws(() => guest.raw('fd_write', 1, 0, 0, 0));
      assert.throws(() => guest.raw('sched_yield'));
      return 'went on';
    });
    assert.deepEqual(end, { kind: 'exited', code: 7 });
  });

  test('a trap after a caught exit does not cover it', () => {
    const guest = populated();
    const end = guest.host.run(() => {
      assert.throws(() => guest.raw('proc_exit', 7));
      throw new Error('unreachable');
    });
    assert.deepEqual(end, { kind: 'exited', code: 7 });
  });
});

test('a call that the stack runs out in ends the guest, so that nothing is left half counted', () => {
  /** Makes directories from ever closer to the end of the stack, as a guest would do it. */
  const dive = (): 'ended' | 'whole' => {
    const guest = Guest.in({}, { limits: { entries: 5000 } });
    const paths = Array.from({ length: 40 }, (_, n) => guest.put(`n${n}`));
    let made = 0;
    let refused = 0;
    const deeper = (): void => {
      try {
        deeper();
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
      const path = paths[made];
      if (path === undefined) return;
      // Nothing is called behind it: that might run out of stack instead.
      if (guest.raw('path_create_directory', ROOT, ...path) !== 0) refused += 1;
      made += 1;
    };
    try {
      guest.host.run(() => {
        deeper();
        guest.raw('sched_yield');
      });
    } catch (error) {
      assert.ok(error instanceof RangeError);
      assert.throws(() => guest.raw('sched_yield'), RangeError);
      return 'ended';
    }
    assert.deepEqual([made, refused], [paths.length, 0]);
    assert.equal(guest.host.changes().length, paths.length);
    return 'whole';
  };
  // Where the stack ends is the compiler's affair: one dive of some hundred runs out of it between two calls.
  let dives = 0;
  while (dive() !== 'ended') assert.ok(++dives < 20, 'no call ran out of stack');
});

describe('loops of changes', () => {
  test('making, renaming and removing for long leaves nothing behind that counts', () => {
    const guest = Guest.in({}, { limits: { entries: 3, fileBytes: 5000 } });
    for (let turn = 0; turn < 3000; turn++) {
      const fd = guest.fd('a', { how: create | OPEN.truncate });
      assert.equal(guest.write(fd, 'x'.repeat(4000)), 4000);
      assert.equal(guest.rename('a', 'b'), 'success');
      assert.equal(guest.link('b', 'c'), 'success');
      assert.equal(guest.path('path_unlink_file', 'b'), 'success');
      assert.equal(guest.rename('c', 'b'), 'success');
      assert.equal(guest.path('path_unlink_file', 'b'), 'success');
      assert.equal(guest.call('fd_close', fd), 'success');
    }
    assert.deepEqual(guest.host.changes(), []);
    assert.equal(guest.readdir(ROOT).entries.length, 2);
  });

  test('reading a directory that is written to at every step comes to an end once that stops', () => {
    const guest = Guest.in({ a: file('') });
    let cookie = 0n;
    let met = 0;
    for (let turn = 0; turn < 500; turn++) {
      const [entry] = guest.readdir(ROOT, cookie, 64).entries;
      if (entry === undefined) break;
      met += 1;
      cookie = entry.next;
      if (turn < 200) {
        const [from, to] = turn % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
        assert.equal(guest.rename(from, to), 'success');
      }
    }
    assert.ok(met > 10 && met < 300);
  });

  test('renumbering in circles neither loses nor adds a descriptor', () => {
    const guest = Guest.in({ f: file('x') }, { limits: { descriptors: 8 } });
    const fds = [guest.fd('f'), guest.fd('f'), guest.fd('f'), guest.fd('f')];
    assert.equal(guest.open('f'), 'mfile');
    for (let turn = 0; turn < 100; turn++) {
      const [from, to] = [fds[turn % 4] ?? 0, fds[(turn + 1) % 4] ?? 0];
      assert.equal(guest.call('fd_renumber', from, to), 'success');
      assert.equal(guest.call('fd_renumber', from, to), 'badf');
      assert.equal(guest.open('f'), from);
      assert.equal(guest.open('f'), 'mfile');
    }
  });
});
