/** A guest process over a WebSocket, from the client's end and from the host's. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { mentioning } from '../processes.ts';
import { until } from '../until.ts';
import { GuestSocket } from './guest-socket.ts';
import { type Served, served } from './served.ts';

let service: Served;
let key: string;
let id: string;
let path: string;

before(async () => {
  service = await served({
    limits: { maxStreams: 8, heartbeatMs: 200, headersTimeoutMs: 3000 },
    audit: { enabled: false },
  });
  key = await service.key('developer');
  const made = await service.ask('POST', '/api/sandboxes', { key, body: {} });
  assert.equal(made.status, 201, made.text);
  ({ id } = made.body as { id: string });
  path = `/api/sandboxes/${id}/spawn`;
});
after(async () => {
  await service[Symbol.asyncDispose]();
});

const open = (where = path): Promise<GuestSocket> => GuestSocket.open(service.address, where, key);

/** Of a sleep that is nobody else's on this machine. */
const seconds = (whole: number): string => `${whole}.${process.pid}`;

const running = (word: string): number => mentioning(word).length;

const openStreams = (): number => service.serving.app.streams.of('acme');

describe('spawn', () => {
  test('input goes in, both outputs come out, each on its channel, and then the outcome', async () => {
    const guest = await open();
    guest.say({ argv: ['sh', '-c', 'cat; echo err >&2; exit 7'] });
    guest.input('one\n');
    guest.input('two\n');
    guest.say({ type: 'end' });
    const { outcome } = await guest.event('outcome');
    assert.deepEqual([outcome.kind, outcome.code], ['exited', 7]);
    assert.equal(String(guest.stdout), 'one\ntwo\n');
    assert.equal(String(guest.stderr), 'err\n');
    assert.equal(await guest.closed, 1000);
    assert.equal(guest.events[0]?.type, 'started');
  });

  test('a terminal: its size, and its size changed', async () => {
    const guest = await open();
    guest.say({ argv: ['sh'], pty: { rows: 31, columns: 91 } });
    guest.input('stty size\n');
    await guest.until('31 91');
    guest.say({ type: 'resize', rows: 41, columns: 101 });
    guest.input('stty size; exit 3\n');
    await guest.until('41 101');
    const { outcome } = await guest.event('outcome');
    assert.equal(outcome.code, 3);
  });

  test('signals reach it; kill ends it', async () => {
    const guest = await open();
    guest.say({
      argv: ['sh', '-c', 'trap "echo got; exit 4" TERM; echo ready; while :; do sleep 0.05; done'],
    });
    await guest.until('ready');
    guest.say({ type: 'signal', signal: 'SIGTERM' });
    assert.equal((await guest.event('outcome')).outcome.code, 4);
    const other = await open();
    other.say({ argv: ['sleep', '100'] });
    await other.event('started');
    other.say({ type: 'kill' });
    assert.equal((await other.event('outcome')).outcome.kind, 'killed');
  });

  test('a command that is not there is a problem', async () => {
    const guest = await open();
    guest.say({ argv: ['nobody-has-this'] });
    const { problem } = await guest.event('problem');
    assert.equal(problem.code, 'COMMAND_NOT_FOUND');
    assert.equal(await guest.closed, 1000);
  });

  test('one in a sandbox of its own, which is gone afterwards', async () => {
    const guest = await open('/api/runs/spawn');
    guest.say({
      argv: ['sh', '-c', 'pwd; echo kept > file; cat'],
      policy: 'moderate',
      workspace: 'private',
    });
    const { id: run } = await guest.event('started');
    assert.equal((await service.ask('GET', `/api/sandboxes/${run}`, { key })).status, 200);
    guest.say({ type: 'end' });
    assert.equal((await guest.event('outcome')).outcome.code, 0);
    await until(
      'its workspace is gone',
      () => readdirSync(`${service.state}/workspaces`).length === 0,
    );
  });

  test('a run ends by its id', async () => {
    const guest = await open('/api/runs/spawn');
    guest.say({ argv: ['sleep', seconds(31337)] });
    const { id: run } = await guest.event('started');
    const killed = await service.ask('DELETE', `/api/sandboxes/${run}`, { key });
    assert.equal((killed.body as { state: string }).state, 'Killed');
    assert.equal((await guest.event('problem')).problem.code, 'ABORTED');
    assert.equal(running(seconds(31337)), 0);
  });

  for (const where of ['/spawn', '/api/runs/spawn']) {
    test(`its client goes away: nothing of it is left (${where})`, async () => {
      const word = seconds(42_420 + where.length);
      const guest = await open(where === '/spawn' ? path : where);
      guest.say({ argv: ['sh', '-c', `sleep ${word} & exec sleep ${word}`] });
      await until('it runs', () => running(word) >= 2);
      guest.socket.terminate();
      await until('no process is left', () => running(word) === 0);
      await until('no stream counts on', () => openStreams() === 0);
    });
  }

  test('detached, it goes on, and what it writes holds nothing up', async () => {
    const guest = await open();
    guest.say({
      argv: [
        'sh',
        '-c',
        `echo begun; head -c 20000000 /dev/zero; echo done > /tmp/detached; sleep ${seconds(4747)}`,
      ],
      detach: true,
    });
    await guest.event('started');
    guest.socket.terminate();
    await until('it has written all', async () => {
      const { body } = await service.ask('POST', `/api/sandboxes/${id}/exec`, {
        key,
        body: { argv: ['cat', '/tmp/detached'] },
      });
      return (body as { stdout: { text: string } }).stdout.text === 'done\n';
    });
    await until('it goes on', () => running(seconds(4747)) >= 1);
    await service.ask('POST', `/api/sandboxes/${id}/exec`, {
      key,
      body: { argv: ['pkill', 'sleep'] },
    });
  });

  test('a client that is gone without a word is noticed', async () => {
    const guest = await open();
    guest.say({ argv: ['sleep', seconds(5656)] });
    await until('it runs', () => running(seconds(5656)) === 1);
    // As a machine that was switched off: it answers no ping.
    guest.socket.pause();
    await until('its client is missed, and it is ended', () => running(seconds(5656)) === 0);
    guest.socket.terminate();
  });

  test('a slow reader holds the guest up, and nothing grows here', async () => {
    const guest = await open();
    guest.socket.pause();
    guest.say({
      argv: [
        'sh',
        '-c',
        'head -c 300000000 /dev/zero | tee /dev/stderr >/dev/null 2>&1; head -c 300000000 /dev/zero; echo done > /tmp/slow',
      ],
    });
    const waiting = () => {
      const { clients } = service.serving.app.websocketServer;
      return Math.max(...[...clients].map(({ bufferedAmount }) => bufferedAmount));
    };
    await until('a megabyte waits', () => waiting() >= 2 ** 20);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 75; i++) {
      assert.ok(waiting() < 4 * 2 ** 20, `${waiting()} bytes wait`);
      await sleep(20);
    }
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 128 * 2 ** 20, `${grown} bytes of 300 MB`);
    const { text } = await service.ask('POST', `/api/sandboxes/${id}/exec`, {
      key,
      body: { argv: ['cat', '/tmp/slow'] },
    });
    assert.doesNotMatch(text, /done/);
    const { body } = await service.ask('GET', `/api/sandboxes/${id}`, { key });
    assert.ok(JSON.stringify(body).includes('Running'));
    guest.socket.terminate();
  });

  test('a guest that does not read holds its client up', async () => {
    const guest = await open();
    guest.say({ argv: ['sleep', seconds(6767)] });
    await guest.event('started');
    const piece = Buffer.alloc(256 * 1024, 1);
    for (let i = 0; i < 400; i++) guest.input(piece);
    await sleep(600);
    // 100 MB were sent: most of them wait at the client's own end.
    assert.ok(guest.socket.bufferedAmount > 50 * 2 ** 20, String(guest.socket.bufferedAmount));
    guest.socket.terminate();
    await until('it is ended, its client being gone', () => running(seconds(6767)) === 0);
  });

  test('all of a large input arrives, and is told', async () => {
    const guest = await open();
    guest.say({ argv: ['sha256sum'] });
    const piece = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 100; i++) guest.input(piece);
    guest.say({ type: 'end' });
    assert.equal((await guest.event('outcome')).outcome.code, 0);
    const { createHash } = await import('node:crypto');
    const digest = createHash('sha256').update(Buffer.alloc(10_000_000, 'x')).digest('hex');
    assert.equal(String(guest.stdout).slice(0, 64), digest);
    const taken = guest.events.filter((event) => event.type === 'taken').at(-1);
    assert.ok(taken?.type === 'taken' && taken.bytes > 9_000_000);
  });

  const bad: [string, (guest: GuestSocket) => void, number][] = [
    ['no JSON', (guest) => guest.socket.send('{'), 1008],
    ['no start document', (guest) => guest.say({ type: 'end' }), 1008],
    ['bytes first', (guest) => guest.input('x'), 1008],
    ['an unknown field', (guest) => guest.say({ argv: ['true'], host: '/' }), 1008],
    ['__proto__', (guest) => guest.socket.send('{"argv":["true"],"__proto__":{}}'), 1008],
    ['a NUL in an argument', (guest) => guest.say({ argv: ['tr\0ue'] }), 1000],
    ['silence', () => {}, 1008],
    ['two megabytes at once', (guest) => guest.socket.send(Buffer.alloc(2 ** 21)), 1009],
    [
      'text that is no UTF-8',
      (guest) => guest.socket.send(Buffer.of(0xc3, 0x28), { binary: false }),
      1007,
    ],
  ];
  for (const [what, say, code] of bad) {
    test(`refused: ${what}`, async () => {
      const guest = await open();
      say(guest);
      assert.equal(await guest.closed, code, JSON.stringify(guest.events));
    });
  }

  const badLater: [string, (guest: GuestSocket) => void][] = [
    ['another channel', (guest) => guest.socket.send(Buffer.of(9, 1))],
    ['an empty message', (guest) => guest.socket.send(Buffer.alloc(0))],
    ['an unknown signal', (guest) => guest.say({ type: 'signal', signal: 'SIGNONE' })],
    ['no rows', (guest) => guest.say({ type: 'resize', rows: 0, columns: 1 })],
    ['an unknown control', (guest) => guest.say({ type: 'mount' })],
    [
      'input after its end',
      (guest) => {
        guest.say({ type: 'end' });
        guest.input('x');
      },
    ],
    [
      'a flood',
      (guest) => {
        for (let i = 0; i < 5000; i++) guest.say({ type: 'resize', rows: 2, columns: 2 });
      },
    ],
  ];
  for (const [what, say] of badLater) {
    test(`refused while it runs, and ended: ${what}`, async () => {
      const guest = await open();
      guest.say({ argv: ['sleep', seconds(7878)] });
      await until('it runs', () => running(seconds(7878)) === 1);
      say(guest);
      assert.equal((await guest.event('problem')).problem.code, 'REQUEST_INVALID');
      assert.equal(await guest.closed, 1008);
      await until('it is ended', () => running(seconds(7878)) === 0);
    });
  }

  test('another tenant, too little scope, nobody: refused over HTTP', async () => {
    for (const [who, status] of [
      [await service.key('developer', 'globex'), 404],
      [await service.key('viewer'), 403],
      ['none', 401],
    ] as const) {
      const socket = new WebSocket(`${service.address.replace('http', 'ws')}${path}`, {
        headers: { authorization: `Bearer ${who}` },
      });
      const seen = await new Promise((resolve) => {
        socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
        socket.on('open', () => resolve(101));
        socket.on('error', () => {});
      });
      assert.equal(seen, status);
      socket.terminate();
    }
  });

  test('a ping is answered; a flood of them whose answers nobody reads fills nothing', async () => {
    const guest = await open();
    guest.say({ argv: ['sleep', '5'] });
    await guest.event('started');
    const answered = new Promise((resolve) => guest.socket.once('pong', resolve));
    guest.socket.ping('x');
    assert.equal(String(await answered), 'x');
    guest.socket.pause();
    // As they go over the wire (RFC 6455, 5.2), a thousand at a time: 80 MB.
    const ping = Buffer.concat([Buffer.of(0x89, 0x80 | 125, 0, 0, 0, 0), Buffer.alloc(125)]);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => ping));
    const { _socket: wire } = guest.socket as unknown as { _socket: Socket };
    for (let i = 0; i < 600; i++) wire.write(many);
    let most = 0;
    for (let i = 0; i < 100; i++) {
      for (const { bufferedAmount } of service.serving.app.websocketServer.clients) {
        most = Math.max(most, bufferedAmount);
      }
      await sleep(20);
    }
    assert.ok(most < 2 * 2 ** 20, `${most} bytes wait`);
    guest.socket.terminate();
  });

  test('a key that is revoked ends what is open', async () => {
    const { keys } = service.serving.service.security;
    const made = await keys.create({
      tenant: 'acme',
      name: 'short',
      roles: ['developer'],
      scopes: [],
      by: 'test',
    });
    const guest = await GuestSocket.open(service.address, path, made.token);
    guest.say({ argv: ['sleep', seconds(8989)] });
    await until('it runs', () => running(seconds(8989)) === 1);
    const response = await fetch(`${service.address}/api/sandboxes/${id}/files/watch?path=/tmp`, {
      headers: { authorization: `Bearer ${made.token}` },
    });
    await keys.revoke('acme', made.key.id, { by: 'test' });
    await until('it is ended', () => running(seconds(8989)) === 0);
    await guest.closed;
    await assert.rejects(response.text());
  });

  test('so many streams of one tenant, and no more', async () => {
    await until('no stream counts on', () => openStreams() === 0);
    const others = await Promise.all(Array.from({ length: 8 }, () => open()));
    await assert.rejects(open(), /429/);
    const globex = await service.key('developer', 'globex');
    await assert.doesNotReject(async () => {
      const other = await GuestSocket.open(service.address, '/api/runs/spawn', globex);
      other.socket.terminate();
    });
    for (const { socket } of others) socket.terminate();
    await until('none of them counts on', () => openStreams() === 0);
    (await open()).socket.terminate();
  });
});
