/** Clients that go away in the middle: nothing of what they asked for goes on, unless they said that they come again. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../until.ts';
import { RawConnection, rawRequest } from './raw-http.ts';
import { type Served, served } from './served.ts';

/** What a guest writes is seen in its workspace at once. */
const DIRECT = { version: 1, level: 'moderate', filesystem: { workspace: 'direct', write: ['.'] } };

const SLOWLY: ReadonlySet<string> = new Set([
  '/api/sandboxes',
  '/api/sandboxes/:id/fork',
  '/api/sandboxes/:id/snapshots',
  '/api/snapshots/:id/open',
]);

describe('a client that goes away', () => {
  /** Made, and not told yet: time for its client to go. */
  let untold: Promise<void> | undefined;
  let service: Served;
  let key: string;

  before(async () => {
    service = await served(
      {},
      {
        onRoute: (route) => {
          if (route.method !== 'POST' || !SLOWLY.has(route.url)) return;
          route.onSend = async (_, reply) => {
            if (reply.statusCode < 300) await untold;
          };
        },
      },
    );
    key = await service.key('developer');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  /** Sends it, and is gone after a moment, or when something has come about; the service has seen it go then. */
  const leave = async (
    path: string,
    body: unknown,
    when: number | (() => Promise<void>),
    more: readonly (readonly [string, string])[] = [],
  ): Promise<void> => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const seen: Socket[] = [];
    const onConnection = (socket: Socket) => seen.push(socket);
    const { server } = service.serving.app;
    server.on('connection', onConnection);
    const connection = await RawConnection.open(service.address);
    connection.send(
      rawRequest(
        'POST',
        path,
        [
          ['host', 'localhost'],
          ['authorization', `Bearer ${key}`],
          ...(text === '' ? [] : ([['content-type', 'application/json']] as const)),
          ['content-length', String(Buffer.byteLength(text))],
          ...more,
        ],
        text,
      ),
    );
    const own = connection.socket.localPort;
    if (typeof when === 'number') await sleep(when);
    else await when();
    connection.socket.resetAndDestroy();
    const isGone = () => seen.find((each) => each.remotePort === own)?.destroyed !== false;
    await until('the service sees that its client is gone', isGone);
    server.off('connection', onConnection);
  };
  const workspaces = (): string[] => readdirSync(join(service.state, 'workspaces'));
  const live = (): number =>
    service.serving.service.manager
      .list({ tenant: 'acme' })
      .filter(({ state }) => ['Initializing', 'Running', 'Paused'].includes(state)).length;
  /** Nothing runs, and no workspace is there. */
  const nothingLeft = (): Promise<void> =>
    until(
      () => `nothing is left: ${live()} sandboxes, ${workspaces().length} workspaces`,
      () => live() === 0 && workspaces().length === 0,
    );

  for (const afterMs of [0, 5, 20, 60, 300]) {
    test(`during a run, after ${afterMs} ms`, async () => {
      await leave(
        '/api/runs',
        { argv: ['sleep', '60'], workspace: 'private', policy: 'moderate' },
        afterMs,
      );
      await nothingLeft();
    });

    test(`during the making of a sandbox, after ${afterMs} ms`, async () => {
      await leave('/api/sandboxes', { workspace: 'private', policy: 'moderate' }, afterMs);
      await sleep(500);
      // It may have been made before its client went; then it is known, and can be ended.
      for (let i = 0; live() > 0; i++) {
        assert.ok(i < 500, 'it is there, and nobody is told of it');
        const { body } = await service.ask('GET', '/api/sandboxes?state=Running', { key });
        const { items } = body as { items: { id: string }[] };
        for (const { id } of items) await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
        await sleep(20);
      }
      await nothingLeft();
    });
  }

  test('between the making of something and its answer: it is ended at once', async () => {
    const policy = { level: 'moderate', filesystem: { workspace: 'overlay' } };
    const body = { policy, workspace: 'private' };
    const make = async (): Promise<string> =>
      ((await service.ask('POST', '/api/sandboxes', { key, body })).body as { id: string }).id;
    const id = await make();
    const { body: kept } = await service.ask('POST', `/api/sandboxes/${id}/snapshots`, { key });
    const snapshot = (kept as { id: string }).id;
    const snapshots = (): number => service.serving.service.sandboxes.snapshots.list('acme').length;
    const made = (): number => live() + snapshots();
    assert.equal(made(), 2);
    try {
      for (const [path, sent] of [
        ['/api/sandboxes', body],
        [`/api/sandboxes/${id}/fork`, {}],
        [`/api/snapshots/${snapshot}/open`, {}],
        [`/api/sandboxes/${id}/snapshots`, undefined],
      ] as const) {
        const gate = Promise.withResolvers<void>();
        untold = gate.promise;
        const isMade = () => until(`${path}: it is made`, () => made() === 3);
        await leave(path, sent, isMade);
        gate.resolve();
        await until(`${path}: it is ended`, () => made() === 2);
      }
      // Who comes again is told of it.
      const gate = Promise.withResolvers<void>();
      untold = gate.promise;
      const isMade = () => until('it is made', () => made() === 3);
      await leave('/api/sandboxes', body, isMade, [['idempotency-key', 'for-it-again']]);
      gate.resolve();
      await sleep(500);
      assert.equal(made(), 3);
    } finally {
      untold = undefined;
    }
    const headers = { 'idempotency-key': 'for-it-again' };
    const again = await service.ask('POST', '/api/sandboxes', { key, body, headers });
    assert.equal(again.headers.get('idempotency-replayed'), 'true', again.text);
    for (const each of [id, (again.body as { id: string }).id]) {
      await service.ask('DELETE', `/api/sandboxes/${each}`, { key });
    }
    await service.ask('DELETE', `/api/snapshots/${snapshot}`, { key });
    await nothingLeft();
  });

  test('during a command in a sandbox: the command ends, the sandbox stays', async () => {
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: DIRECT, workspace: 'private' },
    });
    const { id } = made.body as { id: string };
    const [workspace = ''] = workspaces();
    const at = (name: string) => join(service.state, 'workspaces', workspace, name);
    const begun = () => until('it has begun', () => existsSync(at('begun')));
    // It says every moment that it is there.
    const script = 'echo x > begun; while :; do echo x >> beats; sleep 0.02; done';
    await leave(`/api/sandboxes/${id}/exec`, { argv: ['sh', '-c', script] }, begun);
    const beats = () => (existsSync(at('beats')) ? statSync(at('beats')).size : 0);
    for (let i = 0, last = -1; last !== beats(); i++) {
      assert.ok(i < 20, 'it goes on');
      last = beats();
      await sleep(500);
    }
    const { text } = await service.ask('POST', `/api/sandboxes/${id}/exec`, {
      key,
      body: { argv: ['echo', 'well'] },
    });
    assert.match(text, /well/);
    await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    await nothingLeft();
  });

  test('with an idempotency key it goes on, and is answered when it comes again', async () => {
    const body = { argv: ['sh', '-c', 'sleep 1; echo done'] };
    const runs = () => until('it has begun', () => live() === 1);
    await leave('/api/runs', body, runs, [['idempotency-key', 'i-come-again']]);
    for (let i = 0; ; i++) {
      const answer = await service.ask('POST', '/api/runs', {
        key,
        body,
        headers: { 'idempotency-key': 'i-come-again' },
      });
      if (answer.status === 409) {
        assert.ok(i < 100, 'it does not come to its end');
        await sleep(100);
        continue;
      }
      assert.equal(answer.headers.get('idempotency-replayed'), 'true');
      assert.match(answer.text, /done/);
      break;
    }
    await nothingLeft();
  });

  test('during an evaluation: the guest ends, and the next one runs', async () => {
    const source = 'export default () => { for (;;) {} }';
    await Promise.all(
      [0, 10, 100, 300].map((afterMs) =>
        leave('/api/evaluations', { language: 'javascript', source, timeoutMs: 60_000 }, afterMs),
      ),
    );
    const { status, text } = await service.ask('POST', '/api/evaluations', {
      key,
      body: { language: 'javascript', source: 'export default () => 42', timeoutMs: 20_000 },
    });
    assert.equal(status, 200, text);
    assert.equal((JSON.parse(text) as { value: number }).value, 42);
    await nothingLeft();
  });

  test('many at once', async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        leave(
          '/api/runs',
          { argv: ['sleep', '60'], workspace: 'private', policy: 'moderate' },
          (i * 7) % 150,
        ),
      ),
    );
    await nothingLeft();
    const { text } = await service.ask('POST', '/api/runs', {
      key,
      body: { argv: ['echo', 'well'] },
    });
    assert.match(text, /well/);
  });
});

test('a client that is gone before the first byte of its stream is no fault of ours in the log', async (context) => {
  await using service = await served();
  const key = await service.key('developer');
  const { body } = await service.ask('POST', '/api/sandboxes', {
    key,
    body: { policy: 'moderate', workspace: 'private' },
  });
  const logged: string[] = [];
  context.mock.method(process.stderr, 'write', (text: unknown) => {
    logged.push(String(text));
    return true;
  });
  const command = JSON.stringify({ argv: ['sleep', '600'] });
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const connection = await RawConnection.open(service.address);
      connection.send(
        rawRequest(
          'POST',
          `/api/sandboxes/${(body as { id: string }).id}/stream`,
          [
            ['host', 'localhost'],
            ['authorization', `Bearer ${key}`],
            ['content-type', 'application/json'],
            ['content-length', String(command.length)],
          ],
          command,
        ),
      );
      await sleep(i % 6);
      connection.socket.resetAndDestroy();
    }),
  );
  await sleep(500);
  assert.deepEqual(logged, []);
});
