/** What a person without types gets wrong with the library itself: told by name before anything is made, nothing weaker. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import {
  Caisson,
  isCaissonError,
  type ObservedEvent,
  SandboxedToolRunner,
  sandboxed,
} from '../../src/index.ts';

const state = mkdtempSync(join(tmpdir(), 'caisson-first-'));
after(() => rmSync(state, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: nothing here has the right type.
type Untyped = any;

const open = (more: object = {}): Promise<Untyped> =>
  Caisson.open({ stateDirectory: state, ...more });

async function refusal(work: () => unknown): Promise<{ message: string; hint: string }> {
  try {
    await work();
  } catch (error) {
    assert.ok(isCaissonError(error), String(error));
    assert.equal(error.code, 'REQUEST_INVALID');
    return { message: error.message, hint: error.hint ?? '' };
  }
  throw new Error('it was let through');
}

test('a misspelt option is recorded as any refusal, and nothing is made for it', async () => {
  const told: ObservedEvent[] = [];
  await using caisson = await open({ observer: (event: ObservedEvent) => told.push(event) });
  const { message, hint } = await refusal(() =>
    caisson.run(['true'], { polcy: 'paranoid', tenant: 'acme' }),
  );
  assert.deepEqual([message, hint], ['run has no option "polcy"', 'did you mean policy?']);
  assert.equal(told.length, 1);
  const [{ kind, code, tenant }] = told as [Untyped];
  assert.deepEqual([kind, code, tenant], ['refused', 'REQUEST_INVALID', 'acme']);
  const safe = await caisson.safeRun(['true'], { polcy: 'paranoid' });
  assert.equal(safe.ok, false);
});

describe('opening', () => {
  const mistakes: [what: string, options: unknown, hint: RegExp][] = [
    ['a misspelt option', { observr: () => {} }, /did you mean observer\?/],
    ['a misspelt one of admission', { admission: { analyse: () => {} } }, /mean analyze\?/],
    ['an audit log that nobody awaited', { audit: Promise.resolve({}) }, /await it/],
    ['an audit log that is none', { audit: {} }, /ready/],
    ['telemetry that is none', { telemetry: {} }, /begin/],
    ['a state directory that is a number', { stateDirectory: 5 }, /a text/],
    ['null', null, /leave it out/],
  ];
  for (const [what, options, hint] of mistakes) {
    test(what, async () => {
      assert.match((await refusal(() => Caisson.open(options as never))).hint, hint);
    });
  }

  test('by new, which has no types to say no', async () => {
    const Constructor = Caisson as Untyped;
    await refusal(() => new Constructor());
    await refusal(() => new Constructor({ observr: () => {} }));
  });

  test('what is opened while it is closed is closed with it', async () => {
    for (const name of ['modules', 'manager']) {
      const caisson = await open();
      const opening: Promise<unknown> = caisson[name]();
      const closed = assert.rejects(opening, { code: 'SANDBOX_CLOSED' }, name);
      await caisson.close();
      await closed;
    }
  });

  test('what is kept ready is a number that the launcher takes', async () => {
    await using caisson = await open();
    for (const slots of [-1, 1.5, Number.NaN, 4097, '4']) {
      await refusal(() => caisson.prepare({ slots }));
    }
    await refusal(() => caisson.changes());
  });
});

describe('a manager', () => {
  const mistakes: [what: string, options: unknown, hint: RegExp][] = [
    ['a misspelt option', { pol: {} }, /did you mean pool\?/],
    ['a misspelt dimension', { pool: { concurency: 1 } }, /did you mean concurrency\?/],
    ['one of the tenants', { perTenant: { concurency: 1 } }, /did you mean concurrency\?/],
    ['one of the queue', { queue: { totl: 1 } }, /did you mean total\?/],
    ['a store that is none', { store: {} }, /put/],
    ['a clock that is none', { clock: {} }, /wallMs/],
  ];
  for (const [what, options, hint] of mistakes) {
    test(what, async () => {
      await using caisson = await open();
      assert.match((await refusal(() => caisson.manager(options))).hint, hint);
    });
  }

  test('no request with a slip waits for room, and no slip of a filter kills what it does not name', async () => {
    await using caisson = await open();
    const manager = await caisson.manager();
    const kept = await manager.create({ tenant: 'a' });
    for (const filter of [{ tenent: 'b' }, 'b', null, Promise.resolve({ tenant: 'b' })]) {
      await refusal(() => manager.killAll(filter));
      await refusal(() => manager.list(filter));
    }
    for (const options of [{ polcy: 'x' }, { ttl: 5 }, { background: true }, { timeoutMs: '5s' }]) {
      await refusal(() => manager.run(['true'], options));
      await refusal(() => manager.spawn(['true'], options));
    }
    await refusal(() => manager.run('true'));
    await refusal(() => manager.create({ idleTimeout: 5 }));
    await refusal(() => manager.create('strict'));
    await refusal(() => kept.fork({ ttl: 5 }));
    for (const options of [{ mode: 'drian' }, { mode: 'drain', timeoutMs: Number.NaN }, 'drain']) {
      await refusal(() => manager.close(options));
    }
    assert.equal((await kept.exec(['true'])).code, 0);
    assert.deepEqual(
      manager.list().map(({ id }: Untyped) => id),
      [kept.id],
    );
  });

  test('a time limit that is none is refused, and not left out', async () => {
    await using caisson = await open();
    const manager = await caisson.manager();
    for (const timeoutMs of [0, -1, 1.5, Number.NaN, Infinity, -Infinity]) {
      await refusal(() => manager.run(['true'], { timeoutMs }));
      await refusal(() => manager.spawn(['true'], { timeoutMs }));
    }
    assert.deepEqual(manager.list(), []);
  });
});

test('wrappers and the tool runner', async () => {
  const wrap: Untyped = sandboxed;
  const Runner: Untyped = SandboxedToolRunner;
  await refusal(() => wrap(() => 1, { timout: 5 }));
  await refusal(() => wrap('1 + 1'));
  await refusal(() => wrap(() => 1, { caisson: open() }));
  // In its words it is seconds.
  assert.equal((await refusal(() => new Runner({ timeoutMs: 5 }))).hint, 'did you mean timeout?');
  await refusal(() => new Runner(null));
});

test('a registry of modules', async () => {
  await using caisson = await open();
  const before = readdirSync(state);
  await refusal(() => caisson.modules({ pth: join(state, 'else.db') }));
  assert.deepEqual(readdirSync(state), before);
  await using modules = await caisson.modules();
  await refusal(() => modules.remove(5));
  await refusal(() => modules.execute('a', null));
});

test('functions that are granted are functions', async () => {
  await using caisson = await open();
  await refusal(() =>
    caisson.evaluate('javascript', 'export default () => 1', { grants: { a: null } }),
  );
});
