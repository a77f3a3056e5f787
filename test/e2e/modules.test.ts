/** Registered modules behind real walls. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson, isCaissonError, type ModuleRegistration, type Modules } from '../../src/index.ts';
import { build } from '../wasm/build-module.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-modules-e2e-'));
let caisson: Caisson;
let modules: Modules;
before(async () => {
  caisson = await Caisson.open({ stateDirectory: join(directory, 'state') });
  // Modules here do on purpose what a scan refuses: the walls are what is tested. test/e2e/admission.test.ts has the scan.
  modules = await caisson.modules({ policy: { version: 1, admission: { scan: 'off' } } });
});
after(async () => {
  await caisson.close();
  rmSync(directory, { recursive: true });
});

let made = 0;
async function register(more: Omit<ModuleRegistration, 'id' | 'version'>): Promise<string> {
  const id = `m${made++}`;
  await modules.register({ id, version: '1.0.0', ...more });
  return id;
}
const js = (code: string, more: Partial<ModuleRegistration> = {}) =>
  register({ kind: 'js', code, ...more });

/** Refused at registration, and not kept. */
async function refused(
  more: Omit<ModuleRegistration, 'id' | 'version'>,
  code: string,
  message: RegExp,
): Promise<{ hint?: string; details: Record<string, unknown> }> {
  const before = (await modules.list()).length;
  const error = await register(more).then(
    () => assert.fail('it was registered'),
    (thrown: unknown) => thrown,
  );
  assert.ok(isCaissonError(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.equal((await modules.list()).length, before);
  return error as never;
}

test('the database is where the state is', () => {
  assert.ok(existsSync(join(directory, 'state/modules.db')));
});

describe('a js module', () => {
  test('is executed with arguments, and says what it took', async () => {
    const id = await js('export default (a, b) => { console.log("hi"); return { sum: a + b } }');
    const result = await modules.execute(id, { args: [40, 2] });
    assert.deepEqual([result.kind, result.value], ['exited', { sum: 42 }]);
    assert.equal(result.stdout.text, 'hi\n');
    assert.deepEqual([result.admission.decision, result.module.id], ['unchecked', id]);
    assert.match(result.wallReason, /behind the wall process/);
    assert.ok(result.usage.wallMs > 0 && result.usage.memoryPeakBytes > 0);
  });

  test('keeps what it was registered to keep, and shares it with no other', async () => {
    const code = 'globalThis.n ??= 0; export default () => ++globalThis.n';
    const [fresh, isolate, kept, other] = [
      await js(code),
      await js(code, { keep: 'isolate' }),
      await js(code, { keep: 'context' }),
      await js(code, { keep: 'context' }),
    ];
    const values = async (id: string): Promise<unknown[]> => [
      (await modules.execute(id)).value,
      (await modules.execute(id)).value,
    ];
    assert.deepEqual(await values(fresh), [1, 1]);
    assert.deepEqual(await values(isolate), [1, 1]);
    assert.deepEqual(await values(kept), [1, 2]);
    assert.deepEqual(await values(other), [1, 2]);
  });

  test('fails to load the same way each time, whatever it keeps', async () => {
    const id = await js('throw new Error("top"); export default 1', { keep: 'context' });
    for (let i = 0; i < 3; i++) {
      assert.equal((await modules.execute(id)).error?.message, 'top');
    }
  });

  test('may be TypeScript, and calls what is granted', async () => {
    const id = await js('export default async (n: number): Promise<number> => await twice(n)', {
      language: 'typescript',
    });
    const grants = { twice: (n: number) => n * 2 };
    assert.equal((await modules.execute(id, { args: [21], grants })).value, 42);
    assert.match((await modules.execute(id, { args: [1] })).error?.message ?? '', /twice/);
  });

  test('that does not compile is refused with its place, and nothing of it ran', async () => {
    const { hint, details } = await refused(
      { kind: 'js', code: 'throw 1;\nexport default (a => 1;' },
      'MODULE_CODE_INVALID',
      /m\d+@1\.0\.0\.js:2:23: /,
    );
    assert.match(hint ?? '', /export default \(a => 1;\n +\^/);
    assert.equal((details.position as { line: number }).line, 2);
    await refused(
      { kind: 'js', code: 'import "node:fs"; export default 1' },
      'MODULE_CODE_INVALID',
      /"node:fs"/,
    );
    await refused(
      { kind: 'js', language: 'typescript', code: 'let a: = 1' },
      'MODULE_CODE_INVALID',
      /\.ts:1:/,
    );
    const nested = `${'('.repeat(49_000)}1${')'.repeat(49_000)}`;
    await refused(
      { kind: 'js', code: nested },
      'MODULE_CODE_INVALID',
      /compile: Maximum call stack/,
    );
    await refused(
      { kind: 'js', language: 'typescript', code: nested },
      'MODULE_CODE_INVALID',
      /nested too deeply/,
    );
    const steering = await refused(
      { kind: 'js', code: 'a \u001b[2J b' },
      'MODULE_CODE_INVALID',
      /./,
    );
    assert.ok(!steering.hint?.includes('\u001b'));
    // Would never come to an end.
    const id = await js('while (true);', { limits: { timeoutMs: 300 } });
    const endless = await modules.execute(id);
    assert.equal(endless.kind, 'timed-out');
  });

  test('is held to its own limits, and its throwing is a value', async () => {
    const limits = { timeoutMs: 2000, memoryBytes: 32 * 2 ** 20 };
    const hungry = await js(
      'export default () => { const a = []; for (;;) a.push(new Array(1e5).fill(1)); }',
      { limits },
    );
    assert.equal((await modules.execute(hungry)).kind, 'out-of-memory');
    const throwing = await js('export default () => { throw new TypeError("no") }');
    const thrown = await modules.execute(throwing);
    assert.deepEqual([thrown.kind, thrown.code, thrown.error?.name], ['exited', 1, 'TypeError']);
    const { outcomes } = await modules.statistics(hungry);
    assert.deepEqual(outcomes, { 'out-of-memory': 1 });
    assert.deepEqual((await modules.statistics(throwing)).outcomes, { failed: 1 });
  });

  test('comes to its end when it is removed in the middle', async () => {
    const id = await js('export default async () => { await wait(); return "done" }');
    const { promise, resolve } = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const grants = {
      wait: () => {
        begun.resolve();
        return promise;
      },
    };
    const running = modules.execute(id, { grants });
    await begun.promise;
    await modules.remove(`${id}@1.0.0`);
    await assert.rejects(modules.execute(id), { code: 'MODULE_NOT_FOUND' });
    resolve();
    assert.equal((await running).value, 'done');
  });

  test('is given up with a signal', async () => {
    const id = await js('export default () => { for (;;); }');
    const signal = AbortSignal.timeout(200);
    await assert.rejects(modules.execute(id, { signal }), { code: 'ABORTED' });
    assert.deepEqual((await modules.statistics(id)).outcomes, { rejected: 1 });
  });
});

describe('a wasm module', () => {
  const add = build({
    functions: [
      {
        parameters: ['i32', 'i32'],
        results: ['i32'],
        code: [['local.get', 0], ['local.get', 1], 'i32.add'],
        export: 'add',
      },
    ],
    memory: { minimum: 1, maximum: 2 },
  });

  test('is described, and executed by its export', async () => {
    const id = await register({ kind: 'wasm', code: add, export: 'add' });
    const { interface: described } = await modules.inspect(id);
    assert.deepEqual(described?.imports, []);
    assert.deepEqual(
      described?.exports.map(({ name, type }) => [name, type]),
      [
        ['add', '(i32, i32) -> (i32)'],
        ['memory', 'memory 1..2'],
      ],
    );
    assert.equal((await modules.execute(id, { args: [40, 2] })).value, 42);
    const base64 = Buffer.from(add).toString('base64');
    const same = await register({ kind: 'wasm', code: base64, export: 'add' });
    assert.equal((await modules.inspect(same)).digest, (await modules.inspect(id)).digest);
  });

  test('is refused where it cannot be executed', async () => {
    const wasm = { kind: 'wasm', export: 'add' } as const;
    await refused({ ...wasm, code: add.subarray(0, 30) }, 'WASM_MALFORMED', /./);
    await refused({ ...wasm, code: Uint8Array.of(1, 2, 3) }, 'WASM_MALFORMED', /./);
    const { hint } = await refused({ kind: 'wasm', code: add }, 'MODULE_CODE_INVALID', /"default"/);
    assert.match(hint ?? '', /it exports "add"/);
    const importing = build({
      types: [{ parameters: [], results: [] }],
      imports: [
        { module: 'env', name: 'secret', entity: { kind: 'function', type: 1 } },
        { module: 'wasi_snapshot_preview1', name: 'nope', entity: { kind: 'function', type: 1 } },
      ],
      functions: [{ code: [], export: 'add' }],
    });
    await refused({ ...wasm, code: importing }, 'WASM_IMPORTS_UNKNOWN', /env\.secret.*nope/);
    const mistyped = build({ functions: [{ results: ['i32'], code: [], export: 'add' }] });
    await refused({ ...wasm, code: mistyped }, 'MODULE_CODE_INVALID', /./);
  });
});

describe('a command', () => {
  test('runs behind the process wall with words and input', async () => {
    const id = await register({
      kind: 'command',
      code: ['sh', '-c', 'cat; echo "$1"; exit 3', 'x'],
    });
    const result = await modules.execute(id, { args: ['; ls'], input: 'in\n' });
    assert.deepEqual([result.kind, result.code], ['exited', 3]);
    assert.deepEqual([result.stdout.text, result.wall], ['in\n; ls\n', 'process']);
    assert.deepEqual((await modules.statistics(id)).outcomes, { failed: 1 });
  });

  test('is held to its own limits', async () => {
    const limits = { timeoutMs: 300 };
    const id = await register({ kind: 'command', code: ['sleep', '20'], limits });
    assert.equal((await modules.execute(id)).kind, 'timed-out');
  });
});

test('a registry ends with its Caisson, and leaves what it counted', async () => {
  const path = join(directory, 'own.db');
  const first = await Caisson.open();
  const registry = await first.modules({ path });
  await registry.register({ id: 'a', version: '1.0.0', kind: 'js', code: 'export default 1' });
  await registry.execute('a');
  await first.close();
  await assert.rejects(registry.list(), { code: 'SANDBOX_CLOSED' });
  await assert.rejects(first.modules({ path }), { code: 'SANDBOX_CLOSED' });
  await using second = await Caisson.open();
  const later = await second.modules({ path });
  assert.equal((await later.statistics('a')).executions, 1);
});
