/** A tenant whose guest makes changes that cannot be listed: the answer is a refusal by name, and no fault of the service. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';

const DEEP =
  'n=$(printf "%0200d" 0); i=0; while [ $i -lt 60 ]; do mkdir $n && cd -P $n 2>/dev/null || break; i=$((i+1)); done';
const filesystem = { write: ['.'], workspace: 'overlay' };
const policy = { version: 1, level: 'moderate', filesystem, limits: { timeout: '2m' } };

/** @returns the id of a sandbox over a workspace of its own */
async function make(service: Served, key: string): Promise<string> {
  const body = { policy, workspace: 'private' };
  const made = await service.ask('POST', '/api/sandboxes', { key, body });
  assert.equal(made.status, 201, made.text);
  return (made.body as { id: string }).id;
}

async function runIn(service: Served, key: string, id: string, script: string): Promise<void> {
  const body = { argv: ['sh', '-c', script] };
  const ran = await service.ask('POST', `/api/sandboxes/${id}/exec`, { key, body });
  assert.equal((ran.body as { code?: number }).code, 0, ran.text);
}

describe('changes that cannot be listed', () => {
  let service: Served;
  let key: string;
  before(async () => {
    service = await served({ audit: { enabled: false } });
    key = await service.key('developer');
  });
  after(() => service[Symbol.asyncDispose]());

  const ASKED = [
    ['GET', 'changes'],
    ['GET', 'diff?most=1'],
    ['POST', 'apply'],
  ] as const;
  const PAGES = [
    ['GET', 'changes?limit=1'],
    ['GET', 'changes?limit=1'],
  ] as const;

  test('a path longer than PATH_MAX', async () => {
    const id = await make(service, key);
    await runIn(service, key, id, DEEP);
    for (const [method, path] of ASKED) {
      const refused = await service.ask(method, `/api/sandboxes/${id}/${path}`, { key });
      const { code, detail, hint } = refused.body as Record<'code' | 'detail' | 'hint', string>;
      assert.deepEqual([refused.status, code], [413, 'TOO_LARGE'], `${path}: ${refused.text}`);
      assert.match(detail, /4096 bytes/);
      assert.match(hint, /one by one/);
    }
    // Small pages, one after the other, come to the same end.
    let page = await service.ask('GET', `/api/sandboxes/${id}/changes?limit=1`, { key });
    for (let pages = 1; page.status === 200; pages++) {
      const { next } = page.body as { next?: string };
      assert.ok(next !== undefined && pages < 60, `${pages} pages, and then: ${page.text}`);
      const after = encodeURIComponent(next);
      page = await service.ask('GET', `/api/sandboxes/${id}/changes?limit=1&after=${after}`, {
        key,
      });
    }
    assert.deepEqual([page.status, (page.body as { code: string }).code], [413, 'TOO_LARGE']);
    const ended = await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    assert.equal((ended.body as { state: string }).state, 'Killed');
  });

  test('no more than 100,000 are read for anybody, and one list of a tenant at a time', async (context) => {
    const id = await make(service, key);
    const sandbox = service.serving.service.sandboxes.get('acme', id);
    let atOnce = 0;
    let most = 0;
    const counted = <A extends unknown[], R>(real: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        most = Math.max(most, ++atOnce);
        try {
          return await real(...args);
        } finally {
          atOnce--;
        }
      };
    };
    const read = context.mock.method(sandbox, 'changes', counted(sandbox.changes.bind(sandbox)));
    const pages = counted(sandbox.changesPage.bind(sandbox));
    const page = context.mock.method(sandbox, 'changesPage', pages);
    const apply = context.mock.method(sandbox, 'apply');
    const answers = await Promise.all(
      [...ASKED, ...ASKED, ...PAGES].map(([method, path]) =>
        service.ask(method, `/api/sandboxes/${id}/${path}`, { key }),
      ),
    );
    for (const { status, text } of answers) assert.equal(status, 200, text);
    assert.equal(read.mock.callCount() + page.mock.callCount(), 6);
    assert.equal(most, 1);
    for (const { arguments: args } of [...read.mock.calls, ...apply.mock.calls]) {
      assert.equal((args[0] as { most?: number }).most, 100_000);
    }
  });
});

describe('many changes', () => {
  test('whoever does not read a diff holds nobody up, and whoever reads it reads it whole', {
    timeout: 120_000,
  }, async () => {
    await using service = await served({ audit: { enabled: false } });
    const key = await service.key('developer');
    const id = await make(service, key);
    const script =
      'head -c 100000 /dev/zero | tr "\\0" "x" > a; i=0; while [ $i -lt 200 ]; do cp a f$i; i=$((i+1)); done';
    await runIn(service, key, id, script);
    const url = `/api/sandboxes/${id}/diff`;
    const open = async (query: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const response = await fetch(`${service.address}${url}${query}`, { headers });
      assert.equal(response.status, 200);
      return response.body as ReadableStream<Uint8Array>;
    };
    const idle = await Promise.all(['', '', '', '', '', '?most=99999999', '', '', ''].map(open));
    const whole = await service.ask('GET', url, { key });
    assert.equal(whole.text.match(/^\+x{100000}$/gm)?.length, 201);
    assert.match((await service.ask('GET', `${url}?most=1`, { key })).text, /… and 200 other/);
    for (const each of idle) await each.cancel();
  });

  test('their pages are the list, also behind paths that are longer than other cursors', async () => {
    await using service = await served({ audit: { enabled: false } });
    const key = await service.key('developer');
    const id = await make(service, key);
    const script =
      'n=$(printf "%0200d" 0); mkdir -p $n/$n/$n/$n; for i in 1 2 3; do : > $n/$n/$n/$n/$i; done; i=0; while [ $i -lt 700 ]; do : > z$i; i=$((i+1)); done';
    await runIn(service, key, id, script);
    const found: string[] = [];
    let next: string | undefined;
    do {
      const after: string = next === undefined ? '' : `&after=${encodeURIComponent(next)}`;
      const limit = found.length < 7 ? 1 : 300;
      const url = `/api/sandboxes/${id}/changes?limit=${limit}${after}`;
      const page = await service.ask('GET', url, { key });
      assert.equal(page.status, 200, page.text);
      const answer = page.body as { items: { path: string }[]; next?: string };
      found.push(...answer.items.map(({ path }) => path));
      next = answer.next;
    } while (next !== undefined);
    assert.equal(found.length, 707);
    assert.deepEqual(found, [...new Set(found)].sort());
    for (const wrong of ['after=', 'after=a%00b']) {
      const refused = await service.ask('GET', `/api/sandboxes/${id}/changes?${wrong}`, { key });
      assert.equal(refused.status, 400, refused.text);
    }
  });
});
