/** Keys and tenants over HTTP: what the one who manages them may, and what nobody gets by it. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createKey, rotateKey } from '../../src/api/access.ts';
import type { Route } from '../../src/api/route.ts';
import { readLog } from '../../src/observe/audit/read-log.ts';
import { type Served, served } from './served.ts';

interface Issued {
  readonly key: { readonly id: string; readonly tenant: string; readonly state: string };
  readonly token: string;
}

describe('access over HTTP', () => {
  let service: Served;
  let admin: string;
  let operator: string;

  before(async () => {
    service = await served();
    admin = await service.key('admin');
    operator = await service.key('operator', 'default');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const issue = async (body: object, key = admin): Promise<Issued> => {
    const {
      status,
      body: issued,
      text,
    } = await service.ask('POST', '/api/access/keys', { key, body });
    assert.equal(status, 201, text);
    return issued;
  };
  const works = async (token: string): Promise<number> =>
    (await service.ask('GET', '/api/sandboxes', { key: token })).status;
  /** Of an address of its own in the counting of failures: this one is shared by all tests. */
  const code = async (...of: Parameters<Served['ask']>): Promise<string> => {
    const { status, body } = await service.ask(...of);
    return `${status} ${(body as { code?: string } | undefined)?.code ?? ''}`;
  };

  test('a key is made, used, rotated with an overlap, and revoked', async () => {
    const { key, token } = await issue({ roles: ['viewer'], name: 'one' });
    assert.equal(key.tenant, 'acme');
    assert.equal(await works(token), 200);
    const rotated = await service.ask('POST', `/api/access/keys/${key.id}/rotate`, { key: admin });
    const { token: second } = rotated.body as Issued;
    assert.deepEqual([await works(token), await works(second)], [200, 200]);
    const path = `/api/access/keys/${key.id}`;
    const ended = await service.ask('DELETE', `${path}?reason=lost`, { key: admin });
    assert.equal((ended.body as { state: string }).state, 'revoked');
    assert.deepEqual([await works(token), await works(second)], [401, 401]);
    const shown = await service.ask('GET', path, { key: admin });
    assert.ok(!shown.text.includes(token.slice(21)) && !shown.text.includes(second.slice(21)));
    assert.equal((shown.body as { revoked: { reason: string } }).revoked.reason, 'lost');
    assert.equal(await code('POST', `${path}/rotate`, { key: admin }), '409 CONFLICT');
  });

  test('an answer with a key in it is never kept to be given again', async () => {
    for (const route of [createKey, rotateKey] as Route[])
      assert.equal(route.idempotent, undefined);
    const headers = { 'idempotency-key': 'same' };
    const body = { roles: ['viewer'] };
    const tokens = await Promise.all(
      [1, 2].map(async () => {
        const { text } = await service.ask('POST', '/api/access/keys', {
          key: admin,
          body,
          headers,
        });
        return text;
      }),
    );
    assert.notEqual(tokens[0], tokens[1]);
  });

  test('nobody makes a key that may more than they do, nor takes over one that does', async () => {
    const weak = await issue({ scopes: ['access:write', 'access:read', 'sandboxes:read'] });
    for (const body of [
      { roles: ['operator'] },
      { roles: ['admin'] },
      { scopes: ['sandboxes:write'] },
      { roles: ['viewer'] },
    ]) {
      assert.equal(
        await code('POST', '/api/access/keys', { key: weak.token, body }),
        '403 FORBIDDEN',
      );
    }
    assert.equal(
      await code('POST', '/api/access/keys', { key: admin, body: { roles: ['operator'] } }),
      '403 FORBIDDEN',
    );
    await issue({ scopes: ['sandboxes:read'] }, weak.token);
    const strong = await issue({ roles: ['admin'] });
    assert.equal(
      await code('POST', `/api/access/keys/${strong.key.id}/rotate`, { key: weak.token }),
      '403 FORBIDDEN',
    );
    assert.equal(await works(strong.token), 200);
    const root = await issue({ roles: ['operator'], tenant: 'acme' }, operator);
    for (const [method, path] of [
      ['POST', `/api/access/keys/${root.key.id}/rotate`],
      ['DELETE', `/api/access/keys/${root.key.id}`],
    ] as const) {
      assert.equal(await code(method, path, { key: admin }), '403 FORBIDDEN');
    }
    assert.equal(await works(root.token), 200);
  });

  test('another tenant’s keys are not there: not by id, not by list, not to be made', async () => {
    const theirs = await issue({ roles: ['viewer'], tenant: 'globex' }, operator);
    const path = `/api/access/keys/${theirs.key.id}`;
    for (const [method, at, body] of [
      ['GET', path],
      ['DELETE', path],
      ['POST', `${path}/rotate`],
      ['GET', '/api/access/keys?tenant=globex'],
      ['GET', '/api/access/keys?tenant=nobody'],
      ['POST', '/api/access/keys', { roles: ['viewer'], tenant: 'globex' }],
      ['GET', '/api/access/tenants/globex'],
      ['GET', '/api/access/tenants/nobody'],
      ['PATCH', '/api/access/tenants/globex', { disabled: true }],
    ] as const) {
      const options = body === undefined ? { key: admin } : { key: admin, body };
      assert.equal(await code(method, at, options), '404 NOT_FOUND', `${method} ${at}`);
    }
    const { text } = await service.ask('GET', '/api/access/keys', { key: admin });
    assert.ok(!text.includes(theirs.key.id));
    const tenants = await service.ask('GET', '/api/access/tenants', { key: admin });
    assert.deepEqual(
      (tenants.body as { items: { id: string }[] }).items.map(({ id }) => id),
      ['acme'],
    );
    assert.equal(await works(theirs.token), 200);
  });

  test('ids that are none are not found, whatever stands in them', async () => {
    for (const id of [
      "x'%20OR%20'1'='1",
      '..%2f..%2fetc',
      '%00',
      'constructor',
      '__proto__',
      '%F0%9F%92%A9',
      '%25',
    ]) {
      assert.match(
        await code('GET', `/api/access/keys/${id}`, { key: operator }),
        /^(404|400) /,
        id,
      );
      assert.match(
        await code('GET', `/api/access/tenants/${id}`, { key: operator }),
        /^(404|400) /,
        id,
      );
      assert.match(
        await code('DELETE', `/api/access/keys/${id}`, { key: operator }),
        /^(404|400) /,
        id,
      );
    }
  });

  test('tenants are the operator’s: made, bounded, closed and opened again', async () => {
    for (const [method, path, body] of [
      ['POST', '/api/access/tenants', { id: 'mine' }],
      ['PATCH', '/api/access/tenants/acme', { settings: { ceiling: 'basic' } }],
    ] as const) {
      assert.equal(await code(method, path, { key: admin, body }), '403 FORBIDDEN');
    }
    const settings = {
      quotas: { keys: 2 },
      rateLimits: { requests: { perSecond: 1, burst: 1000 } },
    };
    const made = await service.ask('POST', '/api/access/tenants', {
      key: operator,
      body: { id: 'initech', settings },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(
      await code('POST', '/api/access/tenants', { key: operator, body: { id: 'initech' } }),
      '409 CONFLICT',
    );
    for (const body of [
      { id: '..' },
      { id: 'Initech' },
      { id: 'x', settings: { ceiling: '/etc/passwd' } },
      { id: 'x', settings: { ceiling: './x.yaml' } },
      { id: 'x', settings: { quota: 1 } },
      { id: 'x', more: 1 },
    ]) {
      assert.equal(
        await code('POST', '/api/access/tenants', { key: operator, body }),
        '400 REQUEST_INVALID',
        JSON.stringify(body),
      );
    }
    const body = { roles: ['viewer'], tenant: 'initech' };
    const [first] = [await issue(body, operator), await issue(body, operator)];
    assert.equal(
      await code('POST', '/api/access/keys', { key: operator, body }),
      '429 QUOTA_EXCEEDED',
    );
    const seen = await service.ask('GET', '/api/sandboxes', { key: first.token });
    assert.equal(seen.headers.get('ratelimit-limit'), '1000');
    const path = '/api/access/tenants/initech';
    await service.ask('PATCH', path, { key: operator, body: { disabled: true } });
    assert.equal(await works(first.token), 403);
    await service.ask('PATCH', path, { key: operator, body: { disabled: false } });
    assert.equal(await works(first.token), 200);
    const shown = await service.ask('GET', path, { key: operator });
    assert.deepEqual((shown.body as { tenant: { settings: object } }).tenant.settings, settings);
  });

  test('a tenant’s ceiling holds for what it runs, and the refusal says what was too much', async () => {
    const ask = (key: string, policy: unknown) =>
      service.ask('POST', '/api/runs', { key, body: { argv: ['cat', '/etc/shadow'], policy } });
    for (const [policy, witness] of [
      ['basic', /level basic/],
      [{ level: 'none', walls: ['process'] }, /without isolation/],
      [{ filesystem: { read: ['/etc/shadow'] } }, /read \/etc\/shadow/],
      [{ network: { allow: ['169.254.169.254:80'] } }, /169\.254\.169\.254:80/],
    ] as const) {
      const { status, body } = await ask(admin, policy);
      const problem = body as { code: string; details: { witness: string } };
      assert.deepEqual([status, problem.code], [403, 'POLICY_BEYOND_CEILING']);
      assert.match(problem.details.witness, witness);
    }
    const globex = await issue({ roles: ['developer'], tenant: 'globex' }, operator);
    const settings = { ceiling: { level: 'moderate', network: { allow: ['pypi.org'] } } };
    await service.ask('PATCH', '/api/access/tenants/globex', { key: operator, body: { settings } });
    const { body } = await ask(globex.token, { network: { allow: ['npmjs.org'] } });
    assert.equal((body as { code: string }).code, 'POLICY_BEYOND_CEILING');
  });

  test('two Authorization headers on the wire are none', async () => {
    const raw = (lines: string[]) =>
      new Promise<string>((resolve, reject) => {
        const { hostname, port } = new URL(service.address);
        const socket = connect(Number(port), hostname);
        let answer = '';
        socket.setEncoding('latin1');
        socket.on('data', (text) => {
          answer += text;
        });
        // What is refused before it has been read whole may be reset behind its answer.
        socket.on('error', (error) => (answer === '' ? reject(error) : undefined));
        socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
        socket.write(
          `${['GET /api/sandboxes HTTP/1.1', `Host: ${hostname}`, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`,
        );
      });
    const good = `Authorization: Bearer ${admin}`;
    assert.match(await raw([good]), / 200 /);
    assert.match(await raw([good.toLowerCase().replace(/csn_.*/, admin)]), / 200 /);
    assert.match(await raw([good, good]), / 401 /);
    assert.match(await raw([good, `authorization: Bearer x`]), / 401 /);
    assert.match(await raw([`Authorization: Bearer x`, good]), / 401 /);
    assert.match(await raw([`Authorization : Bearer ${admin}`]), / 400 /);
    assert.match(await raw(['Authorization:', ` Bearer ${admin}`]), / (400|401) /);
    assert.match(await raw([`Authorization: Bearer ${admin}${'A'.repeat(20_000)}`]), / (431|401) /);
    assert.match(await raw([`X-Authorization: Bearer ${admin}`]), / 401 /);
    assert.match(await raw([`Cookie: Authorization=${admin}`]), / 401 /);
  });

  test('what was done to keys and tenants is in the audit log, without a secret', async () => {
    const { key, token } = await issue({ roles: ['viewer'] });
    await service.ask('DELETE', `/api/access/keys/${key.id}`, { key: admin });
    await service.serving.service.audit?.flush?.();
    const records = [
      ...readLog(join(service.state, 'audit'), {
        events: ['access'],
        run: undefined,
        tenant: 'acme',
      }),
    ];
    const mine = records.filter(({ details }) => details.subject === key.id);
    assert.deepEqual(
      mine.map(({ details }) => details.action),
      ['key-created', 'key-revoked'],
    );
    assert.match(String(mine[0]?.details.by), /^key:[a-z2-7]{16}$/);
    assert.ok(!JSON.stringify(records).includes(token.slice(21)));
  });
});
