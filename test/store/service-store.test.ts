/** What a service keeps: keys, tenants, policies, idempotency records; each tenant's apart from every other's. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { MOST_ANSWER_BYTES } from '../../src/store/idempotency-record.ts';
import type { ApiKeyRecord } from '../../src/store/key-record.ts';
import { SqliteServiceStore } from '../../src/store/sqlite-service-store.ts';
import { TENANT_ID } from '../../src/store/tenant-record.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-service-store-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const fresh = (): string => join(directory, `${files++}.db`);
const source = resolve(import.meta.dirname, '../../src/store/sqlite-service-store.ts');

const ID = 'abcdefghij234567';
const keyOf = (id: string, tenant: string, more: Partial<ApiKeyRecord> = {}): ApiKeyRecord => ({
  id,
  tenant,
  name: 'a key',
  roles: ['viewer'],
  scopes: [],
  secrets: [],
  createdMs: 1,
  createdBy: 'test',
  ...more,
});

/** What a program does that has the same file open. */
function elsewhere(path: string, code: string): void {
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { SqliteServiceStore } from ${JSON.stringify(source)};
       const store = SqliteServiceStore.open(${JSON.stringify(path)}); ${code}`,
    ],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
}

test('names of tenants: one written form, fit for a file name', () => {
  for (const name of ['acme', 'a', '0', 'a-b_c.d', 'constructor', 'x'.repeat(64)]) {
    assert.match(name, TENANT_ID);
  }
  for (const name of [
    ...['', '.', '..', 'a..b', '../a', 'a/b', 'a\\b', '-a', 'a-', '.a', 'a.', '_a', '__proto__'],
    ...['Acme', 'ACME', 'acmé', 'аcme', 'a b', 'a\n', 'acme\n', 'a\0', 'x'.repeat(65), "a'--"],
  ]) {
    assert.doesNotMatch(name, TENANT_ID, JSON.stringify(name));
  }
});

describe('keys', () => {
  test('belong to one tenant: another finds, changes and counts none of them', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { keys } = store;
    assert.equal(await keys.add(keyOf(ID, 'acme')), 'added');
    assert.equal(await keys.add(keyOf(ID, 'globex')), 'exists');
    assert.equal(
      await keys.update('globex', ID, (record) => ({ ...record, name: 'stolen' })),
      undefined,
    );
    assert.deepEqual(await keys.list({ tenant: 'globex' }), []);
    assert.equal(await keys.count('globex', 0), 0);
    const changed = await keys.update('acme', ID, (record) => ({
      ...record,
      tenant: 'globex',
      id: 'zzzzzzzzzzzzzzzz',
      name: 'b',
    }));
    assert.deepEqual([changed?.record.tenant, changed?.record.id], ['acme', ID]);
    assert.equal((await keys.list({ tenant: 'acme' }))[0]?.record.name, 'b');
  });

  test('no more than a tenant may have, of those that are good for something', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const id = (n: number) => `abcdefghij23456${'abcdefgh'[n]}`;
    const most = { keys: 2, nowMs: 100 };
    const { keys } = store;
    assert.equal(await keys.add(keyOf(id(0), 'acme', { expiresMs: 100 }), most), 'added');
    assert.equal(await keys.add(keyOf(id(1), 'acme'), most), 'added');
    assert.equal(await keys.add(keyOf(id(2), 'acme'), most), 'added');
    assert.equal(await keys.add(keyOf(id(3), 'acme'), most), 'full');
    const revoked = { atMs: 100, by: 'test', reason: '' };
    await keys.update('acme', id(1), (record) => ({ ...record, revoked }));
    assert.equal(await keys.add(keyOf(id(3), 'acme'), most), 'added');
    assert.equal(await keys.add(keyOf(id(4), 'globex'), most), 'added');
  });

  test('SQL in an id is an id that nobody has', async () => {
    await using store = SqliteServiceStore.open(fresh());
    await store.keys.add(keyOf(ID, 'acme'));
    for (const id of [`${ID}' OR '1'='1`, `' OR 1=1; DROP TABLE key; --`, '%', `${ID}\0`]) {
      assert.equal(await store.keys.get(id), undefined);
      assert.equal(await store.keys.update(id, id, (record) => record), undefined);
      assert.deepEqual(await store.keys.list({ tenant: id }), []);
    }
    assert.equal((await store.keys.list()).length, 1);
  });

  test('when one was used last never goes back', async () => {
    await using store = SqliteServiceStore.open(fresh());
    await store.keys.add(keyOf(ID, 'acme'));
    const before = store.revision();
    await store.keys.touch([
      [ID, 50],
      [ID, 20],
      ['zzzzzzzzzzzzzzzz', 1],
    ]);
    assert.equal((await store.keys.get(ID))?.lastUsedMs, 50);
    assert.equal(store.revision(), before, 'a use is no change');
  });
});

describe('the revision', () => {
  test('is another one after each change of a key or tenant, also by another process', async () => {
    const path = fresh();
    await using store = SqliteServiceStore.open(path);
    const seen = new Set([store.revision()]);
    await store.keys.add(keyOf(ID, 'acme'));
    seen.add(store.revision());
    const tenant = { id: 'acme', description: '', createdMs: 1, createdBy: 'test', settings: {} };
    await store.tenants.add(tenant);
    seen.add(store.revision());
    assert.equal(await store.tenants.add(tenant), false);
    assert.ok(seen.has(store.revision()), 'what was there already is no change');
    elsewhere(
      path,
      `await store.keys.update('acme', '${ID}', (record) => ({ ...record, name: 'b' }));`,
    );
    seen.add(store.revision());
    assert.equal(seen.size, 4);
    elsewhere(path, `await store.idempotency.adopt('x'); await store.policies.count('acme');`);
    assert.ok(seen.has(store.revision()));
  });

  test('a file that was taken away is told, and not taken for one without keys', async () => {
    const path = fresh();
    await using store = SqliteServiceStore.open(path);
    renameSync(path, `${path}.away`);
    await setTimeout(20);
    assert.throws(() => store.revision(), { code: 'STORE_UNUSABLE' });
  });

  test('the file is its owner’s alone', async () => {
    const path = fresh();
    await using store = SqliteServiceStore.open(path);
    await store.keys.add(keyOf(ID, 'acme'));
    for (const suffix of ['', '-wal', '-shm'])
      assert.equal(statSync(path + suffix).mode & 0o777, 0o600);
  });
});

describe('policies', () => {
  const policy = (tenant: string, name: string, digest: string) => ({
    ...{ tenant, name, digest, document: { name: digest } },
    ...{ createdMs: 1, createdBy: 'test' },
  });

  test('a version never changes, and no number is used twice', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { policies } = store;
    const add = async (digest: string, ifVersion?: number | null) => {
      const { result, stored } = await policies.add(
        policy('acme', 'p', digest),
        ifVersion === undefined ? {} : { ifVersion },
      );
      return [result, stored?.version];
    };
    assert.deepEqual(await add('a', null), ['added', 1]);
    assert.deepEqual(await add('b', null), ['differs', 1]);
    assert.deepEqual(await add('a'), ['same', 1]);
    assert.deepEqual(await add('b', 1), ['added', 2]);
    assert.deepEqual(await add('c', 1), ['differs', 2]);
    assert.equal((await policies.get('acme', 'p', 1))?.digest, 'a');
    assert.equal((await policies.get('acme', 'p'))?.digest, 'b');
    assert.equal(await policies.remove('acme', 'p', { ifVersion: 1 }), 'differs');
    assert.equal(await policies.remove('acme', 'p'), 'removed');
    assert.equal(await policies.remove('acme', 'p'), 'absent');
    assert.equal(await policies.get('acme', 'p', 1), undefined);
    assert.deepEqual(await policies.list('acme'), []);
    assert.deepEqual(await add('a', null), ['added', 3]);
    assert.deepEqual(
      (await policies.versions('acme', 'p')).map(({ version }) => version),
      [3],
    );
  });

  test('of one name are apart by tenant', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { policies } = store;
    await policies.add(policy('acme', 'p', 'a'));
    await policies.add(policy('globex', 'p', 'g'));
    await policies.add(policy('acme', 'q', 'q'));
    assert.equal((await policies.get('globex', 'p'))?.digest, 'g');
    assert.equal(await policies.get('globex', 'q'), undefined);
    assert.equal(await policies.remove('globex', 'q'), 'absent');
    const names = (await policies.list('acme', { after: 'p' })).map(({ name }) => name);
    assert.deepEqual(names, ['q']);
    assert.deepEqual([await policies.count('acme'), await policies.count('globex')], [2, 1]);
  });
});

describe('idempotency records', () => {
  const id = { tenant: 'acme', route: 'runCommand', key: 'k' };
  const request = { ...id, digest: 'd', owner: 'me', nowMs: 0, expiresMs: 1000 };
  const answer = { status: 201, headers: { etag: '"x"' }, body: Buffer.from('{}') };

  test('are done once, and answered again byte by byte', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { idempotency } = store;
    assert.equal((await idempotency.begin(request)).state, 'begun');
    assert.equal((await idempotency.begin(request)).state, 'running');
    assert.equal((await idempotency.begin({ ...request, digest: 'e' })).state, 'differs');
    await idempotency.finish(id, answer);
    const again = await idempotency.begin({ ...request, owner: 'later' });
    assert.ok(again.state === 'done');
    assert.deepEqual(
      { ...again.answer, body: Buffer.from(again.answer.body ?? []).toString() },
      { status: 201, headers: { etag: '"x"' }, body: '{}', bodyOmitted: false },
    );
    assert.equal((await idempotency.begin({ ...request, digest: 'e' })).state, 'differs');
    for (const other of [{ tenant: 'globex' }, { route: 'createSandbox' }, { key: 'K' }]) {
      assert.equal((await idempotency.begin({ ...request, ...other, digest: 'e' })).state, 'begun');
    }
  });

  test('nothing was done: it may be tried again; nothing that was answered is forgotten so', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { idempotency } = store;
    await idempotency.begin(request);
    await idempotency.forget(id);
    assert.equal((await idempotency.begin({ ...request, digest: 'e' })).state, 'begun');
    await idempotency.finish(id, answer);
    await idempotency.forget(id);
    assert.equal((await idempotency.begin({ ...request, digest: 'e' })).state, 'done');
  });

  test('what a process was doing when it died is lost, and told so', async () => {
    const path = fresh();
    elsewhere(
      path,
      `await store.idempotency.begin(${JSON.stringify({ ...request, owner: 'dead' })});
       process.kill(process.pid, 0); process.exitCode = 0;`,
    );
    await using store = SqliteServiceStore.open(path);
    const { idempotency } = store;
    assert.equal((await idempotency.begin(request)).state, 'running');
    assert.equal(await idempotency.adopt('me'), 1);
    assert.equal((await idempotency.begin(request)).state, 'lost');
    assert.equal((await idempotency.begin({ ...request, digest: 'e' })).state, 'differs');
    // Whoever was late changes nothing of it.
    await idempotency.finish(id, answer);
    assert.equal((await idempotency.begin(request)).state, 'lost');
    assert.equal(
      (await idempotency.begin({ ...request, nowMs: 1000, expiresMs: 2000 })).state,
      'begun',
    );
  });

  test('a long body is not kept, and that is said', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { idempotency } = store;
    await idempotency.begin(request);
    await idempotency.finish(id, { ...answer, body: new Uint8Array(MOST_ANSWER_BYTES + 1) });
    const again = await idempotency.begin(request);
    assert.ok(again.state === 'done' && again.answer.bodyOmitted);
    assert.equal(again.answer.body, undefined);
  });

  test('expire and are pruned, but not what still runs', async () => {
    await using store = SqliteServiceStore.open(fresh());
    const { idempotency } = store;
    for (const key of ['a', 'b']) await idempotency.begin({ ...request, key });
    await idempotency.finish({ ...id, key: 'a' }, answer);
    assert.equal(await idempotency.prune(999), 0);
    assert.equal(await idempotency.prune(1000), 1);
    assert.equal((await idempotency.begin({ ...request, key: 'b', nowMs: 5000 })).state, 'running');
    assert.equal((await idempotency.begin({ ...request, key: 'a', nowMs: 5000 })).state, 'begun');
  });
});
