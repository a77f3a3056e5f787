/** A tenant that wants more of the host than it may: now, or still what it might before. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';

const project = mkdtempSync(join(tmpdir(), 'caisson-offered-'));
const outside = mkdtempSync(join(tmpdir(), 'caisson-outside-'));
const OF_THE_SERVICE = 'x-of-the-service';

describe('beyond the ceiling', () => {
  let service: Served;
  let key: string;
  let operator: string;

  before(async () => {
    for (const name of ['LANG', 'TERM', 'TZ', 'CAISSON_TEST_SERVICE']) {
      process.env[name] = OF_THE_SERVICE;
    }
    writeFileSync(join(outside, 'secret'), 'TOP SECRET');
    writeFileSync(join(project, 'README'), 'read me');
    service = await served({
      workspaces: { project },
      tenants: { acme: { workspaces: ['project'] }, globex: {} },
      audit: { enabled: false },
    });
    key = await service.key('developer');
    operator = await service.key('operator', 'default');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    for (const each of [project, outside]) rmSync(each, { recursive: true });
  });

  type Any = { id: string; code: string; kind: string; stdout: { text: string } };
  const ask = async (method: string, path: string, body?: unknown, as = key) => {
    const answer = await service.ask(method, path, {
      key: as,
      ...(body === undefined ? {} : { body }),
    });
    return { ...answer, body: answer.body as Any };
  };
  const sh = (script: string, policy: object, workspace = 'project') =>
    ask('POST', '/api/runs', { argv: ['sh', '-c', script], policy, workspace });
  const writing = (workspace: string, filesystem: object = {}) => ({
    version: 1,
    level: 'moderate',
    filesystem: { write: ['.'], workspace, ...filesystem },
  });
  const settings = async (sent: object) => {
    const path = '/api/access/tenants/acme';
    assert.equal((await ask('PATCH', path, { settings: sent }, operator)).status, 200);
  };

  test('a link that a guest put into the workspace lends nothing when it is named, nor tells what is there', async () => {
    const links = {
      there: join(outside, 'secret'),
      away: '/no/such',
      deep: '/proc/1/exe',
      dir: outside,
    };
    const made = Object.entries(links).map(([name, to]) => `ln -s ${to} ${name}`);
    assert.equal((await sh(made.join(';'), writing('direct'))).body.kind, 'exited');
    const told = new Set<string>();
    for (const name of [...Object.keys(links), 'dir/secret']) {
      for (const more of [{ write: [name] }, { read: ['README', name], write: [] }]) {
        for (const workspace of ['direct', 'overlay', 'staged']) {
          const { status, text } = await sh(
            `cat ${name} ${name}/secret; echo pwned > ${name}/planted`,
            writing(workspace, more),
          );
          assert.doesNotMatch(text, /TOP SECRET/);
          assert.doesNotMatch(text, new RegExp(`leads to|${outside}`));
          if (status !== 200) {
            const { code, detail } = JSON.parse(text);
            told.add(`${workspace} ${code} ${String(detail).replaceAll(name, 'NAME')}`);
          }
        }
      }
    }
    // The same is said of a link whatever is behind it.
    assert.ok(
      [...told].every((each) => !each.includes('PATH_MISSING')),
      [...told].join('\n'),
    );
    assert.deepEqual(readdirSync(outside), ['secret']);
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'TOP SECRET');
  });

  test('a workspace of the operator’s is not there for a tenant that it is not offered to', async () => {
    const globex = await service.key('developer', 'globex');
    const asked = async (path: string, body: object, as: string) => {
      const { status, body: answer } = await ask('POST', path, body, as);
      return [status, answer.code];
    };
    const requests: [string, object][] = [
      ['/api/runs', { argv: ['cat', 'README'] }],
      ['/api/sandboxes', {}],
      ['/api/evaluations', { language: 'javascript', source: '1' }],
    ];
    for (const [path, body] of requests) {
      for (const workspace of ['project', '__proto__', 'constructor', project]) {
        const given = { policy: writing('overlay'), ...body, workspace };
        assert.deepEqual(await asked(path, given, globex), [400, 'REQUEST_INVALID'], path);
      }
    }
    const { body } = await ask('POST', '/api/runs', {
      argv: ['cat', 'README'],
      policy: writing('overlay'),
      workspace: 'project',
    });
    assert.equal(body.stdout.text, 'read me');
  });

  test('variables of the service are no guest’s, also those that are harmless elsewhere', async () => {
    const policies = [
      'moderate',
      { version: 1, level: 'moderate', environment: { pass: ['LANG', 'CAISSON_TEST_SERVICE'] } },
      { version: 1, level: 'moderate', environment: { pass: ['*'] } },
    ];
    const seen = await Promise.all(
      policies.map((policy) =>
        ask('POST', '/api/runs', { argv: ['env'], policy, workspace: 'private' }),
      ),
    );
    for (const { text } of seen) assert.ok(!text.includes(OF_THE_SERVICE), text);
    assert.match(seen[0]?.body.stdout?.text ?? '', /^PATH=/m, seen[0]?.text);
  });

  test('the audit log of the host is not written to', async () => {
    const { status, body } = await sh('true', { ...writing('direct'), fileRefusals: 'audit' });
    assert.equal(status, 403);
    assert.equal(body.code, 'POLICY_BEYOND_CEILING');
  });

  test('a workspace that was taken away is not read through forks and snapshots, nor changed', async () => {
    const { body } = await ask('POST', '/api/sandboxes', {
      policy: writing('overlay'),
      workspace: 'project',
    });
    const at = `/api/sandboxes/${body.id}`;
    const change = { argv: ['sh', '-c', 'echo planted > planted'] };
    assert.equal((await ask('POST', `${at}/exec`, change)).status, 200);
    const snapshot = (await ask('POST', `${at}/snapshots`)).body;
    await settings({ workspaces: [] });
    for (const path of [`${at}/fork`, `/api/snapshots/${snapshot.id}/open`, `${at}/apply`]) {
      const { status, body: answer } = await ask('POST', path, {});
      assert.equal(status, 403, path);
      assert.equal(answer.code, 'FORBIDDEN');
    }
    assert.equal(existsSync(join(project, 'planted')), false);
    await settings({ workspaces: ['project'] });
    assert.equal((await ask('POST', `${at}/fork`, {})).status, 201);
  });

  test('modules are executed under the ceiling as it is now, stored policies and forks too', async () => {
    const code = 'export default () => 42';
    assert.equal((await ask('POST', '/api/effects/register', { id: 'm', code })).status, 201);
    assert.equal((await ask('POST', '/api/effects/execute', { id: 'm' })).status, 200);
    assert.equal(
      (await ask('PUT', '/api/policies/mine', { version: 1, level: 'moderate' })).status,
      201,
    );
    const { body } = await ask('POST', '/api/sandboxes', {
      policy: writing('overlay'),
      workspace: 'private',
    });
    await settings({
      ceiling: { version: 1, level: 'strict', admission: { requires: ['signature'] } },
    });
    for (const [method, path, sent] of [
      ['POST', '/api/effects/execute', { id: 'm' }],
      ['POST', '/api/effects/register', { id: 'n', code }],
      ['POST', '/api/runs', { argv: ['true'], policy: 'mine', workspace: 'private' }],
      ['POST', `/api/sandboxes/${body.id}/fork`, {}],
    ] as const) {
      const { status, body: answer } = await ask(method, path, sent);
      assert.equal(`${status} ${answer.code}`, '403 POLICY_BEYOND_CEILING', path);
    }
    await settings({});
    assert.equal((await ask('POST', '/api/effects/execute', { id: 'm' })).status, 200);
  });
});
