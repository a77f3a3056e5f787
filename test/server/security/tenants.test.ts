/** Tenants: which there are, what holds for each, how much they may have and how often they may ask. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import type { Route } from '../../../src/api/route.ts';
import { routes } from '../../../src/api/routes.ts';
import { parseConfig } from '../../../src/server/config/config.ts';
import { type Amounts, Quotas } from '../../../src/server/security/quotas.ts';
import { RateLimits } from '../../../src/server/security/rate-limits.ts';
import { openSecurity } from '../../../src/server/security/security.ts';
import { ServiceClock } from '../../../src/server/security/service-clock.ts';
import { SqliteServiceStore } from '../../../src/store/sqlite-service-store.ts';
import { enter, securityPlace } from './place.ts';

describe('tenants', () => {
  test('of the configuration are there, and what is set goes before it', async () => {
    await using place = await securityPlace({
      tenantDefaults: {
        quotas: { kept: 5, modules: 9 },
        rateLimits: { requests: { perSecond: 9, burst: 9 } },
      },
      tenants: { acme: { quotas: { kept: 7 } } },
    });
    const { tenants } = place.security;
    assert.equal((await tenants.get('acme')).origin, 'configured');
    assert.deepEqual(tenants.settings('acme').quotas, { kept: 7, modules: 9 });
    assert.deepEqual(tenants.settings('nobody').quotas, { kept: 5, modules: 9 });
    await tenants.update('acme', { settings: { quotas: { kept: 1 }, weight: 3 }, by: 'test' });
    assert.deepEqual(tenants.settings('acme').quotas, { kept: 1, modules: 9 });
    assert.equal(tenants.settings('acme').weight, 3);
    await tenants.update('acme', { description: 'x', by: 'test' });
    assert.equal(tenants.settings('acme').quotas?.kept, 1, 'what is not named stays');
  });

  test('are created once, by a name that is one', async () => {
    await using place = await securityPlace();
    const { tenants } = place.security;
    const made = await tenants.create({ id: 'initech', description: 'x', by: 'test' });
    assert.deepEqual([made.origin, made.disabled, made.createdBy], ['created', false, 'test']);
    for (const id of ['initech', 'acme', 'default']) {
      await assert.rejects(() => tenants.create({ id, by: 'test' }), { code: 'CONFLICT' });
    }
    for (const id of ['', '..', 'a/b', 'A', '__proto__', 'é', 'a\0', "x' OR 1=1 --"]) {
      await assert.rejects(() => tenants.create({ id, by: 'test' }), { code: 'REQUEST_INVALID' });
      await assert.rejects(() => tenants.get(id), { code: 'NOT_FOUND' });
      await assert.rejects(() => tenants.update(id, { disabled: true, by: 'test' }), {
        code: 'NOT_FOUND',
      });
      assert.equal(tenants.exists(id), false);
    }
    for (const id of ['constructor', 'tostring', 'hasownproperty', 'valueof']) {
      assert.equal(tenants.exists(id), false);
      assert.deepEqual(tenants.settings(id).quotas, {});
      await tenants.create({ id, by: 'test' });
    }
  });

  test('take no settings that cannot be understood', async () => {
    await using place = await securityPlace();
    for (const settings of [
      { quota: {} },
      { quotas: { kept: -1 } },
      { rateLimits: { requests: { perSecond: 0, burst: 1 } } },
      { ceiling: { level: 'weak' } },
      { __proto__: null, 'x-y': 1 },
    ]) {
      await assert.rejects(
        () => place.security.tenants.create({ id: 'new', settings: settings as never, by: 'test' }),
        { code: 'REQUEST_INVALID' },
        JSON.stringify(settings),
      );
    }
    assert.equal(place.security.tenants.exists('new'), false);
  });

  test('whose settings another version has written let nothing through on a guess', async () => {
    await using place = await securityPlace();
    await using other = SqliteServiceStore.open(SqliteServiceStore.fileIn(place.directory));
    const record = { id: 'initech', description: '', createdMs: 1, createdBy: 'x' };
    await other.tenants.add({ ...record, settings: { quotas: { later: 1 } } });
    await setTimeout(20);
    const { token } = await place.key('viewer', 'initech');
    await enter(place.security, `Bearer ${token}`);
    const { security } = place;
    assert.throws(() => security.ceilings.of('initech'), { code: 'CONFIG_INVALID' });
    assert.throws(() => security.quotas.reserve('initech', { kept: 1 }), {
      code: 'CONFIG_INVALID',
    });
    assert.throws(() => security.rateLimits.count('initech', ['requests']), {
      code: 'CONFIG_INVALID',
    });
  });
});

describe('quotas', () => {
  const quotas = (kept: number, workspaceBytes = 1000) =>
    new Quotas(() => ({ quotas: { kept, workspaceBytes } }));

  test('are reserved whole or not at all, and given back once', () => {
    const some = quotas(2);
    const first = some.reserve('acme', { kept: 1, workspaceBytes: 900 });
    assert.throws(() => some.reserve('acme', { kept: 1, workspaceBytes: 200 }), {
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'workspaceBytes', limit: 1000, used: 900, asked: 200 },
    });
    assert.equal(some.used('acme').kept, 1, 'what was refused holds nothing');
    some.reserve('globex', { kept: 2, workspaceBytes: 1000 });
    first.resize({ workspaceBytes: 1000 });
    assert.throws(() => first.resize({ workspaceBytes: 1001 }), { code: 'QUOTA_EXCEEDED' });
    assert.deepEqual(first.amounts, { kept: 1, workspaceBytes: 1000 });
    first.release();
    first.release();
    assert.equal(some.used('acme').workspaceBytes, 0);
    assert.throws(() => first.resize({ kept: 1 }));
    const again = some.reserve('acme', { kept: 2 });
    assert.throws(() => some.reserve('acme', { kept: 1 }), { code: 'QUOTA_EXCEEDED' });
    again[Symbol.dispose]();
    assert.equal(some.used('acme').kept, 0);
  });

  test('refuse what is no amount', () => {
    for (const kept of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => quotas(2).reserve('acme', { kept }), RangeError);
    }
    assert.throws(() => quotas(0).reserve('acme', { kept: 1 }), { code: 'QUOTA_EXCEEDED' });
  });

  test('that were lowered take nothing away; what was there at the start counts', () => {
    const some = quotas(1);
    some.seed('acme', { kept: 3 });
    assert.throws(() => some.reserve('acme', { kept: 1 }), { code: 'QUOTA_EXCEEDED' });
    some.giveBack('acme', { kept: 3 });
    const lease = some.reserve('acme', { kept: 1 });
    lease.resize({ kept: 0 });
    assert.equal(some.used('acme').kept, 0);
  });

  test('are never exceeded, whatever comes between, and everything is given back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ kept: fc.nat(3), workspaceBytes: fc.nat(600), turns: fc.nat(3) }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (asked) => {
          const some = quotas(4, 1000);
          let most = 0;
          await Promise.all(
            asked.map(async ({ turns, ...amounts }) => {
              for (let i = 0; i < turns; i++) await null;
              let lease: Disposable & { resize(amounts: Amounts): void };
              try {
                lease = some.reserve('acme', amounts);
              } catch {
                return;
              }
              const { kept, workspaceBytes } = some.used('acme');
              most = Math.max(most, kept);
              assert.ok(kept <= 4 && workspaceBytes <= 1000);
              await null;
              try {
                lease.resize({ workspaceBytes: amounts.workspaceBytes * 2 });
              } catch {}
              assert.ok(some.used('acme').workspaceBytes <= 1000);
              await null;
              lease[Symbol.dispose]();
            }),
          );
          assert.deepEqual(some.used('acme'), {
            kept: 0,
            workspaceBytes: 0,
            modules: 0,
            policies: 0,
            waiting: 0,
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  test('count what was stored before the service started', async () => {
    await using place = await securityPlace();
    const policy = {
      tenant: 'acme',
      name: 'p',
      digest: 'd',
      document: {},
      createdMs: 1,
      createdBy: 'x',
    };
    await place.store.policies.add(policy);
    await place.store.policies.add({ ...policy, digest: 'e' });
    await using again = await openSecurity({
      config: parseConfig({ tenants: { acme: {} } }),
      store: place.store,
    });
    assert.equal(again.quotas.used('acme').policies, 2);
    assert.equal(again.quotas.used('globex').policies, 0);
  });

  test('of the pool go to the manager by its own names', () => {
    const some = new Quotas((tenant) =>
      tenant === 'acme' ? { quotas: { concurrency: 3, memoryBytes: null, kept: 1 } } : {},
    );
    assert.deepEqual(some.poolOf('acme'), { concurrency: 3, memoryBytes: null });
    assert.deepEqual(some.poolOf('globex'), {});
  });
});

describe('rate limits', () => {
  test('let a burst through, then so many a second, each tenant by itself', () => {
    let now = 0;
    const limits = new RateLimits(
      () => ({ rateLimits: { requests: { perSecond: 2, burst: 3 } } }),
      () => now,
    );
    const ask = (tenant = 'acme') => limits.count(tenant, ['requests']);
    assert.deepEqual(ask(), {
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': '1',
    });
    ask();
    assert.equal(ask()['ratelimit-remaining'], '0');
    assert.throws(() => ask(), {
      code: 'RATE_LIMITED',
      details: { limit: { perSecond: 2, burst: 3 }, retryAfterSeconds: 1 },
    });
    ask('globex');
    now += 500;
    ask();
    assert.throws(() => ask(), { code: 'RATE_LIMITED' });
    now += 1e9;
    for (let i = 0; i < 3; i++) ask();
    assert.throws(() => ask(), { code: 'RATE_LIMITED' });
  });

  test('of two are taken from both or from neither', () => {
    const limits = new RateLimits(
      () => ({
        rateLimits: {
          requests: { perSecond: 1, burst: 10 },
          executions: { perSecond: 1, burst: 2 },
        },
      }),
      () => 0,
    );
    for (let i = 0; i < 2; i++) limits.count('acme', ['requests', 'executions']);
    for (let i = 0; i < 5; i++) {
      assert.throws(() => limits.count('acme', ['requests', 'executions']), {
        code: 'RATE_LIMITED',
      });
    }
    assert.equal(limits.count('acme', ['requests'])['ratelimit-remaining'], '7');
  });

  test('that are changed give no new burst', () => {
    let burst = 5;
    const limits = new RateLimits(
      () => ({ rateLimits: { requests: { perSecond: 1, burst } } }),
      () => 0,
    );
    for (let i = 0; i < 5; i++) limits.count('acme', ['requests']);
    burst = 6;
    assert.equal(limits.count('acme', ['requests'])['ratelimit-remaining'], '0');
    burst = 2;
    assert.throws(() => limits.count('acme', ['requests']), { code: 'RATE_LIMITED' });
  });

  test('count as executions whatever runs or makes something, by whichever route, and nothing else', async () => {
    await using place = await securityPlace({
      tenantDefaults: { rateLimits: { executions: { perSecond: 1e-6, burst: 1 } } },
    });
    const caller = await enter(place.security, `Bearer ${(await place.key('admin')).token}`);
    const { gate } = place.security;
    const named = (ids: string): Route[] =>
      ids.split(' ').map((id) => routes.find((route) => route.id === id) as Route);
    gate.count(caller, named('run')[0] as Route);
    for (const route of named(
      'run exec streamRun stream spawnRun spawn runInShell createSandbox fork openSnapshot executeModule executeEffect evaluate scan',
    ))
      assert.throws(() => gate.count(caller, route), { code: 'RATE_LIMITED' }, route.id);
    for (const route of named('killSandbox inspectSandbox listSandboxes readFile pause'))
      assert.deepEqual(gate.count(caller, route), {}, route.id);
  });
});

test('the clock never brings back what has passed, and recovers from one that was set ahead', () => {
  const time = { wall: 1000, steady: 50 };
  const clock = new ServiceClock(
    () => time.wall,
    () => time.steady,
  );
  assert.equal(clock.nowMs(), 1000);
  Object.assign(time, { wall: 400, steady: 150 });
  assert.equal(clock.nowMs(), 1100);
  time.wall = 1e12;
  assert.equal(clock.nowMs(), 1e12);
  Object.assign(time, { wall: 1200, steady: 200 });
  assert.equal(clock.nowMs(), 1200);
});
