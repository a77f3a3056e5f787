/** Commands and reactors, how they end, and what they leave. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { engine } from '../../../../src/backends/wasm/engine.ts';
import { virtualClock } from '../../../../src/backends/wasm/wasi/clock.ts';
import { seededRandom } from '../../../../src/backends/wasm/wasi/random-source.ts';
import { isWasiFunction, wasiSignatures } from '../../../../src/backends/wasm/wasi/signatures.ts';
import {
  directory,
  file,
  symlink,
  type WasiDirectory,
} from '../../../../src/backends/wasm/wasi/tree.ts';
import { WasiHost, type WasiHostOptions } from '../../../../src/backends/wasm/wasi/wasi-host.ts';
import { isCaissonError } from '../../../../src/core/error.ts';
import { Guest, OPEN } from './guest.ts';
import { moduleBytes, op } from './module-bytes.ts';

const refused = (error: unknown) => isCaissonError(error) && error.code === 'REQUEST_INVALID';

function prepared(bytes: Uint8Array, options: Partial<WasiHostOptions> = {}) {
  const host = new WasiHost({ clock: virtualClock(), random: seededRandom(''), ...options });
  return { host, instance: new engine.Instance(new engine.Module(bytes), host.imports) };
}

/** `proc_exit` is function 0. */
const exitWith = (code: number) => [...op.i32(code), ...op.call(0)];

test('all 46 functions are there, and no more', () => {
  const { wasi_snapshot_preview1: functions = {}, ...others } = new Guest().host.imports;
  assert.deepEqual(Object.keys(functions).sort(), Object.keys(wasiSignatures).sort());
  assert.equal(Object.keys(functions).length, 46);
  assert.deepEqual(others, {});
});

test('an import is one of them by its name and its whole type', () => {
  assert.equal(isWasiFunction('fd_seek', ['i32', 'i64', 'i32', 'i32'], ['i32']), true);
  assert.equal(isWasiFunction('proc_exit', ['i32'], []), true);
  assert.equal(isWasiFunction('sched_yield', [], ['i32']), true);
  assert.equal(isWasiFunction('sched_yield', [], ['i64']), false);
  assert.equal(isWasiFunction('sched_yield', [], []), false);
  assert.equal(isWasiFunction('proc_exit', ['i32'], ['i32']), false);
  assert.equal(isWasiFunction('fd_seek', ['i32', 'i32', 'i32', 'i32'], ['i32']), false);
  assert.equal(isWasiFunction('fd_close', ['i32', 'i32'], ['i32']), false);
  assert.equal(isWasiFunction('fd_dup', ['i32'], ['i32']), false);
  assert.equal(isWasiFunction('toString', [], []), false);
});

describe('a command', () => {
  test('that returns has exited with 0', () => {
    const { host, instance } = prepared(moduleBytes({ functions: [{ name: '_start', code: [] }] }));
    assert.deepEqual(host.start(instance), { kind: 'exited', code: 0 });
  });

  test('exits with what it says, and stops there', () => {
    const bytes = moduleBytes({
      imports: ['proc_exit'],
      functions: [{ name: '_start', code: [...exitWith(42), ...op.unreachable] }],
    });
    const { host, instance } = prepared(bytes);
    assert.deepEqual(host.start(instance), { kind: 'exited', code: 42 });
  });

  test('that traps throws what the engine throws', () => {
    const bytes = moduleBytes({ functions: [{ name: '_start', code: op.unreachable }] });
    const { host, instance } = prepared(bytes);
    assert.throws(() => host.start(instance), engine.RuntimeError);
  });

  test('writes what it has', () => {
    // An iovec of address 8 and length 5, then the text.
    const data = '\x08\0\0\0\x05\0\0\0hello';
    const write = [
      ...op.i32(1),
      ...op.i32(0),
      ...op.i32(1),
      ...op.i32(64),
      ...op.call(0),
      ...op.drop,
    ];
    const bytes = moduleBytes({
      imports: ['fd_write'],
      data,
      functions: [{ name: '_start', code: write }],
    });
    let text = '';
    const { host, instance } = prepared(bytes, {
      stdout: {
        sink: (chunk) => {
          text += Buffer.from(chunk);
        },
      },
    });
    host.start(instance);
    assert.equal(text, 'hello');
  });

  test('cannot catch its own end: it goes no further than its next call, and the code stays', () => {
    const bytes = moduleBytes({
      imports: ['proc_exit', 'sched_yield'],
      functions: [
        {
          name: '_start',
          code: [
            ...op.tryCatchAll(exitWith(3), []),
            ...op.tryCatchAll(exitWith(0), []),
            ...op.forever([...op.call(1), ...op.drop]),
          ],
        },
      ],
    });
    const { host, instance } = prepared(bytes);
    assert.deepEqual(host.start(instance), { kind: 'exited', code: 3 });
  });

  test('that ends while it is instantiated ends there', () => {
    const bytes = moduleBytes({
      imports: ['proc_exit'],
      functions: [{ code: exitWith(9) }],
      start: 1,
    });
    const host = new WasiHost({ clock: virtualClock(), random: seededRandom('') });
    const made = host.run(() => new engine.Instance(new engine.Module(bytes), host.imports));
    assert.deepEqual(made, { kind: 'exited', code: 9 });
  });

  test('must be one: _start, no _initialize, a memory of its own', () => {
    const start = { name: '_start', code: [] };
    const initialize = { name: '_initialize', code: [] };
    for (const wrong of [
      { functions: [] },
      { functions: [start, initialize] },
      { functions: [start], pages: 0 },
    ]) {
      const { host, instance } = prepared(moduleBytes(wrong));
      assert.throws(() => host.start(instance), refused);
    }
    const exports = { _start: 1, memory: new engine.Memory({ initial: 1 }) };
    assert.throws(() => new Guest().host.start({ exports }), refused);
    const shared = new engine.Memory({ initial: 1, maximum: 1, shared: true });
    const { host } = prepared(moduleBytes({}));
    assert.throws(() => host.start({ exports: { _start: () => {}, memory: shared } }), refused);
  });

  test('is run once by one host', () => {
    const { host, instance } = prepared(moduleBytes({ functions: [{ name: '_start', code: [] }] }));
    host.start(instance);
    assert.throws(() => host.start(instance), refused);
  });
});

describe('a reactor', () => {
  test('is made ready once, and called after that', () => {
    const bytes = moduleBytes({
      imports: ['proc_exit'],
      functions: [
        { name: '_initialize', code: [] },
        { name: 'work', code: [] },
        { name: 'leave', code: exitWith(5) },
      ],
    });
    const { host, instance } = prepared(bytes);
    assert.deepEqual(host.initialize(instance), { kind: 'returned', value: undefined });
    const { work, leave } = instance.exports as Record<string, () => void>;
    assert.equal(host.run(() => work?.()).kind, 'returned');
    assert.deepEqual(
      host.run(() => leave?.()),
      { kind: 'exited', code: 5 },
    );
    assert.throws(() => host.initialize(instance), refused);
  });

  test('needs no _initialize, may end in it, and has no _start', () => {
    const without = prepared(moduleBytes({}));
    assert.equal(without.host.initialize(without.instance).kind, 'returned');
    const ending = prepared(
      moduleBytes({
        imports: ['proc_exit'],
        functions: [{ name: '_initialize', code: exitWith(1) }],
      }),
    );
    assert.deepEqual(ending.host.initialize(ending.instance), { kind: 'exited', code: 1 });
    const command = prepared(moduleBytes({ functions: [{ name: '_start', code: [] }] }));
    assert.throws(() => command.host.initialize(command.instance), refused);
  });
});

describe('what a caller hands in', () => {
  const make = (options: Partial<WasiHostOptions>) => () => new Guest(options);
  const tree = (entries: Record<string, unknown>): Partial<WasiHostOptions> => ({
    preopens: [{ path: '/', directory: directory(entries as WasiDirectory['entries']) }],
  });

  test('strings without NUL and whole, names that can be names', () => {
    for (const wrong of [
      { args: ['a\0b'] },
      { args: ['\ud800'] },
      { env: { 'A=B': 'c' } },
      { env: { '': 'c' } },
      { env: { A: 'b\0' } },
      { preopens: [{ path: '', directory: directory({}) }] },
      { preopens: [{ path: 'a\0', directory: directory({}) }] },
    ]) {
      assert.throws(make(wrong), refused);
    }
  });

  test('trees that can be', () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0', '\ud800', 'x'.repeat(256)]) {
      assert.throws(make(tree({ [name]: file('') })), refused, JSON.stringify(name));
    }
    assert.throws(make(tree({ l: symlink('') })), refused);
    assert.throws(make(tree({ l: symlink('x'.repeat(4097)) })), refused);
    assert.throws(make(tree({ f: file({ size: -0.5, load: () => new Uint8Array() }) })), refused);
    const twice = directory({});
    assert.throws(make(tree({ a: twice, b: twice })), refused);
    const entries = new Map<string, WasiDirectory>();
    const round = directory(entries);
    entries.set('inside', round);
    assert.throws(make({ preopens: [{ path: '/', directory: round }] }), refused);
    let deep = directory({});
    for (let n = 0; n < 300; n++) deep = directory({ d: deep });
    assert.throws(make(tree({ deep })), refused);
  });
});

describe('changes', () => {
  const kinds = (guest: Guest) =>
    guest.host.changes().map((change) => {
      const { kind, path } = change;
      if (kind === 'file')
        return `${change.existed ? 'changed' : 'new'} ${path} ${Buffer.from(change.read())}`;
      if (kind === 'symlink') return `${kind} ${path} -> ${change.target}`;
      return kind === 'link' ? `${kind} ${path} = ${change.to}` : `${kind} ${path}`;
    });
  const { create, truncate } = OPEN;
  const put = (guest: Guest, path: string, text: string) => {
    const fd = guest.fd(path, { how: create | truncate });
    guest.write(fd, text);
    guest.call('fd_close', fd);
  };

  test('none, where the guest only read', () => {
    const guest = Guest.in({ f: file('text'), d: directory({}) });
    guest.content('f');
    guest.readdir(3);
    assert.deepEqual(kinds(guest), []);
  });

  test('tell what was made, changed and removed, what is removed first', () => {
    const guest = Guest.in({
      keep: file('keep'),
      change: file('old'),
      gone: file('gone'),
      d: directory({ inner: file('inner'), gone: file('') }),
    });
    put(guest, 'change', 'new');
    put(guest, 'made', 'made');
    guest.path('path_unlink_file', 'gone');
    guest.path('path_unlink_file', 'd/gone');
    guest.path('path_create_directory', 'e');
    put(guest, 'e/f', 'deep');
    guest.symlink('../made', 'e/l');
    assert.deepEqual(kinds(guest), [
      'removed /gone',
      'changed /change new',
      'removed /d/gone',
      'new /made made',
      'directory /e',
      'new /e/f deep',
      'symlink /e/l -> ../made',
    ]);
  });

  test('a name taken by another thing is removed and made', () => {
    const guest = Guest.in({ a: file('a'), b: file('b') });
    guest.path('path_unlink_file', 'a');
    guest.path('path_create_directory', 'a');
    assert.equal(guest.rename('b', 'a/b'), 'success');
    assert.deepEqual(kinds(guest), ['removed /a', 'removed /b', 'directory /a', 'new /a/b b']);
  });

  test('further names of a file are links, so that no bytes are told twice', () => {
    const guest = Guest.in({ given: file('given') });
    put(guest, 'x', 'shared');
    guest.link('x', 'y');
    guest.link('given', 'z');
    assert.deepEqual(kinds(guest), ['new /x shared', 'link /y = /x', 'link /z = /given']);
  });

  test('of a lazy file that cannot be loaded are an error of ours, with its cause', () => {
    const cause = new Error('no longer there');
    const load = () => {
      throw cause;
    };
    const guest = Guest.in({ a: file({ size: 3, load }) });
    assert.equal(guest.rename('a', 'b'), 'success');
    const moved = guest.host.changes().find(({ path }) => path === '/b');
    assert.ok(moved?.kind === 'file');
    assert.throws(
      () => moved.read(),
      (error) => isCaissonError(error) && error.code === 'FILE_FAILED' && error.cause === cause,
    );
  });

  test('are told once, by the first preopen that leads there', () => {
    const work = directory({}, { writable: true });
    const guest = new Guest({
      preopens: [
        { path: '/', directory: directory({ work }) },
        { path: '/work', directory: work },
        { path: 'tmp', directory: directory({}, { writable: true }) },
      ],
    });
    guest.fd('f', { from: 4, how: create });
    guest.fd('g', { from: 5, how: create });
    assert.deepEqual(kinds(guest), ['new /work/f ', 'new tmp/g ']);
  });
});
