/**
 * One name with several addresses, each under rules of its own: what an address may be asked for is not what another may
 * be, whichever way a guest gets there. Judged by what the servers saw. The small internet is that of
 * `network-filtered.test.ts`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0
    ? rootless
    : 'python3 is not installed';
let world: WorldClient;

const INNER = '10.1.2.3';
const NOBODY = '192.0.2.77';
const reached = ({ seen }: WorldRun): string[] =>
  seen.requests.map(({ path, address }) => `${path} ${address.replace('::ffff:', '')}`);

/** `get(address, port, name, path)` asks over a new connection, `ask(connection, name, path)` over an open one. */
const script = (lines: string): string[] => [
  'python3',
  '-c',
  `
import socket, ssl
def tls(address, name):
  context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
  return context.wrap_socket(socket.create_connection((address, 443), 20), server_hostname=name)
def ask(s, name, path):
  s.settimeout(20)
  s.sendall(b'GET %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n' % (path.encode(), name.encode()))
  print(path, s.recv(65536)[9:12].decode(), flush=True)
def get(address, port, name, path):
  ask(tls(address, name) if port == 443 else socket.create_connection((address, port), 20), name, path)
${lines}`,
];

describe('addresses of one name under different rules', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  for (const [title, port, intercept] of [
    ['in clear text', 80, false],
    ['inside TLS', 443, true],
  ] as const) {
    test(`an address whose requests are restricted is no other way to a name that is not, ${title}`, async () => {
      await world.point('inner.test', [NOBODY, INNER]);
      const network = {
        mode: 'filtered',
        intercept,
        allow: [`inner.test:${port}`, { host: `${INNER}:${port}`, http: ['/open/**'] }],
      } as const;
      const run = await world.run(
        script(`
socket.getaddrinfo('inner.test', ${port}, socket.AF_INET)
get('${INNER}', ${port}, 'inner.test', '/open/a')
get('${INNER}', ${port}, 'inner.test', '/closed/b')
get('${NOBODY}', ${port}, 'inner.test', '/closed/c')`),
        { level: 'strict', network },
      );
      assert.deepEqual(reached(run), [`/open/a ${INNER}`], run.stderr);
      assert.equal(run.stdout, '/open/a 200\n/closed/b 403\n/closed/c 502\n', run.stderr);
    });
  }

  test('an address with the same rules is another way still', async () => {
    await world.point('moved.test', [NOBODY, '198.51.100.20']);
    const allow = [{ host: 'moved.test:80', http: ['/open/**'] }];
    const run = await world.run(
      script(`
socket.getaddrinfo('moved.test', 80, socket.AF_INET)
get('${NOBODY}', 80, 'moved.test', '/open/a')
get('${NOBODY}', 80, 'moved.test', '/closed/b')`),
      { level: 'strict', network: { mode: 'filtered', allow } },
    );
    assert.deepEqual(reached(run), ['/open/a 198.51.100.20'], run.stderr);
  });

  test('requests inside TLS are judged by where their own connection went, not by the latest', async () => {
    const network = {
      mode: 'filtered',
      intercept: true,
      allow: [
        { host: 'one.test:443', http: ['/open/**'] },
        { host: '[2001:db8::10]:443', http: ['/closed/**'] },
      ],
    } as const;
    const run = await world.run(
      script(`
first = tls('198.51.100.10', 'one.test')
second = tls('2001:db8::10', 'one.test')
ask(first, 'one.test', '/open/a')
ask(first, 'one.test', '/closed/b')
ask(second, 'one.test', '/closed/c')`),
      { level: 'strict', network },
    );
    assert.deepEqual(
      reached(run),
      ['/open/a 198.51.100.10', '/closed/c 2001:db8::10'],
      run.stdout + run.stderr,
    );
  });
});
