/** What a sandbox had open when it was ended, and what is told of ports whose proxy is gone. The servers' side counts. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';
import { skip } from './own-namespace.ts';
import { pythonClient } from './python-client.ts';
import { HOSTS, SmallInternet } from './small-internet.ts';
import { type NetworkDocument, Tenant } from './tenant.ts';

const TIMEOUT = { timeout: 90_000 };

/** Opens what `open` says, says so, and holds on to it. */
const holder = (open: string): string => pythonClient(open, 'time.sleep(600)');

describe('what is open when its sandbox or its proxy ends', { skip }, () => {
  let internet: SmallInternet;
  let service: Served;
  let a: Tenant;
  let b: Tenant;
  before(async () => {
    internet = await SmallInternet.open();
    service = await served();
    a = await Tenant.open(service, 'acme');
    b = await Tenant.open(service, 'globex');
  });
  beforeEach(() => internet.forget());
  after(async () => {
    await service[Symbol.asyncDispose]();
    await internet[Symbol.asyncDispose]();
  });

  const read = { mode: 'filtered', intercept: true };
  const tunnels: readonly (readonly [string, NetworkDocument, string])[] = [
    [
      'raw bytes',
      { mode: 'filtered', allow: ['bank.test:9000'] },
      "s = tcp('bank.test', 9000); s.sendall(b'\\0x'); more(s)",
    ],
    [
      'TLS that nobody opens',
      { mode: 'filtered', allow: ['bank.test:443'] },
      "s = ssl._create_unverified_context().wrap_socket(tcp('bank.test', 443), server_hostname='bank.test'); get(s, 'bank.test', '/')",
    ],
    [
      'a kept connection in clear text',
      { mode: 'filtered', allow: ['bank.test:80'] },
      "s = tcp('bank.test', 80); get(s, 'bank.test', '/')",
    ],
    [
      'an upgrade in clear text',
      { ...read, allow: ['bank.test:80'] },
      "s = tcp('bank.test', 80); get(s, 'bank.test', '/ws', UP)",
    ],
    [
      'an upgrade in TLS that is read',
      { ...read, allow: ['bank.test:443'] },
      "s = tls('bank.test'); get(s, 'bank.test', '/ws', UP)",
    ],
    [
      'a kept connection in TLS that is read',
      { ...read, allow: ['bank.test:443'] },
      "s = tls('bank.test'); get(s, 'bank.test', '/')",
    ],
    [
      'an answer on its way, in TLS that is read',
      { ...read, allow: ['bank.test:443'] },
      "s = tls('bank.test'); get(s, 'bank.test', '/slow')",
    ],
    [
      'an answer on its way, in clear text',
      { mode: 'filtered', allow: ['bank.test:80'] },
      "s = tcp('bank.test', 80); get(s, 'bank.test', '/slow')",
    ],
  ];
  for (const [what, network, open] of tunnels) {
    test(
      `${what}: the server sees its end with that of the sandbox, and the neighbour's goes on`,
      TIMEOUT,
      async () => {
        const id = await a.create(network);
        const other = await b.create({ mode: 'filtered', allow: ['evil.test:9000'] });
        const mine = await a.spawn(id, holder(open));
        const theirs = await b.spawn(
          other,
          holder("s = tcp('evil.test', 9000); s.sendall(b'\\0x'); more(s)"),
        );
        for (const guest of [mine, theirs]) {
          while (!/open/.test(String(guest.stdout)) && guest.stderr.length === 0)
            await internet.moment();
          assert.match(String(guest.stdout), /open/, String(guest.stderr));
        }
        assert.ok(internet.of('bank.test').some(({ isOpen }) => isOpen));
        await a.end(id);
        while (internet.of('bank.test').some(({ isOpen }) => isOpen)) await internet.moment();
        assert.ok(internet.of('evil.test').some(({ isOpen }) => isOpen));
        await b.end(other);
        while (internet.of('evil.test').some(({ isOpen }) => isOpen)) await internet.moment();
      },
    );
  }

  test(
    'a port that A published is not reached from inside by B: by no name, and no address of this machine',
    TIMEOUT,
    async () => {
      const id = await a.create({ mode: 'filtered', allow: [], listen: [8080] });
      const listening = await a.spawn(
        id,
        `
import socket
s = socket.create_server(('127.0.0.1', 8080))
print('open')
while True:
  c, _ = s.accept()
  print('came', c.recv(100)); c.sendall(b'of A'); c.close()`,
      );
      await listening.until('open');
      const made = await a.ask('POST', `/api/sandboxes/${id}/ports`, { guestPort: 8080 });
      const { port } = made.body as { port: number };
      const here = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
      const addresses = [
        '127.0.0.1',
        '127.9.9.9',
        '0.0.0.0',
        HOSTS['evil.test'],
        ...here.filter(({ family }) => family === 'IPv4').map(({ address }) => address),
      ];
      // As a policy may name it: the ceiling, the judge or the plan has to refuse it.
      const policies: readonly NetworkDocument[] = [
        { mode: 'filtered', allow: [`evil.test:${port}`] },
        { mode: 'filtered', allow: [`*.test:${port}`], intercept: true },
        ...addresses.map((address) => ({ mode: 'filtered', allow: [`${address}/32:${port}`] })),
        { mode: 'filtered', allow: [`0.0.0.0/0:${port}`] },
        { mode: 'filtered', allow: [`localhost:${port}`] },
      ];
      const knock = `
import socket
def knock(*where):
  try:
    s = socket.create_connection((where[0], ${port}), 2); s.settimeout(2)
    s.sendall(b'GET /of-B HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n'); print(where, s.recv(100))
  except OSError as e: print(where, e)
for name in ('evil.test', 'localhost', ${addresses.map((each) => `'${each}'`).join(', ')}, '::1', '::ffff:127.0.0.1'): knock(name)`;
      let tried = 0;
      for (const network of policies) {
        const body = { policy: { version: 1, level: 'moderate', network }, workspace: 'private' };
        const { status, body: told } = await b.ask('POST', '/api/sandboxes', body);
        if (status !== 201) continue;
        const other = (told as { id: string }).id;
        for (const points of [['127.0.0.1'], [HOSTS['evil.test'], '127.0.0.1'], ['0.0.0.0']]) {
          internet.world.point('evil.test', points);
          await b.python(other, knock);
          tried++;
        }
        await b.end(other);
      }
      internet.world.point('evil.test', [HOSTS['evil.test']]);
      assert.ok(tried >= 6, `${tried}`);
      assert.doesNotMatch(String(listening.stdout), /of-B/);
      // It is reached where it should be.
      const { createConnection } = await import('node:net');
      const socket = createConnection(port, '127.0.0.1', () => socket.write('of-the-host'));
      await listening.until('of-the-host');
      socket.destroy();
      await a.end(id);
    },
  );

  test('ports whose proxy is gone are not told of, and count no more', TIMEOUT, async () => {
    const id = await a.create({ mode: 'filtered', allow: [], listen: [8080] });
    const publish = () => a.ask('POST', `/api/sandboxes/${id}/ports`, { guestPort: 8080 });
    const list = async () =>
      ((await a.ask('GET', `/api/sandboxes/${id}/ports`)).body as { items: { port: number }[] })
        .items;
    for (let i = 0; i < 64; i++) assert.equal((await publish()).status, 201);
    assert.equal((await publish()).status, 429);
    assert.equal((await list()).length, 64);
    process.kill(proxy(), 'SIGKILL');
    while ((await list()).length > 0) await internet.moment();
    const again = await publish();
    assert.equal(again.status, 201, again.text);
    assert.deepEqual(await list(), [again.body]);
    await a.end(id);
  });
});

/** The process of the service that filters. */
function proxy(): number {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const found = children
    .split(' ')
    .filter(Boolean)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('proxy-process'));
  assert.equal(found.length, 1, readdirSync('/proc').join(' '));
  return Number(found[0]);
}
