/** Connections are of all tenants: one that holds as many as it can, whichever way, keeps nobody else from being answered. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionsWithin, descriptorsAllowed } from '../../../src/server/http/connection-room.ts';
import { RawConnection, rawRequest } from '../raw-http.ts';
import { type Served, served } from '../served.ts';

const CONNECTIONS = 24;
const SHARE = CONNECTIONS / 4;
/** Of this process's `fetch`, which keeps them. */
const OWN = 3;
const HOST = ['host', 'localhost'] as const;

describe('a tenant that lets nothing come to its end', () => {
  let service: Served;
  let id: string;
  let bearer: readonly [string, string];
  let neighbour: string;

  before(async () => {
    service = await served({ limits: { maxConnections: CONNECTIONS } });
    const key = await service.key('developer');
    bearer = ['authorization', `Bearer ${key}`];
    neighbour = await service.key('developer', 'globex');
    const body = { policy: 'moderate', workspace: 'private' };
    const made = await service.ask('POST', '/api/sandboxes', { key, body });
    assert.equal(made.status, 201, made.text);
    ({ id } = made.body as { id: string });
    const large = { argv: ['truncate', '-s', '200M', 'large'] };
    await service.ask('POST', `/api/sandboxes/${id}/exec`, { key, body: large });
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const json = (path: string, body: unknown): string => {
    const text = JSON.stringify(body);
    const length = ['content-length', String(text.length)] as const;
    return rawRequest(
      'POST',
      path,
      [HOST, bearer, ['content-type', 'application/json'], length],
      text,
    );
  };
  /** Nothing that is answered is read. */
  const ways: Readonly<Record<string, (number: number) => string>> = {
    'output as events': () => json(`/api/sandboxes/${id}/stream`, { argv: ['cat', '/dev/zero'] }),
    'commands that last': () =>
      json(`/api/sandboxes/${id}/exec`, { argv: ['sleep', '100'], timeoutMs: 100_000 }),
    'a large file': () =>
      rawRequest('GET', `/api/sandboxes/${id}/files?path=large`, [HOST, bearer]),
    'uploads that stand still': (number) =>
      rawRequest('PUT', `/api/sandboxes/${id}/files?path=${number}`, [
        HOST,
        bearer,
        ['content-type', 'application/octet-stream'],
        ['content-length', '1000'],
      ]),
    'bodies that stand still': () =>
      rawRequest('POST', '/api/policies/validate', [
        HOST,
        bearer,
        ['content-type', 'application/json'],
        ['content-length', '1000'],
      ]),
    WebSockets: () =>
      rawRequest('GET', `/api/sandboxes/${id}/spawn`, [
        HOST,
        bearer,
        ['connection', 'upgrade'],
        ['upgrade', 'websocket'],
        ['sec-websocket-version', '13'],
        ['sec-websocket-key', randomBytes(16).toString('base64')],
      ]),
  };

  /** On a connection of its own. */
  const neighbourIsAnswered = async (): Promise<void> => {
    const connection = await RawConnection.open(service.address);
    const asks = [HOST, ['authorization', `Bearer ${neighbour}`]] as const;
    connection.send(rawRequest('GET', '/api/policies', asks));
    assert.equal((await connection.answer())?.status, 200);
    connection.destroy();
  };

  for (const [what, ask] of Object.entries(ways)) {
    test(`${what}: so many at once, and its neighbour is answered`, async () => {
      await othersAreGone();
      const before = descriptors();
      const all: Unread[] = [];
      for (let number = 0; number < 2 * CONNECTIONS; number++) {
        all.push(await Unread.open(service.address, ask(number)));
      }
      await neighbourIsAnswered();
      const more = descriptors() - before;
      // Both ends are here. Of what was refused, connections stay as long as nobody needs their room.
      assert.ok(more <= 2 * CONNECTIONS + 2 * all.length, `${more} descriptors more`);
      const answers = await Promise.all(all.map((each) => each.begun(2000)));
      const refused = answers.filter((text) => text.includes('RATE_LIMITED'));
      assert.ok(refused.length >= CONNECTIONS - SHARE, `${refused.length} were refused`);
      for (const text of refused) assert.match(text, /^HTTP\/1\.1 429 .*limits\.maxRequests/s);
      await neighbourIsAnswered();
      for (const each of all) each.socket.destroy();
      await othersAreGone();
      const again = await Unread.open(service.address, ask(0));
      assert.doesNotMatch(await again.begun(300), /RATE_LIMITED/, 'it has its share again');
      again.socket.destroy();
    });
  }

  test('connections on which nothing is asked, or nothing more: the longest silent one goes', async () => {
    await othersAreGone();
    const busy = await RawConnection.open(service.address);
    // Until it has been read, nothing is asked on it.
    const isRead = once(service.serving.app.server, 'request');
    busy.send(json(`/api/sandboxes/${id}/exec`, { argv: ['sh', '-c', 'sleep 2; echo done'] }));
    await isRead;
    const silent = await Promise.all(
      Array.from({ length: 2 * CONNECTIONS }, () => RawConnection.open(service.address)),
    );
    await neighbourIsAnswered();
    const asked = await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        const connection = await RawConnection.open(service.address);
        connection.send(rawRequest('GET', '/healthz', [HOST]));
        assert.equal((await connection.answer())?.status, 200);
        return connection;
      }),
    );
    await neighbourIsAnswered();
    const answer = await busy.answer();
    assert.match(String(answer?.body), /done/, 'what was being answered stayed');
    for (const connection of [...silent, ...asked, busy]) connection.destroy();
  });

  const othersAreGone = async (): Promise<void> => {
    for (let i = 0; i < 400; i++) {
      const open = await new Promise<number>((resolve) =>
        service.serving.app.server.getConnections((_, number) => resolve(number)),
      );
      if (open <= OWN) return;
      await sleep(50);
    }
    assert.fail('connections are left');
  };
});

test('with TLS: silent connections make room, and not the one that is asked of', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-connections-'));
  const tls = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
  const subject = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-subj',
    '/CN=localhost',
  ];
  execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', ...subject, '-keyout', tls.keyFile, '-out', tls.certFile],
    { stdio: 'ignore' },
  );
  try {
    await using service = await served({ listen: { tls }, limits: { maxConnections: 6 } });
    const { port } = new URL(service.address);
    const authorization = `Bearer ${await service.key('developer')}`;
    const ask = (method: string, path: string, body?: unknown): Promise<string> =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        };
        const options = { port, method, path, headers, rejectUnauthorized: false, agent: false };
        const sent = request(options, async (answer) => {
          answer.on('error', reject);
          resolve((await answer.toArray()).join(''));
        });
        sent.once('error', reject);
        sent.end(body === undefined ? undefined : JSON.stringify(body));
      });
    const isRead = once(service.serving.app.server, 'request');
    const busy = ask('POST', '/api/runs', {
      argv: ['sh', '-c', 'sleep 1; echo done'],
      policy: 'strict',
    });
    await isRead;
    const silent = Array.from({ length: 20 }, () => connect(Number(port), '127.0.0.1'));
    for (const socket of silent) socket.on('error', () => {});
    await sleep(200);
    assert.match(await ask('GET', '/healthz'), /ok/);
    assert.match(await busy, /done/);
    for (const socket of silent) socket.destroy();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('half of the descriptors are for connections, at most', () => {
  assert.equal(connectionsWithin(4096, 65_536), 4096);
  assert.equal(connectionsWithin(4096, 1024), 512);
  assert.equal(connectionsWithin(4096, 1), 1);
  assert.equal(connectionsWithin(10, 1024), 10);
  const asTold = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  assert.equal(String(descriptorsAllowed()), asTold);
});

/** A client that has asked, and reads nothing until it is told to. */
class Unread {
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(address: string, bytes: string): Promise<Unread> {
    const { hostname, port } = new URL(address);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.pause();
    socket.write(bytes, 'latin1');
    // In the order in which they are asked for.
    await sleep(5);
    return new Unread(socket);
  }

  /** What comes first, or nothing. */
  async begun(patienceMs: number): Promise<string> {
    const first = new Promise<string>((resolve) => {
      this.socket.once('data', (chunk) => {
        this.socket.pause();
        resolve(String(chunk));
      });
      this.socket.once('close', () => resolve(''));
    });
    this.socket.resume();
    const late = new AbortController();
    const text = await Promise.race([
      first,
      sleep(patienceMs, '', { signal: late.signal }).catch(() => ''),
    ]);
    late.abort();
    return text;
  }
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;
