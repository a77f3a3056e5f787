/** What is remembered of modules: immutable, addressed by content, shared by processes, and never believed blindly. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { mergeCounts } from '../../src/modules/execution-counts.ts';
import { Database } from '../../src/store/database.ts';
import type { ExecutionCounts, ModuleRecord } from '../../src/store/module-record.ts';
import { SqliteManagedStore } from '../../src/store/sqlite-managed-store.ts';
import { SqliteModuleStore } from '../../src/store/sqlite-module-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-modules-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const fresh = (): string => join(directory, `${files++}.db`);
const code = Buffer.from('export default 1');
const digest = createHash('sha256').update(code).digest('hex');

function record(id: string, version = '1.0.0'): ModuleRecord {
  return {
    manifest: {
      id,
      version,
      kind: 'js',
      language: 'javascript',
      digest,
      codeBytes: code.length,
      export: 'default',
      keep: 'nothing',
      limits: { timeoutMs: 1, cpuMs: 1, memoryBytes: 1 },
      metadata: {},
    },
    admission: { decision: 'unchecked' },
    registeredMs: 0,
  };
}

const counts: ExecutionCounts = {
  executions: 1,
  outcomes: { succeeded: 1 },
  totalMs: 2,
  maxMs: 2,
  durations: { '44': 1 },
  lastMs: 5,
  lastOutcome: 'succeeded',
};

describe('the store of modules', () => {
  test('keeps a version as it is, also beyond its removal', async () => {
    const store = SqliteModuleStore.open(fresh());
    assert.equal((await store.find({ id: 'a', version: '1.0.0' }, 'x')).result, 'absent');
    assert.equal((await store.add(record('a'), code, 'x')).result, 'added');
    assert.equal((await store.add(record('a'), code, 'x')).result, 'exists');
    assert.equal((await store.add(record('a'), code, 'y')).result, 'differs');
    assert.deepEqual((await store.get({ id: 'a', version: '1.0.0' }))?.record, record('a'));
    assert.equal(await store.remove({ id: 'a', version: '1.0.0' }), true);
    assert.equal(await store.remove({ id: 'a', version: '1.0.0' }), false);
    assert.equal((await store.find({ id: 'a', version: '1.0.0' }, 'y')).result, 'differs');
    assert.equal((await store.add(record('a'), code, 'y')).result, 'differs');
    assert.equal((await store.add(record('a'), code, 'x')).result, 'added');
    await store.close();
  });

  test('what an earlier version wrote of admission is read as a report', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    await store.add(record('old'), code, 'x');
    await store.add(record('new'), code, 'x');
    await store.close();
    const raw = new DatabaseSync(path);
    raw.exec(`UPDATE module SET record = json_set(record, '$.admission', 'admitted') WHERE id = 'old';
      PRAGMA user_version = 1`);
    raw.close();
    const opened = SqliteModuleStore.open(path);
    const of = async (id: string) => (await opened.get({ id, version: '1.0.0' }))?.record.admission;
    assert.deepEqual(await of('old'), { decision: 'admitted' });
    assert.deepEqual(await of('new'), { decision: 'unchecked' }, 'and others stay as they are');
    await opened.close();
  });

  test('a record whose admission is no decision that lets anything run is damaged', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    await store.add(record('a'), code, 'x');
    for (const forged of [`json('{"decision":"refused"}')`, `json('{}')`, `'admitted'`, `NULL`]) {
      const raw = new DatabaseSync(path);
      raw.exec(`UPDATE module SET record = json_set(record, '$.admission', ${forged})`);
      raw.close();
      const get = store.get({ id: 'a', version: '1.0.0' });
      await assert.rejects(get, { code: 'STORE_UNUSABLE' }, forged);
    }
    await store.close();
  });

  test('keeps code once, as long as somebody has it', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    await store.add(record('a'), code, 'x');
    await store.add(record('b'), code, 'x');
    const raw = new DatabaseSync(path);
    const rows = () => raw.prepare('SELECT digest FROM content').all().length;
    assert.equal(rows(), 1);
    await store.remove({ id: 'a', version: '1.0.0' });
    assert.deepEqual(Buffer.from((await store.code(digest)) ?? []), code);
    await store.remove({ id: 'b', version: '1.0.0' });
    assert.equal(await store.code(digest), undefined);
    assert.equal(rows(), 0);
    raw.close();
    await store.close();
  });

  test('tells what others changed, and not what they counted', async () => {
    const path = fresh();
    const [mine, others] = [SqliteModuleStore.open(path), SqliteModuleStore.open(path)];
    await mine.add(record('a'), code, 'x');
    assert.equal(mine.hasChanged(), false);
    assert.equal(others.hasChanged(), true);
    assert.equal(others.hasChanged(), false);
    await others.enable({ id: 'a', version: '1.0.0' }, false);
    assert.equal(mine.hasChanged(), true);
    assert.equal((await mine.get({ id: 'a', version: '1.0.0' }))?.enabled, false);
    assert.equal(others.addCounts([{ id: 'a', version: '1.0.0', counts }], mergeCounts), true);
    assert.equal(mine.hasChanged(), false);
    await Promise.all([mine.close(), others.close()]);
  });

  test('counts wait for no writer, are merged, and go with the module', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    const name = { id: 'a', version: '1.0.0' };
    await store.add(record('a'), code, 'x');
    const writer = new DatabaseSync(path);
    writer.exec('BEGIN IMMEDIATE');
    const began = performance.now();
    assert.equal(store.addCounts([{ ...name, counts }], mergeCounts), false);
    // The time-out of whoever does wait is five seconds.
    assert.ok(performance.now() - began < 2500);
    writer.exec('ROLLBACK');
    writer.close();
    for (let i = 0; i < 2; i++) store.addCounts([{ ...name, counts }], mergeCounts);
    assert.equal((await store.counts(name))?.executions, 2);
    await store.remove(name);
    store.addCounts([{ ...name, counts }], mergeCounts);
    assert.equal(await store.counts(name), undefined);
    await store.close();
  });

  test('two processes register at once: each version is added by one of them', async () => {
    const path = fresh();
    const program = join(directory, 'register.ts');
    const store = join(import.meta.dirname, '../../src/store/sqlite-module-store.ts');
    writeFileSync(
      program,
      `import { SqliteModuleStore } from ${JSON.stringify(store)};
       const store = SqliteModuleStore.open(process.argv[2]);
       const record = JSON.parse(process.argv[3]);
       const done = { added: 0, exists: 0, differs: 0 };
       for (let i = 0; i < 100; i++) {
         const manifest = { ...record.manifest, id: 'm' + i };
         const identity = i % 2 === 0 ? 'same' : process.argv[4];
         done[(await store.add({ ...record, manifest }, Buffer.from(process.argv[5]), identity)).result]++;
       }
       console.log(JSON.stringify(done));`,
    );
    const run = async (who: string): Promise<Record<string, number>> => {
      const words = [program, path, JSON.stringify(record('m')), who, code.toString()];
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      const text = child.stdout.setEncoding('utf8').toArray();
      await once(child, 'close');
      return JSON.parse((await text).join(''));
    };
    const [one = {}, other = {}] = await Promise.all([run('one'), run('other')]);
    const both = (result: string): number => (one[result] ?? 0) + (other[result] ?? 0);
    assert.deepEqual([both('added'), both('exists'), both('differs')], [100, 50, 50]);
    const after = SqliteModuleStore.open(path);
    assert.equal((await after.list()).length, 100);
    await after.close();
  });
});

test('a process that is killed while it registers leaves whole modules alone', async () => {
  const path = fresh();
  const program = join(directory, 'killed.ts');
  const module = join(import.meta.dirname, '../../src/store/sqlite-module-store.ts');
  writeFileSync(
    program,
    `import { createHash } from 'node:crypto';
     import { SqliteModuleStore } from ${JSON.stringify(module)};
     const store = SqliteModuleStore.open(process.argv[2]);
     const record = JSON.parse(process.argv[3]);
     for (let i = 0; ; i++) {
       const code = Buffer.from('export default ' + process.pid + i + ' '.repeat(20000));
       const digest = createHash('sha256').update(code).digest('hex');
       const manifest = { ...record.manifest, id: 'm' + process.pid + '-' + i, digest };
       await store.add({ ...record, manifest }, code, digest);
       if (i === 5) console.log('going');
     }`,
  );
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [program, path, JSON.stringify(record('m'))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
    const store = SqliteModuleStore.open(path);
    const found = await store.list();
    assert.ok(found.length > 5 * (round + 1));
    for (const { record: kept } of found) {
      assert.ok((await store.code(kept.manifest.digest)) !== undefined);
    }
    await store.close();
  }
});

describe('a database of modules', () => {
  const unusable = (reason: RegExp) => (error: { code: string; message: string; hint: string }) => {
    assert.equal(error.code, 'STORE_UNUSABLE');
    assert.match(error.message, reason);
    assert.match(error.hint, /register/);
    return true;
  };

  test('of another kind is refused and left as it is', async () => {
    const state = mkdtempSync(join(directory, 'state-'));
    await SqliteManagedStore.open(state).close();
    const path = SqliteManagedStore.fileIn(state);
    const before = readFileSync(path);
    assert.throws(() => SqliteModuleStore.open(path), unusable(/another program/));
    assert.deepEqual(readFileSync(path), before);
    const modules = fresh();
    await SqliteModuleStore.open(modules).close();
    copyFileSync(modules, join(state, 'sandboxes.db'));
    assert.throws(() => SqliteManagedStore.open(state), { code: 'STORE_UNUSABLE' });
  });

  test('that is damaged is refused', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    for (let i = 0; i < 50; i++) await store.add(record(`m${i}`), code, 'x');
    await store.close();
    const broken = fresh();
    copyFileSync(path, broken);
    truncateSync(broken, 9000);
    assert.throws(() => SqliteModuleStore.open(broken), unusable(/damaged|cannot/));
    writeFileSync(broken, 'something else, of a length that is read as a header of a database');
    assert.throws(() => SqliteModuleStore.open(broken), unusable(/not a database/));
  });

  test('whose code or records were altered is not believed', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    await store.add(record('a'), code, 'x');
    const raw = new DatabaseSync(path);
    raw.prepare('UPDATE content SET code = ?').run(Buffer.from('export default 2'));
    await assert.rejects(store.code(digest), unusable(/has another one/));
    raw.prepare('UPDATE module SET record = ?').run('{"manifest": {}}');
    await assert.rejects(store.list(), unusable(/record that cannot be read/));
    raw.prepare('UPDATE module SET record = ?').run('no json');
    await assert.rejects(store.get({ id: 'a', version: '1.0.0' }), unusable(/record/));
    raw.close();
    await store.close();
  });

  test('that is taken away while it is open is noticed', async () => {
    const path = fresh();
    const store = SqliteModuleStore.open(path);
    renameSync(path, `${path}.old`);
    assert.throws(() => store.hasChanged(), unusable(/taken away/));
    const other = SqliteModuleStore.open(path);
    assert.throws(() => store.hasChanged(), unusable(/taken away/));
    await Promise.all([store.close(), other.close()]);
  });
});

test('a transaction that is tried does not hide other faults', () => {
  const database = new Database({ path: fresh(), migrations: ['CREATE TABLE a (x UNIQUE)'] });
  const twice = (): void => {
    for (let i = 0; i < 2; i++) database.write('INSERT INTO a VALUES (1)');
  };
  assert.throws(() => database.tryTransaction(twice), { code: 'STORE_UNUSABLE' });
  assert.equal(database.read('SELECT * FROM a').length, 0);
  assert.equal(
    database.tryTransaction(() => {}),
    true,
  );
  database.close();
});
