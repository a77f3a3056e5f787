/** The database: ours alone, readable by its owner alone, and never made anew over something else. */
import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import type { ManagedRecord, SandboxState } from '../../src/store/managed-record.ts';
import { SqliteManagedStore } from '../../src/store/sqlite-managed-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-store-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const fresh = (): string => join(directory, `${files++}.db`);
const first = ['CREATE TABLE a (x INTEGER) STRICT'];
const second = [...first, 'ALTER TABLE a ADD COLUMN y INTEGER'];

/** Refused with a hint that names the file, and the file is as it was. */
function assertRefused(path: string, migrations: readonly string[], reason: RegExp): void {
  const before = readFileSync(path);
  assert.throws(
    () => new Database({ path, migrations }),
    (error: { code: string; message: string; hint: string; layer: string }) => {
      assert.deepEqual([error.code, error.layer], ['STORE_UNUSABLE', 'store']);
      assert.match(error.message, reason);
      assert.ok(error.message.includes(path) && error.hint.length > 0);
      return true;
    },
  );
  assert.deepEqual(readFileSync(path), before);
}

describe('a database', () => {
  test('is its owner’s alone, with its log beside it', () => {
    const path = fresh();
    const mask = process.umask(0);
    try {
      const database = new Database({ path, migrations: first });
      database.write('INSERT INTO a VALUES (1)');
      for (const suffix of ['', '-wal', '-shm'])
        assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix);
      database.close();
    } finally {
      process.umask(mask);
    }
  });

  test('goes from version to version, once each', () => {
    const path = fresh();
    const old = new Database({ path, migrations: first });
    old.write('INSERT INTO a VALUES (7)');
    old.close();
    for (let i = 0; i < 2; i++) {
      const database = new Database({ path, migrations: second });
      assert.deepEqual({ ...database.read('SELECT * FROM a')[0] }, { x: 7, y: null });
      database.close();
    }
    assertRefused(path, first, /newer Caisson/);
  });

  test('a migration that fails changes nothing', () => {
    const path = fresh();
    new Database({ path, migrations: first }).close();
    assertRefused(path, [...first, 'CREATE TABLE b (x); no such statement'], /damaged/);
    new Database({ path, migrations: [...first, 'CREATE TABLE b (x)'] }).close();
  });

  test('of another program is refused', () => {
    const path = fresh();
    const other = new Database({ path, migrations: first });
    other.write('PRAGMA application_id=1');
    other.close();
    assertRefused(path, first, /another program/);
  });

  test('that is none, or is damaged, is refused and stays', () => {
    const none = fresh();
    writeFileSync(none, 'a text file that somebody keeps here\n'.repeat(100));
    assertRefused(none, first, /not a database/);
    const short = fresh();
    const database = new Database({ path: short, migrations: first });
    for (let i = 0; i < 2000; i++) database.write('INSERT INTO a VALUES ($i)', { i });
    database.close();
    truncateSync(short, 8192);
    assertRefused(short, first, /damaged/);
  });

  test('behind a link is refused, also where the link leads nowhere', () => {
    const target = fresh();
    const path = fresh();
    symlinkSync(target, path);
    assert.throws(() => new Database({ path, migrations: first }), { code: 'STORE_UNUSABLE' });
    assert.throws(() => statSync(target), { code: 'ENOENT' });
  });

  test('what a transaction did that fails is not there', () => {
    const database = new Database({ path: fresh(), migrations: first });
    assert.throws(() =>
      database.transaction(() => {
        database.write('INSERT INTO a VALUES (1)');
        throw new Error('no');
      }),
    );
    assert.deepEqual(database.read('SELECT * FROM a'), []);
    database.close();
    assert.throws(() => database.read('SELECT * FROM a'), { code: 'STORE_UNUSABLE' });
  });
});

describe('the store of managed sandboxes', () => {
  const open = (): SqliteManagedStore =>
    SqliteManagedStore.open(mkdtempSync(join(directory, 'state-')));
  const manager = {
    id: 'm',
    process: { pid: 1, startTime: '1' },
    bootId: 'b',
    pidNamespace: '1',
    launchers: [],
    openedMs: 0,
  };
  const record = (id: string, state: SandboxState): ManagedRecord => ({
    id,
    manager: 'm',
    kind: 'run',
    state,
    tenant: '',
    labels: { a: 'b' },
    priority: 0,
    policyDigest: 'd',
    createdMs: 0,
    createdMonotonicMs: 0,
  });

  test('gives back what was put last, the living apart from the ended', async () => {
    const store = open();
    await store.putManager(manager);
    await Promise.all([store.put(record('1', 'Running')), store.put(record('2', 'Running'))]);
    store.put(record('1', 'Paused'));
    await store.put(record('1', 'Killed'));
    assert.deepEqual(await store.list(), [record('1', 'Killed'), record('2', 'Running')]);
    assert.deepEqual(await store.list({ live: true }), [record('2', 'Running')]);
    assert.deepEqual(await store.managers(), [manager]);
    await store.removeManager('m');
    assert.deepEqual([await store.list(), await store.managers()], [[], []]);
    await store.close();
  });

  test('what nobody waits for comes with what somebody waits for, or soon', async () => {
    const state = mkdtempSync(join(directory, 'state-'));
    const [store, other] = [SqliteManagedStore.open(state), SqliteManagedStore.open(state, true)];
    await store.putManager(manager);
    const soon = store.putSoon(record('1', 'Running'));
    assert.deepEqual(await other.list(), [], 'not at once');
    await store.put(record('2', 'Initializing'));
    assert.deepEqual(await other.list(), [record('1', 'Running'), record('2', 'Initializing')]);
    await soon;
    store.putSoon(record('1', 'Paused'));
    await store.putSoon(record('1', 'Killed'));
    assert.deepEqual((await other.list())[0], record('1', 'Killed'));
    const last = store.putSoon(record('2', 'Completed'));
    await store.close();
    await last;
    assert.deepEqual((await other.list())[1], record('2', 'Completed'), 'closing loses nothing');
    await other.close();
  });

  test('who waits for what could not be written is told, also when somebody reads first', async () => {
    const store = open();
    const put = store.put(record('1', 'Running'));
    const soon = store.putSoon(record('1', 'Paused'));
    put.catch(() => {});
    soon.catch(() => {});
    await assert.rejects(store.list(), { code: 'STORE_UNUSABLE' });
    await assert.rejects(put, { code: 'STORE_UNUSABLE' });
    await assert.rejects(soon, { code: 'STORE_UNUSABLE' });
    await store.close();
  });

  test('forgets the oldest that have ended', async () => {
    const store = open();
    await store.putManager(manager);
    for (let i = 10; i < 20; i++) store.put(record(`${i}`, i === 10 ? 'Running' : 'Completed'));
    await store.prune('m', 3);
    const ids = (await store.list()).map(({ id }) => id);
    assert.deepEqual(ids, ['10', '17', '18', '19']);
    await store.close();
  });

  test('of a manager that nobody has heard of is refused', async () => {
    const store = open();
    await assert.rejects(store.put(record('1', 'Running')), { code: 'STORE_UNUSABLE' });
    await store.close();
  });

  test('a record that cannot be read is an error, not an absence', async () => {
    const state = mkdtempSync(join(directory, 'state-'));
    const store = SqliteManagedStore.open(state);
    await store.putManager(manager);
    const raw = new Database({ path: SqliteManagedStore.fileIn(state), migrations: ['SELECT 1'] });
    raw.write(`INSERT INTO sandbox VALUES ('x', 'm', 1, '{"id":"x"}')`);
    raw.close();
    await assert.rejects(store.list(), { code: 'STORE_UNUSABLE', message: /cannot be read/ });
    await store.close();
  });

  test('two processes write at once', async () => {
    const state = mkdtempSync(join(directory, 'state-'));
    const stores = [SqliteManagedStore.open(state), SqliteManagedStore.open(state)];
    await Promise.all(stores.map((store, i) => store.putManager({ ...manager, id: `m${i}` })));
    for (let i = 0; i < 50; i++)
      await Promise.all(
        stores.map((store, which) =>
          store.put({ ...record(`${which} ${i}`, 'Running'), manager: `m${which}` }),
        ),
      );
    assert.equal((await stores[0]?.list())?.length, 100);
    await Promise.all(stores.map((store) => store.close()));
  });
});
