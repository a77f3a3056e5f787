/**
 * Datagrams of a filtered network: to what a rule with `/udp` names, and nowhere else. What counts is what the echo
 * servers of the small internet (test/e2e/network/world.ts) saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';
import { until } from '../until.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip = python ? rootless : 'python3 is not installed';
let world: WorldClient;

const filtered = (allow: readonly string[], deny: readonly string[] = []) =>
  ({ level: 'strict', network: { mode: 'filtered', allow: [...allow], deny: [...deny] } }) as const;

/**
 * Sends each text to its host and prints `host:port answer` or why not. A host that is an address is tried again for a
 * while: its socket is made while the guest starts.
 */
const send = (...where: readonly (readonly [host: string, port: number])[]): string[] => [
  'python3',
  '-c',
  `import socket, time
for host, port in ${JSON.stringify(where)}:
  said = 'nothing'
  for attempt in range(3):
    try:
      family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
      with socket.socket(family, kind) as s:
        s.settimeout(3)
        s.connect(where)
        s.send(b'hello')
        answer, source = s.recvfrom(2000)
        said = answer.decode() + ' from ' + str(s.getpeername()[0])
        break
    except OSError as error:
      said = type(error).__name__
      # What was sent would be seen twice.
      if isinstance(error, TimeoutError): break
      time.sleep(0.1)
  print(f'{host}:{port} {said}', flush=True)`,
];
const lines = ({ stdout }: WorldRun): string[] => stdout.trim().split('\n');
const reasons = ({ violations }: WorldRun): string =>
  violations.map(({ target, reason }) => `${target}: ${reason}`).join('\n');

describe('datagrams', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  test('an allowed name and an allowed address are answered, from where they were sent to', async () => {
    const policy = filtered(['one.test:7000/udp', '198.51.100.20:123/udp']);
    const run = await world.run(send(['one.test', 7000], ['198.51.100.20', 123]), policy);
    assert.deepEqual(
      lines(run),
      [
        'one.test:7000 echo hello from 198.51.100.10',
        '198.51.100.20:123 echo hello from 198.51.100.20',
      ],
      reasons(run),
    );
    assert.deepEqual(run.seen.datagrams, ['198.51.100.10:7000 hello', '198.51.100.20:123 hello']);
    assert.equal(run.usage.network?.connections, 2);
    assert.ok((run.usage.network?.sentBytes ?? 0) >= 10);
    assert.ok((run.usage.network?.receivedBytes ?? 0) >= 20);
  });

  test('once the sandbox has ended, nothing of it is connected any more', async () => {
    const policy = filtered(['one.test:7000/udp']);
    const connected = (): number =>
      world
        .processes('proxy-process')
        .flatMap((pid) => readFileSync(`/proc/${pid}/net/udp`, 'utf8').split('\n'))
        .filter((line) => /:1B58 01 /.test(line)).length;
    const running = world.run(
      [
        'python3',
        '-c',
        `import socket, time
where = socket.getaddrinfo('one.test', 7000, type=socket.SOCK_DGRAM)[0][4]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'hello', where)
print(s.recv(100), flush=True)
time.sleep(4)`,
      ],
      policy,
    );
    await until('it is connected', () => connected() === 1);
    assert.match((await running).stdout, /echo hello/);
    await until('its socket is closed', () => connected() === 0);
  });

  test('over IPv6, too', async () => {
    const policy = filtered(['[2001:db8::10]:7000/udp']);
    const run = await world.run(send(['2001:db8::10', 7000]), policy);
    assert.deepEqual(lines(run), ['2001:db8::10:7000 echo hello from 2001:db8::10'], reasons(run));
  });

  test('what no rule names reaches nobody: other ports, addresses and names', async () => {
    const policy = filtered(['one.test:7000/udp', 'three.test:443']);
    const run = await world.run(
      send(
        ['198.51.100.20', 7000],
        ['three.test', 7000],
        ['one.test', 7001],
        ['one.test', 443],
        ['198.51.100.53', 53],
        ['two.test', 7000],
      ),
      policy,
    );
    for (const line of lines(run)) assert.match(line, /Error$|timeout$|gaierror$/);
    assert.deepEqual(run.seen.datagrams, []);
    assert.deepEqual(run.seen.strays, []);
    assert.ok(!run.seen.names.includes('two.test'));
    assert.match(reasons(run), /198\.51\.100\.20:7000\/udp: UDP does not leave/);
    assert.match(reasons(run), /198\.51\.100\.10:443\/udp: QUIC is refused/);
  });

  test('QUIC passes where a rule names it, and there alone', async () => {
    const run = await world.run(
      send(['one.test', 443], ['three.test', 443]),
      filtered(['one.test:443/udp', 'three.test:443']),
    );
    assert.equal(lines(run)[0], 'one.test:443 echo hello from 198.51.100.10', reasons(run));
    assert.deepEqual(run.seen.datagrams, ['198.51.100.10:443 hello']);
    assert.deepEqual(run.seen.strays, []);
  });

  test('names lead to no private, metadata or own address; deny wins', async () => {
    const names = ['inner.test', 'cloud.test', 'own.test'];
    const inward = await world.run(
      send(...names.map((name) => [name, 7000] as const)),
      filtered(names.map((name) => `${name}:7000/udp`)),
    );
    assert.deepEqual(inward.seen.datagrams, []);
    for (const name of names) assert.match(reasons(inward), new RegExp(`${name} leads to`));
    const denied = await world.run(
      send(['one.test', 7000], ['three.test', 7000], ['198.51.100.20', 7000]),
      filtered(
        ['*:7000/udp', '198.51.100.20:7000/udp'],
        ['one.test:7000/udp', '198.51.100.20:7000/udp'],
      ),
    );
    assert.deepEqual(denied.seen.datagrams, []);
  });

  test('a datagram that claims to come from elsewhere reaches nobody', async () => {
    const run = await world.run(
      [
        'python3',
        '-c',
        `import socket, time
where = socket.getaddrinfo('one.test', 7000, type=socket.SOCK_DGRAM)[0][4]
for source in ('198.51.100.20', '127.0.0.1', '203.0.113.5'):
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  s.bind((source, 0))
  s.sendto(b'from ' + source.encode(), where)
# As the relay itself: it would be answered by itself without end.
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT): s.setsockopt(socket.SOL_SOCKET, option, 1)
try:
  s.bind((where[0], 0xffff ^ where[1]))
  s.sendto(b'loop', where)
except OSError as error: print('bind', error.strerror)
# Past the filter's word, to where the relay is bound.
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'around', (where[0], 0xffff ^ where[1]))
except OSError as error: print('around', error.strerror)
time.sleep(2)
print('sent')`,
      ],
      filtered(['one.test:7000/udp']),
    );
    assert.match(run.stdout, /sent/, run.stderr);
    assert.deepEqual(run.seen.datagrams, []);
    assert.match(reasons(run), /claims to come from 198\.51\.100\.20:\d+/);
  });

  test('from the port that is sent to, as NTP does: bound anywhere or to the address itself', async () => {
    const run = await world.run(
      [
        'python3',
        '-c',
        `import socket
for family, bound, where in (
    (socket.AF_INET, ('0.0.0.0', 123), ('198.51.100.20', 123)),
    (socket.AF_INET6, ('::', 123), ('::ffff:198.51.100.20', 123)),
    (socket.AF_INET, ('198.51.100.20', 7000), ('198.51.100.20', 7000)),
    (socket.AF_INET6, ('::', 7000), ('2001:db8::10', 7000))):
  s = socket.socket(family, socket.SOCK_DGRAM)
  s.settimeout(10)
  s.bind(bound)
  try:
    s.sendto(b'time', where)
    print(*s.recvfrom(100)[:1], s.getsockname()[1], flush=True)
  except OSError as error: print(error, flush=True)
  s.close()`,
      ],
      {
        ...filtered(['198.51.100.20:123,7000/udp', '[2001:db8::10]:7000/udp']),
        capabilities: { add: ['net_bind_service'] },
      },
    );
    assert.deepEqual(
      lines(run),
      ["b'echo time' 123", "b'echo time' 123", "b'echo time' 7000", "b'echo time' 7000"],
      run.stderr + reasons(run),
    );
    assert.deepEqual(run.seen.datagrams, [
      '198.51.100.20:123 time',
      '198.51.100.20:123 time',
      '198.51.100.20:7000 time',
      '2001:db8::10:7000 time',
    ]);
  });

  test('the first datagram of a guest finds its way, to an address as to a name', async () => {
    const once = [
      'python3',
      '-c',
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(('198.51.100.20', 7000))
s.send(b'first'); print(s.recv(100).decode())`,
    ];
    for (const how of ['run', 'spawn', 'exec'] as const) {
      const run = await world.run(once, filtered(['198.51.100.20:7000/udp']), undefined, how);
      assert.equal(run.stdout, 'echo first\n', how + run.stderr);
    }
  });

  test('a guest that is bound where the socket of a rule would be harms itself alone', async () => {
    // Every bit of 7000 turned: native/launcher/nftables.h.
    const run = await world.run(
      [
        'python3',
        '-c',
        `import socket
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(('198.51.100.10', 0xffff ^ 7000))
where = socket.getaddrinfo('one.test', 7000, type=socket.SOCK_DGRAM)[0][4]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
try:
  s.sendto(b'hello', where); print(s.recv(100))
except OSError as error: print(type(error).__name__)`,
      ],
      filtered(['one.test:7000/udp']),
    );
    assert.deepEqual(run.seen.datagrams, []);
    assert.match(reasons(run), /one\.test:7000\/udp|198\.51\.100\.10:7000\/udp/);
  });

  test('a policy that is changed holds at once, for what flows and for new addresses', async () => {
    const run = await world.runUpdated(
      send(['one.test', 7000], ['198.51.100.20', 7000]),
      filtered(['one.test:7000/udp', '198.51.100.20:7000/udp']),
      {
        allow: ['198.51.100.20:7001/udp'],
        argv: send(['198.51.100.20', 7001], ['198.51.100.10', 7000], ['198.51.100.20', 7000]),
      },
    );
    assert.equal(lines(run)[0], '198.51.100.20:7001 echo hello from 198.51.100.20');
    assert.deepEqual(run.seen.datagrams, [
      '198.51.100.10:7000 hello',
      '198.51.100.20:7000 hello',
      '198.51.100.20:7001 hello',
    ]);
  });

  test('a flood is bounded (last, since the echo servers tell so many datagrams alone): few sockets, and the next sandbox is served', async () => {
    const flood = await world.run(
      [
        'python3',
        '-c',
        `import socket, time
where = socket.getaddrinfo('one.test', 7000, type=socket.SOCK_DGRAM)[0][4]
many = []
for i in range(900):
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  s.sendto(b'many', where)
  many.append(s)
  if i % 50 == 0: time.sleep(0.01)
end = time.time() + 2
count = 0
while time.time() < end or count <= 20000 and time.time() < end + 30:
  try: many[0].sendto(b'x' * 1000, where); count += 1
  except OSError: pass
print(count)`,
      ],
      filtered(['one.test:7000/udp']),
    );
    assert.ok(Number(flood.stdout) > 20_000, `a flood: ${flood.stdout} ${flood.stderr}`);
    assert.match(reasons(flood), /256 ports of the guest send datagrams already/);
    assert.equal(flood.usage.network?.connections, 256);
    // A second's worth, ten times over: what was sent beyond is gone.
    assert.ok((flood.usage.network?.sentBytes ?? 0) < 100_000_000);
    const next = await world.run(send(['one.test', 7000]), filtered(['one.test:7000/udp']));
    assert.equal(lines(next)[0], 'one.test:7000 echo hello from 198.51.100.10');
  });
});
