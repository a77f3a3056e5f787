/** Files of a sandbox over HTTP; what a guest plants leads nowhere outside, asserted on the host's side. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../until.ts';
import { RawConnection, rawRequest } from './raw-http.ts';
import { type Served, served } from './served.ts';

const outside = mkdtempSync(join(tmpdir(), 'caisson-outside-'));
const secret = join(outside, 'secret');
writeFileSync(secret, 'of the host\n');

let service: Served;
let key: string;
let id: string;
/** The private workspace, on the host. */
let workspace: string;

before(async () => {
  service = await served({
    limits: {
      uploadBytes: '8MiB',
      requestTimeoutMs: 2000,
      headersTimeoutMs: 2000,
      heartbeatMs: 200,
    },
    tenants: { acme: { quotas: { workspaceBytes: 3 * 2 ** 20 } }, globex: {} },
    audit: { enabled: false },
  });
  key = await service.key('developer');
  ({ id, workspace } = await make());
});
after(async () => {
  await service[Symbol.asyncDispose]();
  rmSync(outside, { recursive: true });
});

async function make(): Promise<{ id: string; workspace: string }> {
  const known = new Set(readdirSync(join(service.state, 'workspaces')));
  const made = await service.ask('POST', '/api/sandboxes', {
    key,
    body: { policy: 'moderate', workspace: 'private' },
  });
  assert.equal(made.status, 201, made.text);
  const [name = ''] = readdirSync(join(service.state, 'workspaces')).filter(
    (each) => !known.has(each),
  );
  return {
    id: (made.body as { id: string }).id,
    workspace: join(service.state, 'workspaces', name),
  };
}

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
}

async function files(
  method: string,
  path: string,
  {
    body,
    headers = {},
    in: where = id,
    who = key,
  }: {
    body?: RequestInit['body'];
    headers?: Record<string, string>;
    in?: string;
    who?: string;
  } = {},
): Promise<Answered> {
  const response = await fetch(`${service.address}/api/sandboxes/${where}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${who}`,
      ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: String(bytes) };
}

const at = (path: string): string => `/files?path=${encodeURIComponent(path)}`;
const put = (path: string, body: RequestInit['body'], headers: Record<string, string> = {}) =>
  files('PUT', at(path), { body, headers });
const post = (what: string, body: unknown) =>
  files('POST', `/files/${what}`, {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
const code = ({ text }: Answered): string => (JSON.parse(text) as { code: string }).code;

async function guest(script: string): Promise<void> {
  const { body, text } = await service.ask('POST', `/api/sandboxes/${id}/exec`, {
    key,
    body: { argv: ['sh', '-c', script] },
  });
  assert.equal((body as { code: number }).code, 0, text);
}

describe('files', () => {
  test('written, read, and there on the host', async () => {
    const bytes = randomBytes(1_300_000);
    const written = await put('a.bin', bytes);
    assert.equal(written.status, 200, written.text);
    assert.deepEqual(readFileSync(join(workspace, 'a.bin')), bytes);
    const read = await files('GET', at('a.bin'));
    assert.deepEqual(read.bytes, bytes);
    assert.equal(read.headers.get('content-length'), '1300000');
    assert.equal(read.headers.get('etag'), written.headers.get('etag'));
    assert.deepEqual(readdirSync(workspace), ['a.bin']);
  });

  test('nothing in it', async () => {
    assert.equal((await put('empty', '')).status, 200);
    const { status, bytes } = await files('GET', at('empty'));
    assert.deepEqual([status, bytes.length], [200, 0]);
  });

  test('parts of it', async () => {
    await put('abc', 'abcdefghij');
    const part = async (range: string) => {
      const { status, text, headers } = await files('GET', at('abc'), { headers: { range } });
      return [status, text, headers.get('content-range')];
    };
    assert.deepEqual(await part('bytes=2-4'), [206, 'cde', 'bytes 2-4/10']);
    assert.deepEqual(await part('bytes=7-'), [206, 'hij', 'bytes 7-9/10']);
    assert.deepEqual(await part('bytes=-2'), [206, 'ij', 'bytes 8-9/10']);
    assert.deepEqual(await part('bytes=8-99'), [206, 'ij', 'bytes 8-9/10']);
    assert.deepEqual((await part('bytes=10-'))[0], 416);
    assert.deepEqual(await part('bytes=1-2,4-5'), [200, 'abcdefghij', null]);
    assert.deepEqual(await part('lines=1-2'), [200, 'abcdefghij', null]);
    assert.deepEqual(await part('bytes=5-2'), [200, 'abcdefghij', null]);
  });

  test('an ETag: known, matched, missed', async () => {
    const first = (await put('tagged', 'one')).headers.get('etag') ?? '';
    const known = await files('GET', at('tagged'), { headers: { 'if-none-match': first } });
    assert.deepEqual([known.status, known.bytes.length], [304, 0]);
    assert.equal((await put('tagged', 'two', { 'if-match': first })).status, 200);
    const late = await put('tagged', 'three', { 'if-match': first });
    assert.deepEqual([late.status, code(late)], [412, 'PRECONDITION_FAILED']);
    assert.equal((await put('tagged', 'four', { 'if-none-match': '*' })).status, 412);
    assert.equal(readFileSync(join(workspace, 'tagged'), 'utf8'), 'two');
    assert.equal((await put('fresh', 'x', { 'if-none-match': '*' })).status, 200);
    assert.equal((await put('missing', 'x', { 'if-match': '*' })).status, 412);
    assert.equal(existsSync(join(workspace, 'missing')), false);
  });

  test('what was changed behind an ETag is never written over, also where size and time are the same', async () => {
    const old = (await put('same', 'one')).headers.get('etag') ?? '';
    await guest('touch -r same stamp && printf two > same && touch -r stamp same');
    const late = await put('same', 'six', { 'if-match': old });
    assert.deepEqual([late.status, code(late)], [412, 'PRECONDITION_FAILED']);
    assert.equal(
      (await files('GET', at('same'), { headers: { 'if-none-match': old } })).text,
      'two',
    );
    const part = await files('GET', at('same'), {
      headers: { 'if-range': old, range: 'bytes=0-0' },
    });
    assert.deepEqual([part.status, part.text], [200, 'two']);
    assert.equal(readFileSync(join(workspace, 'same'), 'utf8'), 'two');
  });

  test('a write in place right behind an ETag makes another one', async () => {
    for (let i = 0; i < 100; i++) {
      const { status, headers } =
        i % 2 === 0 ? await put('quick', '0000') : await files('GET', at('quick'));
      assert.equal(status, 200);
      const told = headers.get('etag') ?? '';
      assert.match(told, /^"/);
      writeFileSync(join(workspace, 'quick'), String(i).padStart(4, '1'));
      assert.equal((await put('quick', 'over', { 'if-match': told })).status, 412);
    }
  });

  test('of several writes that expect the same ETag one is done, and none over what came meanwhile', async () => {
    for (const existing of ['replaced', 'overwritten']) {
      const first = (await put('raced', 'first')).headers.get('etag') ?? '';
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          files('PUT', `${at('raced')}&existing=${existing}`, {
            body: 'x'.repeat(i + 10),
            headers: { 'if-match': first },
          }),
        ),
      );
      const done = answers.filter(({ status }) => status === 200);
      assert.deepEqual(
        [done.length, answers.filter(({ status }) => status === 412).length],
        [1, 19],
        existing,
      );
      const told = (JSON.parse(done[0]?.text ?? '') as { size: number }).size;
      assert.equal(readFileSync(join(workspace, 'raced'), 'utf8').length, told);
    }
    // While it is on its way, the guest writes.
    const tag = (await put('slow', 'before')).headers.get('etag') ?? '';
    const connection = await RawConnection.open(service.address);
    connection.send(
      rawRequest('PUT', `/api/sandboxes/${id}${at('slow')}`, [
        ['host', 'localhost'],
        ['authorization', `Bearer ${key}`],
        ['content-type', 'application/octet-stream'],
        ['content-length', '10'],
        ['if-match', tag],
      ]),
    );
    connection.send('12345');
    await sleep(300);
    writeFileSync(join(workspace, 'slow'), 'by the guest');
    connection.send('67890');
    assert.equal((await connection.answer())?.status, 412);
    connection.destroy();
    assert.equal(readFileSync(join(workspace, 'slow'), 'utf8'), 'by the guest');
    const now = (await put('slow', 'after')).headers.get('etag') ?? '';
    assert.equal((await put('slow', 'again', { 'if-none-match': `"x", ${now}` })).status, 412);
    assert.equal((await put('slow', 'again', { 'if-none-match': '"x"' })).status, 200);
  });

  test('modes, directories, names, links, and what is listed', async () => {
    assert.equal((await post('mkdir', { path: 'd/e/f', recursive: true })).status, 204);
    assert.equal((await files('PUT', `${at('d/x')}&mode=750`, { body: 'x' })).status, 200);
    assert.equal(
      (await files('PUT', `${at('new/deep/y')}&parents=true`, { body: 'y' })).status,
      200,
    );
    assert.equal((await post('link', { path: 'd/l', target: 'x' })).status, 204);
    assert.equal((await post('move', { from: 'd/x', to: 'd/z' })).status, 204);
    assert.equal((await post('chmod', { path: 'd/z', mode: '600' })).status, 204);
    const stat = JSON.parse((await files('GET', '/files/stat?path=d/l')).text);
    assert.deepEqual([stat.type, stat.target], ['link', 'x']);
    const { items } = JSON.parse((await files('GET', '/files/list?path=d')).text);
    const seen = items.map((each: { name: string; type: string; mode: string }) => [
      each.name,
      each.type,
    ]);
    assert.deepEqual(seen.sort(), [
      ['e', 'directory'],
      ['l', 'link'],
      ['z', 'file'],
    ]);
    assert.equal(items.find((each: { name: string }) => each.name === 'z').mode, '600');
    const parts: string[] = [];
    for (let after = ''; ; ) {
      const part = JSON.parse((await files('GET', `/files/list?path=d&limit=1${after}`)).text);
      parts.push(...part.items.map((each: { name: string }) => each.name));
      if (part.next === undefined) break;
      after = `&after=${part.next}`;
    }
    assert.deepEqual(parts.sort(), ['e', 'l', 'z']);
    const full = await files('DELETE', at('d'));
    assert.equal(full.status, 400);
    assert.equal((await files('DELETE', `${at('d')}&recursive=true`)).status, 204);
    assert.equal(existsSync(join(workspace, 'd')), false);
  });

  test('changes are told while it is watched', async () => {
    await post('mkdir', { path: 'watched' });
    const controller = new AbortController();
    const response = await fetch(
      `${service.address}/api/sandboxes/${id}/files/watch?path=watched&intervalMs=50`,
      { headers: { authorization: `Bearer ${key}` }, signal: controller.signal },
    );
    assert.equal(response.status, 200);
    let text = '';
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const heard = async (what: string) => {
      while (!text.includes(what)) text += Buffer.from((await reader.read()).value ?? []);
    };
    await heard(': caisson');
    // What is there before it looks for the first time is no change: another one then.
    let isHeard = false;
    const writing = (async () => {
      for (let i = 0; !isHeard && i < 100; i++) {
        await put(`watched/${i}`, '1');
        await sleep(200);
      }
    })();
    await heard('{"kind":"added","path":"watched/');
    isHeard = true;
    await writing;
    const [, name] = /"kind":"added","path":"watched\/(\d+)"/.exec(text) ?? [];
    await files('DELETE', at(`watched/${name}`));
    await heard(`{"kind":"removed","path":"watched/${name}"}`);
    controller.abort();
    await until('the stream counts no more', () => service.serving.app.streams.of('acme') === 0);
  });

  test('too much to be watched is said', async () => {
    await guest('mkdir many && cd many && seq 10500 | xargs touch');
    const { text } = await files('GET', '/files/watch?path=many');
    assert.match(text, /event: problem\ndata: .*REQUEST_INVALID/);
    await guest('rm -r many');
  });
});

describe('what a guest plants', () => {
  const link = (name: string, target: string) => guest(`ln -sfn ${target} ${name}`);

  test('links of its own to the host’s files lead nowhere', async () => {
    for (const [name, target] of [
      ['l-abs', secret],
      ['l-up', `../../../../../../../../../..${secret}`],
      ['l-proc', `/proc/1/root${secret}`],
      ['l-self', `/proc/self/root${secret}`],
    ] as const) {
      await link(name, target);
      for (const follow of ['', '&follow=true']) {
        const read = await files('GET', `${at(name)}${follow}`);
        assert.equal(read.status, 400, read.text);
        assert.ok(!read.text.includes('of the host'));
      }
      assert.equal((await put(name, 'replaced')).status, 200);
      assert.equal(readFileSync(join(workspace, name), 'utf8'), 'replaced');
    }
    assert.equal(readFileSync(secret, 'utf8'), 'of the host\n');
  });

  test('a directory that is a link: whatever is done below it is done inside', async () => {
    await link('dir', outside);
    const before = readdirSync(outside);
    await put('dir/planted', 'x');
    await post('mkdir', { path: 'dir/made', recursive: true });
    await post('link', { path: 'dir/linked', target: '/etc' });
    await post('move', { from: 'dir/secret', to: 'stolen' });
    await post('chmod', { path: 'dir/secret', mode: '777' });
    await files('DELETE', `${at('dir/secret')}&recursive=true`);
    await files('DELETE', `${at('dir/')}&recursive=true`);
    const list = await files('GET', `/files/list?path=${encodeURIComponent('dir/')}`);
    assert.ok(!list.text.includes('secret'), list.text);
    const tree = await files('GET', `/tree?path=${encodeURIComponent('dir')}`);
    assert.ok(!tree.text.includes('of the host'));
    assert.deepEqual(readdirSync(outside), before);
    assert.equal(readFileSync(secret, 'utf8'), 'of the host\n');
  });

  test('links that the service itself might follow in the workspace, made on the host', async () => {
    // As if a guest had won a race against us: the agent inside still sees its own root alone.
    symlinkSync(outside, join(workspace, 'host-link'));
    assert.notEqual((await files('GET', at('host-link/secret'))).status, 200);
    await put('host-link/secret', 'changed');
    assert.equal(readFileSync(secret, 'utf8'), 'of the host\n');
    rmSync(join(workspace, 'host-link'));
  });

  test('a FIFO, a device, a directory and /proc hold nothing up', async () => {
    await guest('mkfifo fifo');
    for (const path of [
      'fifo',
      '/dev/zero',
      '/dev/null',
      '/',
      '/proc/self/mem',
      '/proc/1/environ',
    ]) {
      const { status } = await files('GET', at(path));
      assert.ok([200, 400].includes(status), `${path}: ${status}`);
    }
    assert.equal((await files('GET', at('/proc/uptime'))).status, 200);
    await guest('rm fifo');
  });

  test('names that are no UTF-8, and very long ways', async () => {
    await guest(
      String.raw`mkdir odd && cd odd && touch "$(printf 'x\377y')" && i=0; while [ $i -lt 60 ]; do mkdir dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd && cd dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd || exit 0; i=$((i+1)); done`,
    );
    const list = await files('GET', '/files/list?path=odd');
    assert.equal(list.status, 200, list.text);
    await files('GET', '/tree?path=odd').catch(() => {});
    assert.equal((await files('GET', '/files/stat?path=odd')).status, 200);
    assert.equal((await files('DELETE', `${at('odd')}&recursive=true`)).status, 204);
    assert.equal(existsSync(join(workspace, 'odd')), false);
  });

  test('ways out in the request itself', async () => {
    const up = '../'.repeat(20);
    for (const path of [
      `${up}${secret.slice(1)}`,
      secret,
      `/proc/1/root${secret}`,
      `./.././..${secret}`,
    ]) {
      const read = await files('GET', at(path));
      assert.ok(!read.text.includes('of the host'));
      assert.equal(read.status, 400, read.text);
      await put(path, 'changed');
      await files('DELETE', at(path));
    }
    assert.equal(readFileSync(secret, 'utf8'), 'of the host\n');
    for (const query of [
      'path=',
      'path=a%00b',
      `path=${'x'.repeat(5000)}`,
      'path=a&path=b',
      'x=1',
      '',
      'path=a&mode=9',
    ]) {
      const { status } = await files('GET', `/files?${query}`);
      assert.equal(status, 400, query);
    }
  });

  test('another tenant, too little scope, a sandbox that is gone', async () => {
    const globex = await service.key('developer', 'globex');
    const viewer = await service.key('viewer');
    const ways: [string, string, string?][] = [
      ['GET', at('abc')],
      ['PUT', at('abc'), 'x'],
      ['DELETE', at('abc')],
      ['GET', '/files/list?path=.'],
      ['GET', '/files/stat?path=abc'],
      ['GET', '/files/watch?path=.'],
      ['GET', '/tree?path=.'],
      ['PUT', '/tree?path=.', 'x'],
    ];
    for (const [method, path, body] of ways) {
      const type = path.startsWith('/tree') ? { 'content-type': 'application/x-tar' } : {};
      const asked = { ...(body === undefined ? {} : { body, headers: type }) };
      assert.equal((await files(method, path, { ...asked, who: globex })).status, 404, path);
      if (method !== 'GET')
        assert.equal((await files(method, path, { ...asked, who: viewer })).status, 403, path);
    }
    assert.equal(readFileSync(join(workspace, 'abc'), 'utf8'), 'abcdefghij');
  });
});

describe('uploads', () => {
  test('larger than they may be: refused, and nothing of it is there', async () => {
    const refused = await put('big', Buffer.alloc(9 * 2 ** 20));
    assert.deepEqual([refused.status, code(refused)], [413, 'TOO_LARGE']);
    const quota = await raw('big2', (socket) => {
      const piece = Buffer.alloc(64 * 1024);
      for (let i = 0; i < 200; i++) socket.write(piece);
      socket.end();
    });
    assert.equal(quota.status, 429, quota.text);
    const globex = await service.key('developer', 'globex');
    const other = await service.ask('POST', '/api/sandboxes', { key: globex, body: {} });
    const unbounded = await raw(
      '/tmp/big3',
      (socket) => {
        for (let i = 0; i < 200; i++) socket.write(Buffer.alloc(64 * 1024));
        socket.end();
      },
      { key: globex, id: (other.body as { id: string }).id },
    );
    assert.equal(unbounded.status, 413, unbounded.text);
    assert.deepEqual(
      readdirSync(workspace).filter((name) => /big|part/.test(name)),
      [],
    );
  });

  test('beyond the tenant’s part: refused; given back when it goes', async () => {
    const fresh = await make();
    const where = { in: fresh.id };
    const used = () => service.serving.service.security.quotas.used('acme').workspaceBytes;
    const before = used();
    const first = await files('PUT', at('one'), { ...where, body: Buffer.alloc(1_000_000) });
    assert.equal(first.status, 200, first.text);
    assert.equal(used() - before, 1_000_000);
    await files('PUT', at('one'), { ...where, body: Buffer.alloc(400_000) });
    assert.equal(used() - before, 400_000);
    const refused = await files('PUT', at('two'), { ...where, body: Buffer.alloc(3_000_000) });
    assert.deepEqual([refused.status, code(refused)], [429, 'QUOTA_EXCEEDED']);
    assert.equal(used() - before, 400_000);
    assert.deepEqual(readdirSync(fresh.workspace), ['one']);
    await files('PUT', at('one'), { ...where, body: Buffer.alloc(800_000) });
    await files('DELETE', at('one'), where);
    assert.equal(used(), before);
    await files('PUT', at('one'), { ...where, body: Buffer.alloc(700_000) });
    await service.ask('DELETE', `/api/sandboxes/${fresh.id}`, { key });
    await until('it counts no more', () => used() === before);
  });

  test('its client goes away, or says nothing more: nothing of it is there', async () => {
    await raw('gone', (sent) => {
      sent.write(Buffer.alloc(100_000));
      setTimeout(() => sent.destroy(), 200);
    }).catch(() => {});
    await raw('stalled', (sent) => sent.write(Buffer.alloc(100_000))).catch(() => {});
    const left = () => readdirSync(workspace).filter((name) => /gone|stalled|part/.test(name));
    await until(
      () => `nothing is left: ${left()}`,
      () => left().length === 0,
    );
  });

  test('while a sandbox is paused it says so', async () => {
    const fresh = await make();
    await service.serving.service.manager.pause(fresh.id);
    const { status, text } = await files('GET', at('x'), { in: fresh.id });
    assert.deepEqual([status, JSON.parse(text).code], [409, 'CONFLICT']);
    await service.ask('DELETE', `/api/sandboxes/${fresh.id}`, { key });
  });

  /** Without a length, so that nobody knows how much comes. */
  function raw(
    path: string,
    send: (sent: ReturnType<typeof request>) => void,
    as = { key, id },
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        `${service.address}/api/sandboxes/${as.id}${at(path)}`,
        {
          method: 'PUT',
          headers: {
            authorization: `Bearer ${as.key}`,
            'content-type': 'application/octet-stream',
          },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      send(sent);
    });
  }
});
