/** Policies by name, the audit log and the figures: of one tenant, and not of another. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WireOutcome } from '../../src/api/outcome.ts';
import { type Served, served } from './served.ts';

describe('policies, audit and statistics of a tenant', () => {
  let service: Served;
  let key: string;
  let other: string;

  before(async () => {
    service = await served();
    key = await service.key('admin');
    other = await service.key('admin', 'globex');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const document = { version: 1, level: 'strict', limits: { timeout: '5s' } };
  const listed = async (path: string, by: string) => {
    const { body } = await service.ask('GET', `/api/policies${path}`, { key: by });
    const { items } = body as { items: { name: string; version: number }[] };
    return items.map(({ name, version }) => [name, version]);
  };
  const run = (policy: unknown, by = key) =>
    service.ask('POST', '/api/runs', { key: by, body: { argv: ['true'], policy } });

  test('a stored policy is used by its name and version', async () => {
    const first = await service.ask('PUT', '/api/policies/quick', { key, body: document });
    assert.equal(first.status, 201, first.text);
    const again = await service.ask('PUT', '/api/policies/quick', { key, body: document });
    assert.equal(again.status, 200);
    const second = await service.ask('PUT', '/api/policies/quick', {
      key,
      body: { ...document, limits: { timeout: '7s' } },
    });
    assert.equal((second.body as { version: number }).version, 2);
    const digest = (stored: { body: unknown }) => (stored.body as { digest: string }).digest;
    for (const [name, expected] of [
      ['quick', second],
      ['quick@1', first],
      ['quick@2', second],
    ] as const) {
      const { body, text, status } = await run(name);
      assert.equal(status, 200, text);
      assert.equal((body as WireOutcome).policyDigest, digest(expected), name);
    }
    assert.equal((await run('quick@3')).status, 404);
  });

  test('another tenant has no such policy', async () => {
    assert.equal((await service.ask('GET', '/api/policies/quick', { key: other })).status, 404);
    assert.deepEqual(await listed('', key), [['quick', 2]]);
    assert.deepEqual(await listed('', other), []);
    assert.equal((await run('quick', other)).status, 400);
  });

  test('a policy of the same name is another one for another tenant, also where it is removed', async () => {
    const put = (name: string) =>
      service.ask('PUT', `/api/policies/${name}`, { key: other, body: document });
    assert.equal((await put('quick')).status, 201);
    assert.equal((await put('slow')).status, 201);
    assert.deepEqual(await listed('', other), [
      ['quick', 1],
      ['slow', 1],
    ]);
    assert.deepEqual(await listed('', key), [['quick', 2]]);
    const remove = (name: string) => service.ask('DELETE', `/api/policies/${name}`, { key: other });
    assert.equal((await remove('quick')).status, 204);
    assert.equal((await remove('slow')).status, 204);
    assert.deepEqual(await listed('', other), []);
    assert.deepEqual(await listed('/quick/versions', key), [
      ['quick', 2],
      ['quick', 1],
    ]);
  });

  test('policies and their versions are told in pages that join', async () => {
    for (const name of ['a', 'b', 'c']) {
      const { status } = await service.ask('PUT', `/api/policies/${name}`, { key, body: document });
      assert.equal(status, 201);
    }
    const names = async (query: string) => {
      const { body } = await service.ask('GET', `/api/policies${query}`, { key });
      const { items, next } = body as { items: { name: string }[]; next?: string };
      return [...items.map((each) => each.name), next];
    };
    assert.deepEqual(await names('?limit=2'), ['a', 'b', 'b']);
    assert.deepEqual(await names('?limit=2&after=b'), ['c', 'quick', undefined]);
    const versions = async (query: string) => {
      const { body } = await service.ask('GET', `/api/policies/quick/versions${query}`, { key });
      const { items, next } = body as { items: { version: number }[]; next?: string };
      return [...items.map((each) => each.version), next];
    };
    assert.deepEqual(await versions('?limit=1'), [2, '2']);
    assert.deepEqual(await versions('?limit=1&before=2'), [1, undefined]);
  });

  test('a change is of the version that its writer read', async () => {
    const { headers } = await service.ask('GET', '/api/policies/quick', { key });
    const etag = headers.get('etag') ?? '';
    const put = (tag: string, time: string) =>
      service.ask('PUT', '/api/policies/quick', {
        key,
        body: { ...document, limits: { timeout: time } },
        headers: { 'if-match': tag },
      });
    assert.equal((await put(etag, '8s')).status, 201);
    assert.equal((await put(etag, '9s')).status, 412);
    const known = await service.ask('GET', '/api/policies/quick', { key });
    const unchanged = await service.ask('GET', '/api/policies/quick', {
      key,
      headers: { 'if-none-match': known.headers.get('etag') ?? '' },
    });
    assert.equal(unchanged.status, 304);
  });

  test('what is beyond the ceiling is neither stored nor run', async () => {
    const wide = { version: 1, level: 'strict', filesystem: { read: ['/root'] } };
    const stored = await service.ask('PUT', '/api/policies/wide', { key, body: wide });
    assert.equal(stored.status, 403);
    assert.equal((stored.body as { code: string }).code, 'POLICY_BEYOND_CEILING');
    assert.equal((await run(wide)).status, 403);
    const { body } = await service.ask('POST', '/api/policies/validate', {
      key,
      body: { policy: wide },
    });
    assert.deepEqual(
      [(body as { valid: boolean }).valid, (body as { allowed: boolean }).allowed],
      [true, false],
    );
  });

  test('what is nested without end is refused before anything goes down into it', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const raw of [
      `{"constructor":${'['.repeat(200_000)}`,
      `{"argv":["true"],"policy":{"level":"strict","name":${deep}}}`,
    ]) {
      for (const path of ['/api/policies/deep', '/api/runs']) {
        const { status, body } = await service.ask(path === '/api/runs' ? 'POST' : 'PUT', path, {
          key,
          raw,
          headers: { 'content-type': 'application/json' },
        });
        const { code, detail } = body as { code: string; detail: string };
        assert.deepEqual([status, code], [400, 'REQUEST_INVALID']);
        assert.match(detail, /nested deeper than/);
      }
    }
    // Brackets in a text are text.
    const { status } = await service.ask('POST', '/api/runs', {
      key,
      body: { argv: ['true'], env: { TEXT: '["'.repeat(5000) } },
    });
    assert.equal(status, 200);
  });

  test('a policy that is none is told with its problems', async () => {
    const { body } = await service.ask('POST', '/api/policies/validate', {
      key,
      body: { policy: { version: 1, levle: 'strict' } },
    });
    const { valid, problems } = body as { valid: boolean; problems: { message: string }[] };
    assert.equal(valid, false);
    assert.match(JSON.stringify(problems), /level/);
  });

  test('explain and diff answer', async () => {
    const explained = await service.ask('POST', '/api/policies/explain', { key, body: {} });
    assert.equal(explained.status, 200, explained.text);
    const { body } = await service.ask('POST', '/api/policies/diff', {
      key,
      body: { first: 'moderate', second: 'strict' },
    });
    assert.ok((body as { onlyFirst: string[] }).onlyFirst.length > 0);
  });

  test('the audit log tells each tenant of its own runs alone', async () => {
    const mine = (await run('strict')).body as WireOutcome;
    const theirs = (await run('strict', other)).body as WireOutcome;
    const runsOf = async (by: string): Promise<Set<string>> => {
      const { body, text } = await service.ask('GET', '/api/audit?event=ended&limit=1000', {
        key: by,
      });
      return new Set((body as { items: { run: string }[] }).items?.map((each) => each.run) ?? text);
    };
    const [own, others] = [await runsOf(key), await runsOf(other)];
    assert.ok(own.has(mine.auditId) && !own.has(theirs.auditId));
    assert.ok(others.has(theirs.auditId) && !others.has(mine.auditId));
    const page = await service.ask('GET', '/api/audit?limit=2', { key });
    const { items, next } = page.body as { items: { seq: number }[]; next: string };
    assert.equal(items.length, 2);
    const rest = await service.ask('GET', `/api/audit?limit=1&after=${next}`, { key });
    assert.ok(((rest.body as { items: { seq: number }[] }).items[0]?.seq ?? 0) > Number(next));
  });

  test('the live stream brings what happens, to whom it happens', async () => {
    const leaving = new AbortController();
    const response = await fetch(`${service.address}/api/audit/stream?event=ended`, {
      headers: { authorization: `Bearer ${key}` },
      signal: leaving.signal,
    });
    assert.equal(response.status, 200);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const theirs = (await run('strict', other)).body as WireOutcome;
    const mine = (await run('strict')).body as WireOutcome;
    while (!text.includes(mine.auditId)) {
      const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
      assert.ok(!done, text);
      text += value;
    }
    assert.ok(!text.includes(theirs.auditId));
    leaving.abort();
  });

  test('findings are counted for the tenant whose code had them', async () => {
    await service.ask('POST', '/api/effects/register', {
      key,
      body: {
        id: 'miner',
        code: "import { exec } from 'node:child_process';\nexport default () => exec('xmrig');",
      },
    });
    const families = async (by: string): Promise<string[]> => {
      const { body } = await service.ask('GET', '/api/statistics/threats', { key: by });
      return (body as { occurrences: { family: string }[] }).occurrences.map((each) => each.family);
    };
    assert.ok((await families(key)).includes('child-process'));
    assert.deepEqual(await families(other), []);
    const pool = await service.ask('GET', '/api/statistics/pool', { key });
    assert.equal((pool.body as { total?: unknown }).total, undefined);
    const operator = await service.key('operator');
    const whole = await service.ask('GET', '/api/statistics/pool', { key: operator });
    assert.ok((whole.body as { total: { capacity: object } }).total.capacity);
  });
});
