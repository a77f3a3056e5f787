/** Clients that would keep a service from its end: it is asked to stop while they hold on to what they have. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../until.ts';
import { GuestSocket } from '../guest-socket.ts';
import { RawConnection, rawRequest } from '../raw-http.ts';
import { type Served, served } from '../served.ts';

/** A service that is not at its end by then waits for whoever holds on. */
const HUNG_MS = 20_000;
const PRIVATE = { policy: 'moderate', workspace: 'private' } as const;

interface Held {
  readonly service: Served;
  readonly key: string;
  readonly sandbox: string;
  /** Let go of when it is over, whatever came of it. */
  readonly holders: { destroy(): void }[];
}

const HEADERS = (key: string) =>
  [
    ['host', 'localhost'],
    ['authorization', `Bearer ${key}`],
  ] as const;

async function raw({ service, holders }: Held): Promise<RawConnection> {
  const connection = await RawConnection.open(service.address);
  holders.push(connection);
  return connection;
}

/** @returns one that is not read from: what it is sent stays on its way */
async function unread({ service, key, holders }: Held, path: string): Promise<GuestSocket> {
  const guest = await GuestSocket.open(service.address, path, key);
  (guest.socket as unknown as { _socket: Socket })._socket.pause();
  holders.push({ destroy: () => guest.socket.terminate() });
  return guest;
}

const spawning =
  (argv: readonly string[], more: object = {}) =>
  async (held: Held): Promise<void> => {
    const guest = await unread(held, `/api/sandboxes/${held.sandbox}/spawn`);
    guest.say({ argv, ...more });
    await sleep(700);
  };

const posting =
  (path: (held: Held) => string, body: unknown) =>
  async (held: Held): Promise<void> => {
    const connection = await raw(held);
    connection.socket.pause();
    const text = JSON.stringify(body);
    connection.send(
      rawRequest(
        'POST',
        path(held),
        [
          ...HEADERS(held.key),
          ['content-type', 'application/json'],
          ['content-length', String(text.length)],
        ],
        text,
      ),
    );
    await sleep(1500);
  };

const WRITES = ['sh', '-c', 'yes'] as const;
const ends: Readonly<Record<string, (held: Held) => Promise<void>>> = {
  'a WebSocket that takes none of what a command writes': spawning(WRITES),
  'one of a command that has written and ended': spawning([
    'sh',
    '-c',
    'head -c 3000000 /dev/zero',
  ]),
  'one with a terminal': spawning(WRITES, { pty: { rows: 24, columns: 80 } }),
  'one whose command stays': spawning(WRITES, { detach: true }),
  'one of a run of its own': async (held) => {
    const guest = await unread(held, '/api/runs/spawn');
    guest.say({ argv: WRITES, ...PRIVATE });
    await sleep(1500);
  },
  'an event stream that is not read': posting(({ sandbox }) => `/api/sandboxes/${sandbox}/stream`, {
    argv: WRITES,
  }),
  'an event stream of a run': posting(() => '/api/runs/stream', { argv: WRITES, ...PRIVATE }),
  'a command that nobody waits for': posting(({ sandbox }) => `/api/sandboxes/${sandbox}/exec`, {
    argv: ['sleep', '600'],
  }),
  'a WebSocket before its start document': async (held) => {
    await unread(held, `/api/sandboxes/${held.sandbox}/spawn`);
  },
  'an upload that stands still': async (held) => {
    const connection = await raw(held);
    connection.send(
      rawRequest('PUT', `/api/sandboxes/${held.sandbox}/files?path=half`, [
        ...HEADERS(held.key),
        ['content-type', 'application/octet-stream'],
        ['content-length', '1000000'],
      ]),
    );
    connection.send('half');
    await sleep(300);
  },
  'half a request': async (held) => {
    (await raw(held)).send('GET /healthz HTTP/1.1\r\nhost: loc');
  },
};

/** One answer after the other is asked for, and not waited for. */
const asking = (
  { service, key }: Held,
  ...requests: readonly (readonly [method: string, path: string, body?: unknown])[]
): void => {
  for (const [method, path, body] of requests)
    service.ask(method, path, { key, ...(body === undefined ? {} : { body }) }).catch(() => {});
};

const getting =
  (path: (held: Held) => string, prepare: readonly string[] = ['true']) =>
  async (held: Held): Promise<void> => {
    const { service, key, sandbox } = held;
    const body = { argv: prepare };
    await service.ask('POST', `/api/sandboxes/${sandbox}/exec`, { key, body });
    const connection = await raw(held);
    connection.socket.pause();
    connection.send(rawRequest('GET', path(held), HEADERS(key)));
    await sleep(700);
  };

const LARGE = ['sh', '-c', 'head -c 60000000 /dev/zero > large'] as const;
const OVERLAY = {
  version: 1,
  level: 'strict',
  filesystem: { workspace: 'overlay', write: ['.'] },
  limits: { memory: '512MiB' },
} as const;
const more: typeof ends = {
  'a download that is not read': getting(
    ({ sandbox }) => `/api/sandboxes/${sandbox}/files?path=large`,
    LARGE,
  ),
  'a tree that is not read': getting(
    ({ sandbox }) => `/api/sandboxes/${sandbox}/tree?path=.`,
    LARGE,
  ),
  'an event stream of files that is not read': getting(
    ({ sandbox }) => `/api/sandboxes/${sandbox}/files/watch?path=.`,
  ),
  'programs that are evaluated without end': async (held) => {
    const loop = (source: string) =>
      ['POST', '/api/evaluations', { language: 'javascript', source, args: [] }] as const;
    asking(
      held,
      loop('export default () => { for (;;); }'),
      loop('export default () => new Promise(() => {})'),
      loop('export default () => 1'),
    );
    await sleep(300);
  },
  'paused sandboxes, and what is asked of them': async (held) => {
    const { service, key, sandbox } = held;
    const guest = await unread(held, `/api/sandboxes/${sandbox}/spawn`);
    guest.say({ argv: WRITES });
    await sleep(500);
    const { status } = await service.ask('POST', `/api/sandboxes/${sandbox}/pause`, { key });
    assert.ok([200, 204, 400].includes(status), `${status}`);
    asking(
      held,
      ['POST', `/api/sandboxes/${sandbox}/exec`, { argv: ['true'] }],
      ['GET', `/api/sandboxes/${sandbox}/files/list?path=.`],
      ['POST', `/api/sandboxes/${sandbox}/shells`],
    );
    await sleep(200);
  },
  'forks and snapshots that are under way': async (held) => {
    const { service, key } = held;
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: OVERLAY, workspace: 'private' },
    });
    assert.equal(made.status, 201, made.text);
    const at = `/api/sandboxes/${(made.body as { id: string }).id}`;
    await service.ask('POST', `${at}/exec`, { key, body: { argv: LARGE } });
    asking(
      held,
      ['POST', `${at}/snapshots`],
      ['POST', `${at}/fork`],
      ['POST', `${at}/pause`],
      ['POST', `${at}/fork`],
      ['POST', `${at}/snapshots`],
      ['GET', `${at}/changes`],
    );
    await sleep(30);
  },
  'commands of shells': async (held) => {
    const { service, key, sandbox } = held;
    const { body } = await service.ask('POST', `/api/sandboxes/${sandbox}/shells`, { key });
    const { id } = body as { id: string };
    for (const command of ['yes', 'sleep 600', 'true'])
      asking(held, ['POST', `/api/sandboxes/${sandbox}/shells/${id}`, { command }]);
    await sleep(500);
  },
  'requests that wait for room': async (held) => {
    for (let i = 0; i < 12; i++)
      asking(held, ['POST', '/api/runs', { ...PRIVATE, argv: ['sleep', '600'] }]);
    await sleep(500);
  },
};

const connections = ({ serving }: Served): Promise<number> =>
  new Promise((resolve, reject) => {
    serving.app.server.getConnections((error, open) =>
      error === null ? resolve(open) : reject(error),
    );
  });

/** What of a sandbox is on the disk of a service that has ended. */
function left({ state }: Served): string[] {
  return ['overlays', 'networks', 'workspaces'].flatMap((name) => {
    const home = join(state, name);
    if (!existsSync(home)) return [];
    const found = readdirSync(home, { recursive: true, withFileTypes: true });
    return found
      .filter((each) => !each.isDirectory())
      .map((each) => join(each.parentPath, each.name));
  });
}

/** Programs below this process that run what `word` names. */
function running(word: string): string[] {
  const found: string[] = [];
  const below = (pid: string): void => {
    for (const task of childrenOf(pid)) {
      if (commandOf(task).includes(word)) found.push(`${task} ${commandOf(task)}`);
      below(task);
    }
  };
  below(String(process.pid));
  return found;
}

function childrenOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  } catch {
    return [];
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

async function begin(): Promise<Held> {
  const service = await served({ manager: { pool: { concurrency: 6 } } });
  const key = await service.key('developer');
  const { status, text, body } = await service.ask('POST', '/api/sandboxes', {
    key,
    body: PRIVATE,
  });
  assert.equal(status, 201, text);
  return { service, key, sandbox: (body as { id: string }).id, holders: [] };
}

async function within(what: Promise<unknown>): Promise<'ended' | 'hung'> {
  const late = new AbortController();
  try {
    return await Promise.race([
      what.then(() => 'ended' as const),
      sleep(HUNG_MS, 'hung' as const, { signal: late.signal }),
    ]);
  } finally {
    late.abort();
  }
}

describe('a service that is asked to stop', () => {
  for (const [name, hold] of Object.entries({ ...ends, ...more })) {
    test(`${name} keeps it from nothing`, async () => {
      const held = await begin();
      try {
        await hold(held);
        assert.equal(await within(held.service.serving.stop(100)), 'ended');
        assert.equal(await connections(held.service), 0);
        assert.deepEqual(running('yes'), []);
        assert.deepEqual(left(held.service), []);
      } finally {
        for (const each of held.holders) each.destroy();
        await held.service[Symbol.asyncDispose]();
      }
    });
  }

  test('connections on which TLS never begins keep it from nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-stopping-'));
    const at = (name: string): string => join(directory, name);
    const made = { certFile: at('cert.pem'), keyFile: at('key.pem') };
    const subject = [
      '-subj',
      '/CN=localhost',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
    ];
    execFileSync(
      'openssl',
      ['req', '-x509', '-nodes', ...subject, '-keyout', made.keyFile, '-out', made.certFile],
      { stdio: 'ignore' },
    );
    const service = await served({ listen: { tls: made } });
    const { port } = new URL(service.address);
    const silent = await Promise.all(
      ['', '\x16\x03\x01'].map(async (begun) => {
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        socket.write(begun, 'latin1');
        return socket;
      }),
    );
    try {
      await until('all are connected', async () => (await connections(service)) >= silent.length);
      assert.equal(await within(service.serving.stop(0)), 'ended');
      assert.equal(await connections(service), 0);
    } finally {
      for (const socket of silent) socket.destroy();
      await service[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('a sandbox that is ended', () => {
  const readers: Readonly<Record<string, (held: Held) => Promise<void>>> = {
    'a WebSocket': spawning(WRITES),
    'an event stream': posting(({ sandbox }) => `/api/sandboxes/${sandbox}/stream`, {
      argv: WRITES,
    }),
  };
  for (const [name, hold] of Object.entries(readers)) {
    test(`is gone, also where ${name} takes nothing of what it wrote`, async () => {
      const held = await begin();
      try {
        await hold(held);
        const { service, key, sandbox } = held;
        assert.equal(
          await within(service.ask('DELETE', `/api/sandboxes/${sandbox}`, { key })),
          'ended',
        );
        const { body } = await service.ask('GET', `/api/sandboxes/${sandbox}`, { key });
        assert.equal((body as { state: string }).state, 'Killed');
        assert.equal(service.serving.service.manager.load().running, 0);
      } finally {
        for (const each of held.holders) each.destroy();
        await held.service[Symbol.asyncDispose]();
      }
    });
  }
});

describe('what a service ends that stops', () => {
  const asks: Readonly<Record<string, (held: Held) => Promise<string>>> = {
    'a run': async ({ service, key }) =>
      (
        await service.ask('POST', '/api/runs', {
          key,
          body: { policy: 'strict', argv: ['sleep', '600'] },
        })
      ).text,
    'a run as events': async ({ service, key }) =>
      (
        await service.ask('POST', '/api/runs/stream', {
          key,
          body: { policy: 'strict', argv: ['sleep', '600'] },
        })
      ).text,
    'a run over a WebSocket': async ({ service, key }) => {
      const guest = await GuestSocket.open(service.address, '/api/runs/spawn', key);
      guest.say({ policy: 'strict', argv: ['sleep', '600'] });
      return JSON.stringify(await guest.event('problem'));
    },
    'a program that is evaluated': async ({ service, key }) =>
      (
        await service.ask('POST', '/api/evaluations', {
          key,
          body: { language: 'javascript', source: 'export default () => { for (;;); }' },
        })
      ).text,
  };
  for (const [name, ask] of Object.entries(asks)) {
    test(`${name}: whoever asked for it is told that the service stopped`, async () => {
      const held = await begin();
      try {
        const answer = ask(held);
        answer.catch(() => {});
        await sleep(1000);
        assert.equal(await within(held.service.serving.stop(100)), 'ended');
        const text = await answer;
        assert.match(text, /"code":"ABORTED"/);
        assert.match(text, /"detail":"[^"]*: the service stopped"/);
        assert.doesNotMatch(text, /caller gave up/);
      } finally {
        await held.service[Symbol.asyncDispose]();
      }
    });
  }

  test('a command of a shell, also where its sandbox alone ends: killed', async () => {
    const held = await begin();
    const { service, key, sandbox } = held;
    try {
      const at = `/api/sandboxes/${sandbox}`;
      const { body } = await service.ask('POST', `${at}/shells`, { key });
      const { id } = body as { id: string };
      const command = service.ask('POST', `${at}/shells/${id}`, {
        key,
        body: { command: 'sleep 600' },
      });
      await sleep(700);
      await service.ask('DELETE', at, { key });
      assert.equal(await within(command), 'ended');
      assert.equal(((await command).body as { kind: string }).kind, 'killed');
    } finally {
      await service[Symbol.asyncDispose]();
    }
  });
});
