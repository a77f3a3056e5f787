/** Who gets in: what headers may look like, what counts as nobody, and who comes without credentials. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { trustSigner } from '../../../src/api/admission.ts';
import type { Route } from '../../../src/api/route.ts';
import { SCOPES } from '../../../src/api/scope.ts';
import { requireScope } from '../../../src/server/http/gatekeeper.ts';
import { tenantFor } from '../../../src/server/security/caller.ts';
import { requireGrantable, scopesOf } from '../../../src/server/security/roles.ts';
import { enter, knock, securityPlace } from './place.ts';

const unauthenticated = { code: 'UNAUTHENTICATED' };

describe('credentials', () => {
  test('are one header of one scheme, and nothing that could be read in two ways', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    for (const right of [`Bearer ${token}`, `bearer ${token}`, `BEARER ${token}`]) {
      assert.equal((await enter(place.security, right)).tenant, 'acme');
    }
    for (const wrong of [
      ...[
        '',
        ' ',
        'Bearer',
        'Bearer ',
        token,
        `Basic ${token}`,
        `Bearer:${token}`,
        `Bearer=${token}`,
      ],
      ...[`Bearer  ${token}`, `Bearer\t${token}`, ` Bearer ${token}`, `Bearer ${token} `],
      ...[`Bearer ${token}, Bearer ${token}`, `Bearer ${token},`, `Bearer ${token} x`],
      ...[`Bearer "${token}"`, `Bearer ${token}\0`, `Bearer ${token}\n`, `Beаrer ${token}`],
      ...[
        `Bearer ${token}${'='.repeat(9000)}`,
        `Bearer ${'A'.repeat(100_000)}`,
        `Bearer ${token}=`,
      ],
    ]) {
      await assert.rejects(
        () => enter(place.security, wrong, { address: `${Math.random()}` }),
        unauthenticated,
        wrong.slice(0, 40),
      );
    }
  });

  test('twice are none, whether they are the same or not', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    const good = `Bearer ${token}`;
    for (const two of [
      [good, good],
      [good, 'Bearer x'],
      ['Bearer x', good],
      ['', good],
    ]) {
      await assert.rejects(() => enter(place.security, two), {
        ...unauthenticated,
        message: /more than one/,
      });
    }
    const rawHeaders = ['authorization', good, 'AUTHORIZATION', good];
    await assert.rejects(
      async () => await place.security.gate.authenticate({ ...knock(good), rawHeaders }),
      /more than one/,
    );
    // A value is no name.
    const inValue = ['x-note', 'Authorization', 'Authorization', good];
    assert.equal(
      (await place.security.gate.authenticate({ ...knock(good), rawHeaders: inValue })).tenant,
      'acme',
    );
  });

  test('that are wrong are never as good as none', async () => {
    await using place = await securityPlace({ auth: { anonymous: true } });
    const here = { address: '127.0.0.1', headers: { host: 'localhost:8640' } };
    assert.equal((await enter(place.security, undefined, here)).subject, 'anonymous');
    for (const wrong of ['Bearer csn_x', 'Bearer x.y.z', '', 'Basic eDp5']) {
      await assert.rejects(() => enter(place.security, wrong, here), unauthenticated);
    }
  });

  test('of a kind that is switched off are refused', async () => {
    await using place = await securityPlace({ auth: { apiKeys: false, anonymous: true } });
    const { token } = await place.key('admin');
    await assert.rejects(() => enter(place.security, `Bearer ${token}`), unauthenticated);
    await assert.rejects(() => enter(place.security, 'Bearer a.b.c'), unauthenticated);
    await assert.rejects(() => enter(place.security, undefined), unauthenticated);
  });
});

describe('without credentials', () => {
  test('nobody gets in, unless the configuration says so', async () => {
    await using place = await securityPlace();
    for (const address of ['', '127.0.0.1', '192.0.2.1']) {
      await assert.rejects(
        () => enter(place.security, undefined, { address, headers: { host: 'localhost' } }),
        unauthenticated,
      );
    }
  });

  test('programs of this machine get in where it does; pages and other names do not', async () => {
    await using place = await securityPlace({ auth: { anonymous: true } });
    const ask = (address: string, headers: Record<string, string>) =>
      enter(place.security, undefined, { address, headers });
    for (const [address, host] of [
      ['127.0.0.1', 'localhost:8640'],
      ['127.0.0.1', '127.0.0.1:8640'],
      ['::1', '[::1]:8640'],
      ['::ffff:127.0.0.1', 'LOCALHOST'],
    ] as const) {
      assert.equal((await ask(address, { host })).isOperator, true);
    }
    await using socket = await securityPlace({
      auth: { anonymous: true },
      listen: { socketPath: '/run/caisson.sock' },
    });
    const overSocket = (headers: Record<string, string>) =>
      enter(socket.security, undefined, { address: '', headers });
    assert.equal((await overSocket({})).tenant, 'default');
    await assert.rejects(() => overSocket({ origin: 'http://localhost:8640' }), unauthenticated);
    for (const [address, headers] of [
      ['192.0.2.1', { host: 'localhost' }],
      ['127.0.0.1', { host: 'evil.example' }],
      ['127.0.0.1', { host: 'localhost.evil.example:8640' }],
      ['127.0.0.1', { host: '127.0.0.1.evil.example' }],
      ['127.0.0.1', { host: '' }],
      ['127.0.0.1', {}],
      ['127.0.0.1', { host: 'localhost@evil.example' }],
      ['127.0.0.1', { host: '0.0.0.0:8640' }],
      ['127.0.0.1', { host: 'localhost', origin: 'https://evil.example' }],
      ['127.0.0.1', { host: 'localhost', origin: 'null' }],
      ['127.0.0.1', { host: 'localhost', 'sec-fetch-site': 'cross-site' }],
      // A connection over TCP that was closed meanwhile has no address.
      ['', { host: 'localhost' }],
      ['', {}],
      ['not an address', { host: 'localhost' }],
    ] as const) {
      await assert.rejects(
        () => ask(address, headers as Record<string, string>),
        unauthenticated,
        JSON.stringify(headers),
      );
    }
  });
});

describe('the gate', () => {
  test('follows what is done to tenants at once, also by others', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    await enter(place.security, `Bearer ${token}`);
    await place.security.tenants.update('acme', { disabled: true, by: 'test' });
    await assert.rejects(() => enter(place.security, `Bearer ${token}`), { code: 'FORBIDDEN' });
    await place.security.tenants.update('acme', { disabled: false, by: 'test' });
    await enter(place.security, `Bearer ${token}`);
    const { token: stray } = await place.key('admin', 'initech');
    await assert.rejects(() => enter(place.security, `Bearer ${stray}`), { code: 'FORBIDDEN' });
    await place.security.tenants.create({ id: 'initech', by: 'test' });
    assert.equal((await enter(place.security, `Bearer ${stray}`)).tenant, 'initech');
  });

  test('lets nobody in when the store is gone', async () => {
    await using place = await securityPlace();
    const { token } = await place.key('viewer');
    await enter(place.security, `Bearer ${token}`);
    renameSync(join(place.directory, 'service.db'), join(place.directory, 'away.db'));
    await setTimeout(20);
    await assert.rejects(
      async () => await place.security.gate.authenticate(knock(`Bearer ${token}`)),
      { code: 'STORE_UNUSABLE' },
    );
  });

  test('opens /metrics to all where the configuration says so, and nothing else', async () => {
    await using open = await securityPlace({ telemetry: { metrics: 'open' } as never });
    await using scoped = await securityPlace();
    const route = (path: string) => ({ path, scope: 'metrics:read' }) as Route;
    assert.equal(open.security.gate.isOpen(route('/metrics')), true);
    assert.equal(open.security.gate.isOpen(route('/metrics/x')), false);
    assert.equal(scoped.security.gate.isOpen(route('/metrics')), false);
  });
});

describe('roles', () => {
  test('stand for scopes; what nobody knows stands for nothing', () => {
    assert.deepEqual(
      [...scopesOf({ roles: ['executor'], scopes: ['audit:read'] })],
      ['modules:read', 'modules:execute', 'audit:read'],
    );
    const operator = scopesOf({ roles: ['operator'], scopes: [] });
    assert.equal(operator.size, SCOPES.length);
    const admin = scopesOf({ roles: ['admin'], scopes: [] });
    assert.deepEqual([...operator.difference(admin)], ['metrics:read']);
    assert.equal(
      scopesOf({ roles: ['__proto__', 'toString', 'Admin'], scopes: ['*', 'sandboxes:*'] }).size,
      0,
    );
    assert.ok(!scopesOf({ roles: ['viewer', 'developer'], scopes: [] }).has('access:read'));
  });

  test('are handed on by nobody who does not have them', async () => {
    await using place = await securityPlace();
    const as = async (role: string) =>
      await enter(place.security, `Bearer ${(await place.key(role)).token}`);
    const grant = (...roles: string[]) => ({ roles, scopes: [] });
    const [admin, developer, operator] = [
      await as('admin'),
      await as('developer'),
      await as('operator'),
    ];
    requireGrantable(admin, grant('admin', 'viewer'));
    requireGrantable(operator, grant('operator'));
    for (const [who, what] of [
      [admin, grant('operator')],
      [admin, grant('viewer', 'operator')],
      [developer, grant('admin')],
      [developer, { roles: [], scopes: ['access:write'] }],
    ] as const) {
      assert.throws(() => requireGrantable(who, what), { code: 'FORBIDDEN' });
    }
    assert.throws(() => requireScope(developer, trustSigner), { code: 'FORBIDDEN' });
    requireScope(admin, trustSigner);
  });

  test('another tenant is there for operators alone', async () => {
    await using place = await securityPlace();
    const admin = await enter(place.security, `Bearer ${(await place.key('admin')).token}`);
    const operator = await enter(place.security, `Bearer ${(await place.key('operator')).token}`);
    assert.equal(tenantFor(admin), 'acme');
    assert.equal(tenantFor(admin, 'acme'), 'acme');
    assert.equal(tenantFor(operator, 'globex'), 'globex');
    for (const other of ['globex', 'nobody', '', 'acme ', 'ACME']) {
      assert.throws(() => tenantFor(admin, other), { code: 'NOT_FOUND' });
    }
  });
});
