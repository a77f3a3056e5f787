/** `caisson access`: keys and tenants of a service, before it runs and while it does. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseConfig } from '../../src/server/config/config.ts';
import { openSecurity, type Security } from '../../src/server/security/security.ts';
import { SqliteServiceStore } from '../../src/store/sqlite-service-store.ts';
import { makePlace } from './caisson.ts';

const place = makePlace();
after(() => place[Symbol.dispose]());
const run = (...args: string[]) => place.caisson(['access', ...args]);
const state = join(place.environment.XDG_STATE_HOME ?? '', 'caisson/service');

function ok(...args: string[]): string {
  const { status, stdout, stderr } = run(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

function fails(exit: number, said: RegExp, ...args: string[]): void {
  const { status, stderr } = run(...args);
  assert.match(stderr, said);
  assert.equal(status, exit, stderr);
}

const json = (...args: string[]) => JSON.parse(ok(...args, '--json'));

/** What a service on that state directory says of a key. */
async function asked<T>(
  act: (enter: (token: string) => Promise<{ tenant: string }>) => Promise<T>,
): Promise<T> {
  await using store = SqliteServiceStore.open(SqliteServiceStore.fileIn(state));
  await using security: Security = await openSecurity({ config: parseConfig({}), store });
  return await act(async (token) => {
    const rawHeaders = ['Authorization', `Bearer ${token}`];
    return await security.gate.authenticate({ headers: {}, rawHeaders, address: '127.0.0.1' });
  });
}

describe('caisson access keys', () => {
  test('makes a first key before any service has run; stdout is the key alone', async () => {
    const { stdout, stderr, status } = run(
      'keys',
      'create',
      '--role',
      'operator',
      '--name',
      'first',
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^csn_[a-z2-7]{16}_[A-Za-z0-9]{43}\n$/);
    assert.match(stderr, /not shown again/);
    assert.ok(!stderr.includes(stdout.trim().slice(21)));
    assert.deepEqual(
      [statSync(state).mode & 0o777, statSync(join(state, 'service.db')).mode & 0o777],
      [0o700, 0o600],
    );
    assert.equal(readFileSync(join(state, 'service.db')).indexOf(stdout.trim().slice(21)), -1);
    assert.equal((await asked((enter) => enter(stdout.trim()))).tenant, 'default');
  });

  test('rotates and revokes while a service has the same store open', async () => {
    const { key, token } = json('keys', 'create', '--role', 'viewer');
    await asked(async (enter) => {
      await enter(token);
      const second = json('keys', 'rotate', key.id, '--overlap', '0');
      await assert.rejects(() => enter(token), { code: 'UNAUTHENTICATED' });
      await enter(second.token);
      ok('keys', 'revoke', key.id, '--reason', 'laptop stolen');
      await assert.rejects(() => enter(second.token), {
        code: 'UNAUTHENTICATED',
        message: /revoked/,
      });
    });
    const listed = json('keys', 'list').keys.find(({ id }: { id: string }) => id === key.id);
    assert.deepEqual([listed.state, listed.revoked.reason], ['revoked', 'laptop stolen']);
    fails(73, /revoked/, 'keys', 'rotate', key.id);
  });

  test('lists keys, and nothing of what is secret', () => {
    const { token } = json(
      'keys',
      'create',
      '--tenant',
      'acme',
      '--scope',
      'audit:read',
      '--expires',
      '90d',
    );
    const text = ok('keys', 'list', '--tenant', 'acme');
    assert.match(text, /^KEY +TENANT +STATE/);
    assert.match(text, /acme +valid +audit:read/);
    for (const shown of [text, JSON.stringify(json('keys', 'list'))]) {
      assert.ok(!shown.includes(token.slice(21)));
      assert.doesNotMatch(shown, /salt|digest|scrypt/);
    }
  });

  test('takes no key for what it is not', () => {
    fails(64, /could do nothing/, 'keys', 'create');
    fails(64, /not one of/, 'keys', 'create', '--role', 'root');
    fails(64, /not one of/, 'keys', 'create', '--scope', '*');
    fails(64, /cannot name a tenant/, 'keys', 'create', '--role', 'viewer', '--tenant', '../x');
    fails(64, /expired already/, 'keys', 'create', '--role', 'viewer', '--expires', '2001-01-01');
    fails(64, /no time/, 'keys', 'create', '--role', 'viewer', '--expires', 'soon');
    fails(66, /no API key/, 'keys', 'revoke', 'aaaaaaaaaaaaaaaa');
    fails(66, /no API key/, 'keys', 'rotate', "x' OR '1'='1");
    fails(64, /needs one of create, list, rotate, revoke/, 'keys');
  });

  test('a directory that others may use is not taken', () => {
    const open = join(place.work, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    fails(64, /owner alone/, 'keys', 'create', '--role', 'viewer', '--state', open);
    mkdirSync(join(place.work, 'mine'), { mode: 0o700 });
    symlinkSync(join(place.work, 'mine'), join(place.work, 'link'));
    fails(
      64,
      /owner alone/,
      'keys',
      'create',
      '--role',
      'viewer',
      '--state',
      join(place.work, 'link'),
    );
    ok('keys', 'create', '--role', 'viewer', '--state', join(place.work, 'mine'));
    assert.ok(statSync(join(place.work, 'mine/service.db')).isFile());
  });
});

describe('caisson access tenants', () => {
  test('makes one with what it may, closes and opens it', async () => {
    writeFileSync(join(place.work, 't.yaml'), 'quotas: {kept: 3}\nceiling: strict\n');
    ok('tenants', 'create', 'initech', '--settings', 't.yaml', '--description', 'a trial');
    const { token } = json('keys', 'create', '--role', 'viewer', '--tenant', 'initech');
    await asked(async (enter) => {
      assert.equal((await enter(token)).tenant, 'initech');
      ok('tenants', 'disable', 'initech');
      await assert.rejects(() => enter(token), { code: 'FORBIDDEN' });
      ok('tenants', 'enable', 'initech');
      await enter(token);
    });
    const listed = json('tenants', 'list').tenants;
    assert.deepEqual(
      listed.map(({ id }: { id: string }) => id),
      ['default', 'initech'],
    );
    assert.deepEqual(listed[1].settings, { quotas: { kept: 3 }, ceiling: 'strict' });
    ok('tenants', 'set', 'initech', '--description', 'paid');
    assert.equal(json('tenants', 'list').tenants[1].settings.ceiling, 'strict');
  });

  test('refuses names and settings that are none', () => {
    for (const name of ['..', 'A', 'a/b', '__proto__', 'é']) {
      fails(64, /cannot name a tenant/, 'tenants', 'create', name);
    }
    fails(73, /already/, 'tenants', 'create', 'default');
    fails(66, /no tenant/, 'tenants', 'enable', 'nobody');
    writeFileSync(join(place.work, 'bad.yaml'), 'quotas: {keptt: 3}\n');
    fails(64, /settings of a tenant/, 'tenants', 'create', 'x', '--settings', 'bad.yaml');
    fails(64, /cannot be read/, 'tenants', 'create', 'x', '--settings', 'none.yaml');
    writeFileSync(join(place.work, 'list.yaml'), '- 1\n');
    fails(64, /no settings/, 'tenants', 'create', 'x', '--settings', 'list.yaml');
  });

  test('closes one that only the configuration names, too', () => {
    ok('tenants', 'disable', 'configured');
    const { tenants } = json('tenants', 'list');
    assert.ok(
      tenants.some(
        ({ id, disabled }: { id: string; disabled: boolean }) => id === 'configured' && disabled,
      ),
    );
  });
});

test('a key of a tenant that there is not names the command that makes it, in the same state', () => {
  const other = join(place.work, 'other-state');
  const { stderr } = run(
    'keys',
    'create',
    '--tenant',
    'late',
    '--role',
    'viewer',
    '--state',
    other,
  );
  assert.match(stderr, new RegExp(`caisson access tenants create late --state ${other}\n`));
});
