/** Whoever answers at the address need not be a service of Caisson: nothing it does hangs, crashes or misleads the client. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Header, pack } from 'tar-stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { RemoteCaisson } from '../../src/client/index.ts';
import { errorCodes } from '../../src/index.ts';
import { until } from '../until.ts';

const KEY = 'csn_this-is-secret';
const scratch = mkdtempSync(join(tmpdir(), 'caisson-strangers-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Stranger extends AsyncDisposable {
  readonly server: Server;
  readonly address: string;
  readonly caisson: RemoteCaisson;
  readonly heard: IncomingMessage[];
  readonly sockets: Set<Socket>;
}

/** Answers the first question as a service does, and then as it is told. */
async function stranger(
  answer: (request: IncomingMessage, response: ServerResponse, path: string) => void,
  options: { silenceMs?: number; answerBytes?: number } = {},
  onSocket?: (socket: WebSocket, path: string) => void,
): Promise<Stranger> {
  const heard: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const listener: RequestListener = (request, response) => {
    const path = request.url ?? '';
    if (path === '/healthz') return void json(response, 200, { status: 'ok' });
    heard.push(request);
    request.resume();
    answer(request, response, path);
  };
  const server = createServer(listener);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  if (onSocket !== undefined) {
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, request) => {
      heard.push(request);
      socket.on('error', () => {});
      onSocket(socket, request.url ?? '');
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const caisson = await RemoteCaisson.open({ url: address, apiKey: KEY, ...options });
  return {
    server,
    address,
    caisson,
    heard,
    sockets,
    [Symbol.asyncDispose]: async () => {
      await caisson.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

const FAILED = { code: 'REMOTE_FAILED' };
const sandbox = {
  id: '0198-a',
  kind: 'sandbox',
  state: 'Running',
  waiting: false,
  tenant: 'acme',
  labels: {},
  priority: 0,
  policyDigest: 'x',
  createdMs: 1,
  ageMs: 1,
  cwd: '/root',
};
/** Answers like one sandbox, whose other routes are as they are told. */
const withSandbox =
  (answer: (request: IncomingMessage, response: ServerResponse, path: string) => void) =>
  (request: IncomingMessage, response: ServerResponse, path: string): void => {
    if (path === '/api/sandboxes' && request.method === 'POST') json(response, 201, sandbox);
    else answer(request, response, path);
  };

describe('answers that are no answers', () => {
  const cases: Record<string, (response: ServerResponse) => void> = {
    'a page of HTML': (response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome</html>'),
    'a page of HTML that is an error': (response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>'),
    nothing: (response) => response.writeHead(200).end(),
    'no content': (response) => response.writeHead(204).end(),
    'a document of something else': (response) => json(response, 200, { hello: 'world' }),
    'a list': (response) => json(response, 200, []),
    null: (response) => json(response, 200, null),
    'half a document': (response) => response.writeHead(200).end('{"kind": "exi'),
    'less than it said': (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"kind"');
      setTimeout(() => response.socket?.destroy(), 20);
    },
    'a chunk, and then no more': (response) => {
      response.write('{');
      setTimeout(() => response.socket?.destroy(), 20);
    },
    'no answer at all': (response) => response.socket?.destroy(),
    'a status of its own': (response) => json(response, 299, {}),
    'a problem without a code': (response) => json(response, 400, { detail: 'no' }),
    'a code that nobody knows': (response) =>
      json(response, 400, { code: 'FROM_THE_FUTURE', detail: 'later' }),
    'a late problem of nothing': (response) => json(response, 200, { problem: 1 }),
    'a prototype': (response) => response.writeHead(200).end('{"__proto__": {"code": 0}}'),
    'a long line of headers': (response) => {
      response.writeHead(200, { 'x-much': 'y'.repeat(64 * 1024) });
      response.end('{}');
    },
  };
  for (const [name, answer] of Object.entries(cases)) {
    test(name, async () => {
      await using other = await stranger((_, response) => answer(response));
      await assert.rejects(other.caisson.run(['true']), FAILED);
      assert.equal(other.heard.length, 1, 'a run is not sent twice');
      assert.equal(({} as { code?: unknown }).code, undefined);
    });
  }

  test('one that nobody knows is shown', async () => {
    await using other = await stranger((_, response) =>
      json(response, 400, { code: 'FROM_THE_FUTURE', detail: 'later' }),
    );
    await assert.rejects(other.caisson.run(['true']), /FROM_THE_FUTURE: later/);
  });

  test('every code that is known comes back as it was', async () => {
    await using other = await stranger((request, response) => {
      const code = decodeURIComponent(request.url ?? '')
        .split('/')
        .at(-1) as 'INTERNAL';
      const { status } = errorCodes[code];
      json(response, status, { type: 'x', title: 'x', status, detail: 'd', code, layer: 'core' });
    });
    for (const code of Object.keys(errorCodes)) {
      await assert.rejects(other.caisson.sandboxes.inspect(code), { code, message: 'd' });
    }
  });

  test('a body without end is not taken', async () => {
    await using other = await stranger(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = (): void => {
          while (!response.destroyed && response.write(' '.repeat(65_536)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      },
      { answerBytes: 2 ** 20 },
    );
    await assert.rejects(other.caisson.run(['true']), /more than 1048576 bytes/);
    await assert.rejects(other.caisson.sandboxes.list(), /more than 1048576 bytes/);
    await quiet(other);
  });

  test('an error without end is not taken either', async () => {
    await using other = await stranger((_, response) => {
      response.writeHead(500);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    await assert.rejects(other.caisson.run(['true']), FAILED);
    await quiet(other);
  });

  test('pages that lead to themselves end', async () => {
    let asked = 0;
    await using other = await stranger((_, response) => {
      asked += 1;
      json(response, 200, { items: [sandbox], next: 'again' });
    });
    await other.caisson.sandboxes.list();
    assert.ok(asked <= 2);
  });
});

describe('credentials go to one address alone', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`${status} is not followed`, async () => {
      const other: IncomingMessage[] = [];
      const elsewhere = createServer((request, response) => {
        other.push(request);
        json(response, 200, {});
      });
      await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
      const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
      await using first = await stranger((_, response) =>
        response.writeHead(status, { location }).end(),
      );
      await assert.rejects(first.caisson.run(['true']), FAILED);
      await assert.rejects(first.caisson.sandboxes.list(), /elsewhere/);
      await assert.rejects(first.caisson.spawn(['true']), FAILED);
      assert.equal(other.length, 0);
      elsewhere.close();
    });
  }

  test('the key stands in no message', async () => {
    await using other = await stranger((_, response) => response.socket?.destroy());
    const error = await other.caisson.run(['true']).then(
      () => assert.fail('it ran'),
      (thrown: unknown) => thrown,
    );
    assert.doesNotMatch(JSON.stringify(error) + String((error as Error).stack), /secret/);
    const bad = await RemoteCaisson.open({ url: other.address, apiKey: `${KEY}\n` }).catch(
      (thrown: unknown) => thrown,
    );
    assert.doesNotMatch(String((bad as Error).stack), /secret/);
    assert.equal((bad as { code?: string }).code, 'REQUEST_INVALID');
    await assert.rejects(RemoteCaisson.open({ url: 'http://me:word@127.0.0.1:1' }), {
      code: 'REQUEST_INVALID',
    });
  });

  test('an id leads to no other path', async () => {
    await using other = await stranger((_, response) => json(response, 404, {}));
    for (const id of ['..', '.', '']) {
      await assert.rejects(other.caisson.sandboxes.kill(id), { code: 'REQUEST_INVALID' });
    }
    await assert.rejects(other.caisson.sandboxes.kill('../runs?x#y'), FAILED);
    assert.equal(other.heard[0]?.url, '/api/sandboxes/..%2Fruns%3Fx%23y');
  });

  test('an address that is none is refused before it is asked', async () => {
    for (const options of [
      { url: 'ftp://127.0.0.1' },
      { url: 'nowhere' },
      {},
      { url: 'http://127.0.0.1:1', socketPath: '/x' },
    ]) {
      await assert.rejects(RemoteCaisson.open(options), { code: 'REQUEST_INVALID' });
    }
    await assert.rejects(RemoteCaisson.open({ url: 'http://127.0.0.1:1' }), FAILED);
    await assert.rejects(RemoteCaisson.open({ socketPath: join(scratch, 'no.sock') }), FAILED);
  });
});

test('a trace goes along with whatever belongs to it', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const trace = { traceparent, tracestate: 'a=b' };
  await using other = await stranger(
    withSandbox((_, response) => json(response, 400, {})),
    {},
  );
  const box = await other.caisson.create({ trace });
  await assert.rejects(other.caisson.run(['true'], { trace }), FAILED);
  await assert.rejects(box.exec(['true'], { trace }), FAILED);
  await assert.rejects(other.caisson.evaluate('javascript', '', { trace }), FAILED);
  await assert.rejects(other.caisson.spawn(['true'], { trace }), FAILED);
  await assert.rejects(box.spawn(['true'], { trace }).outcome, FAILED);
  const told = other.heard.map(({ headers }) => [headers.traceparent, headers.tracestate]);
  assert.deepEqual(told, Array(6).fill([traceparent, 'a=b']));
});

describe('silence', () => {
  test('is given up', async () => {
    await using other = await stranger(() => {}, { silenceMs: 200 });
    await assert.rejects(other.caisson.run(['true']), /said nothing for 200 ms/);
    await assert.rejects(other.caisson.sandboxes.list(), /said nothing/);
    await quiet(other);
  });

  test('in the middle of an answer is too; white space is no silence', async () => {
    await using other = await stranger(
      (_, response, path) => {
        response.writeHead(200);
        response.write(' ');
        if (path.startsWith('/api/statistics')) return;
        let left = 8;
        const timer = setInterval(() => {
          left -= 1;
          if (left > 0) response.write(' ');
          else {
            clearInterval(timer);
            response.end(JSON.stringify({ items: [] }));
          }
        }, 300);
      },
      // Far more than one pause, and less than all of them.
      { silenceMs: 1500 },
    );
    assert.deepEqual(await other.caisson.sandboxes.list(), []);
    await assert.rejects(other.caisson.statistics.pool(), FAILED);
    await quiet(other);
  });

  test('of a WebSocket is given up', async () => {
    await using mute = await stranger(
      () => {},
      { silenceMs: 200 },
      () => {},
    );
    await assert.rejects(mute.caisson.spawn(['true']), /said nothing for 200 ms/);
    await quiet(mute);
  });

  test('of a reader is not that of the service', async () => {
    const bytes = Buffer.alloc(8 * 2 ** 20, 'x');
    await using other = await stranger(
      withSandbox((_, response) =>
        response.writeHead(200, { 'content-length': bytes.length }).end(bytes),
      ),
      { silenceMs: 1500 },
    );
    const { files } = await other.caisson.create();
    let size = 0;
    for await (const piece of files.readStream('x')) {
      if (size === 0) await sleep(3000);
      size += piece.length;
    }
    assert.equal(size, bytes.length);
  });

  test('of a writer is not that of the service', async () => {
    await using other = await stranger(
      withSandbox((request, response) => {
        let size = 0;
        request.on('data', (part: Buffer) => {
          size += part.length;
        });
        request.on('end', () => json(response, 200, { size, etag: '"x"' }));
      }),
      { silenceMs: 1500 },
    );
    const { files } = await other.caisson.create();
    const slow = async function* () {
      yield Buffer.from('a');
      await sleep(3000);
      yield Buffer.from('b');
    };
    assert.equal(await files.writeStream('x', slow()), 2);
  });
});

describe('connections that end between requests', () => {
  test('whoever reads is answered all the same, whoever runs something is told', async () => {
    let isClosing = false;
    await using other = await stranger((request, response) => {
      if (isClosing && request.headers.connection !== 'close') {
        // It was idle, and the service closes it when the next request is on its way.
        request.socket.resetAndDestroy();
        return;
      }
      json(response, 200, { items: [] });
    });
    await other.caisson.sandboxes.list();
    isClosing = true;
    assert.deepEqual(await other.caisson.sandboxes.list(), []);
    isClosing = false;
    await other.caisson.sandboxes.list();
    isClosing = true;
    const before = other.heard.length;
    await assert.rejects(other.caisson.run(['true']), FAILED);
    assert.equal(other.heard.length, before + 1, 'what may have been done is not done again');
    isClosing = false;
    await other.caisson.sandboxes.list();
    isClosing = true;
    const again = other.heard.length;
    await assert.rejects(other.caisson.run(['true'], { idempotencyKey: 'one' }), FAILED);
    const keys = other.heard.slice(again).map(({ headers }) => headers['idempotency-key']);
    assert.deepEqual(keys, ['one', 'one']);
  });
});

describe('streams', () => {
  const bad: Record<string, (socket: WebSocket) => void> = {
    'no JSON': (socket) => socket.send('{'),
    'an outcome of nothing': (socket) => socket.send('{"type":"outcome"}'),
    'a problem of nothing': (socket) => socket.send('{"type":"problem"}'),
    'an end without an outcome': (socket) => socket.close(),
    'an end without a word': (socket) => socket.terminate(),
    'a message that is too large': (socket) => socket.send(Buffer.alloc(40 * 2 ** 20)),
  };
  for (const [name, say] of Object.entries(bad)) {
    test(`${name} ends a process`, async () => {
      await using other = await stranger(
        withSandbox(() => {}),
        {},
        (socket) => say(socket),
      );
      const box = await other.caisson.create();
      const guest = box.spawn(['true']);
      await assert.rejects(guest.outcome, FAILED);
      assert.equal((await Array.fromAsync(guest.stdout)).length, 0);
      await new Promise<void>((resolve) => guest.stdin.write('x', () => resolve()));
      await quiet(other);
    });
  }

  test('events and channels that nobody knows are passed over', async () => {
    const outcome = {
      kind: 'exited',
      code: 0,
      ...Object.fromEntries(
        ['stdout', 'stderr'].map((each) => [each, { text: '', totalBytes: 0, truncated: false }]),
      ),
      limitsHit: [],
      violations: [],
      usage: {
        wallMs: 1,
        cpuUserMs: 1,
        cpuSystemMs: 1,
        memoryPeakBytes: 1,
        memoryPeakSource: 'cgroup',
      },
      timing: { launchMs: 1, runMs: 1, teardownMs: 1 },
      ...{ wall: 'process', wallReason: '', policyDigest: '', auditId: '' },
      ...{ accepted: [], leftBehind: 0 },
    };
    await using other = await stranger(
      withSandbox(() => {}),
      {},
      (socket) => {
        for (const odd of ['null', '1', '[]', '{"type":"weather"}', '{"type":"__proto__"}']) {
          socket.send(odd);
        }
        socket.send(Buffer.of());
        socket.send(Buffer.of(77, 1, 2));
        socket.send(Buffer.from('\u0001out'));
        socket.send(Buffer.from('\u0002err'));
        socket.send(JSON.stringify({ type: 'outcome', outcome }));
      },
    );
    const box = await other.caisson.create();
    const guest = box.spawn(['true']);
    const [out, err] = await Promise.all([
      Array.fromAsync(guest.stdout as AsyncIterable<Buffer>),
      Array.fromAsync(guest.stderr as AsyncIterable<Buffer>),
    ]);
    assert.deepEqual([String(out), String(err)], ['out', 'err']);
    assert.equal((await guest.outcome).code, 0);
  });

  test('no events where events were promised', async () => {
    await using other = await stranger(
      withSandbox((_, response, path) => {
        if (path.includes('watch')) json(response, 200, {});
        else {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write('event: record\ndata: {not json}\n\n');
        }
      }),
    );
    const { files } = await other.caisson.create();
    const first = async (from: AsyncIterable<unknown>) => {
      for await (const each of from) return each;
      return undefined;
    };
    await assert.rejects(first(files.watch()), FAILED);
    await assert.rejects(first(other.caisson.audit.query({ events: ['a,b'] })), {
      code: 'REQUEST_INVALID',
    });
    await quiet(other);
  });

  test('an event without end is not taken', async () => {
    await using other = await stranger(
      withSandbox((_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('event: change\ndata: ');
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      }),
    );
    const { files } = await other.caisson.create();
    await assert.rejects(Array.fromAsync(files.watch()), /more than \d+ bytes/);
    await quiet(other);
  });
});

describe('archives that lead elsewhere', () => {
  type Entry = Partial<Header> & { name: string; content?: string };
  const evil: Record<string, Entry[]> = {
    'a name with ..': [{ name: '../evil', content: 'x' }],
    'a deep one': [
      { name: 'a/', type: 'directory' },
      { name: 'a/../../evil', content: 'x' },
    ],
    'an absolute name': [{ name: `${scratch}/evil`, content: 'x' }],
    'a file behind a link': [
      { name: 'link', type: 'symlink', linkname: scratch },
      { name: 'link/evil', content: 'x' },
    ],
    'a directory behind a link': [
      { name: 'link', type: 'symlink', linkname: scratch },
      { name: 'link/evil', type: 'directory' },
    ],
    'a link behind a link': [
      { name: 'link', type: 'symlink', linkname: '..' },
      { name: 'link/evil', type: 'symlink', linkname: '/etc/passwd' },
    ],
    'a file over a link': [
      { name: 'evil', type: 'symlink', linkname: `${scratch}/evil` },
      { name: 'evil', content: 'x' },
    ],
    'a link over a directory': [
      { name: 'd', type: 'directory' },
      { name: 'd', type: 'symlink', linkname: scratch },
      { name: 'd/evil', content: 'x' },
    ],
    'a hard link': [{ name: 'evil', type: 'link', linkname: '/etc/passwd' }],
    'a device': [{ name: 'evil', type: 'character-device' }],
    'a FIFO': [{ name: 'evil', type: 'fifo' }],
    'a name that is a dot': [{ name: '.', content: 'x' }],
    'a file below a file': [
      { name: 'a', content: 'x' },
      { name: 'a/evil', content: 'x' },
    ],
  };
  let count = 0;
  for (const [name, entries] of Object.entries(evil)) {
    test(name, async () => {
      await using other = await stranger(
        withSandbox((_, response, path) => {
          const info = { type: 'directory', mode: '4777', size: 1, modifiedMs: 1 };
          if (path.includes('/stat')) return json(response, 200, info);
          const archive = pack();
          archive.on('error', () => {});
          response.writeHead(200, { 'content-type': 'application/x-tar' });
          archive.pipe(response);
          for (const { content, ...header } of entries) {
            if (content === undefined) archive.entry(header);
            else archive.entry({ ...header, mode: 0o6777 }, content);
          }
          archive.finalize();
        }),
      );
      const { files } = await other.caisson.create();
      const to = join(scratch, 'to', String(++count));
      mkdirSync(join(scratch, 'to'), { recursive: true });
      await assert.rejects(files.download('x', to), (error: { code?: string }) =>
        ['PATH_ESCAPES', 'REMOTE_FAILED'].includes(error.code ?? ''),
      );
      assert.equal(existsSync(join(scratch, 'evil')), false);
      assert.equal(existsSync(join(scratch, 'to', 'evil')), false);
      assert.deepEqual(readdirSync(scratch), ['to']);
      await quiet(other);
    });
  }

  test('half an archive is told of', async () => {
    await using other = await stranger(
      withSandbox((_, response, path) => {
        const info = { type: 'directory', mode: '755', size: 1, modifiedMs: 1 };
        if (path.includes('/stat')) return json(response, 200, info);
        const archive = pack();
        archive.on('error', () => {});
        const entry = archive.entry({ name: 'a', size: 1000 });
        entry.on('error', () => {});
        entry.write('x');
        response.writeHead(200);
        archive.pipe(response);
        setTimeout(() => response.socket?.destroy(), 50);
      }),
    );
    const { files } = await other.caisson.create();
    await assert.rejects(files.download('x', join(scratch, 'half')), FAILED);
  });
});

/** No connection of the client's is at anything. */
async function quiet({ sockets, server }: Stranger): Promise<void> {
  server.closeIdleConnections();
  await until('no connection is left', () => sockets.size === 0);
}
