/**
 * Packets that no proxy carries: to the blocks that a rule names and nowhere else, and the host's whole network but for
 * what is denied. What counts is what arrived beyond the host (test/e2e/network/packets-internet.ts), and what is left on
 * the host afterwards. Over 300 lines: one guest's tools and one host, for both ways of sending packets.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HostReply, OWN, PacketsClient } from '../e2e/network/packets-client.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip = python ? rootless : 'python3 is not installed';
let host: PacketsClient;

const PRELUDE = `
import socket, struct
def checksum(data):
  total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
  total = (total >> 16) + (total & 0xffff)
  return 0xffff & ~(total + (total >> 16))
def tell(what, act):
  try: print(what, act(), flush=True)
  except OSError as error: print(what, type(error).__name__, flush=True)
def ping(where):
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
    s.settimeout(1)
    s.sendto(struct.pack('!BBHHH', 8, 0, 0, 0, 1) + b'hello', (where, 0))
    return 'answers' if s.recvfrom(100)[1][0] == where else 'answers wrongly'
def tcp(where, bound=None):
  with socket.socket() as s:
    if bound: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound)
    s.settimeout(1)
    s.connect((where, 80))
    return s.recv(100).decode().strip() or 'closed'
def udp(where, bound=None, index=None):
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    if bound: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound)
    if index: s.setsockopt(socket.IPPROTO_IP, 50, struct.pack('!I', index))
    s.settimeout(1)
    s.sendto(b'hello', (where, 7000))
    return s.recvfrom(100)[0].decode()
def raw(protocol, where, data=b'hello', bound=None):
  with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as s:
    if bound: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound)
    s.sendto(data, (where, 0))
    return 'sent'
def written(protocol, where, data, source, fragment=0, bound=b'out0'):
  with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bound)
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(data), 7, fragment, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(where))
    s.sendto(head + data, (where, 0))
    return 'sent'
`;
const guest = (...lines: readonly string[]): string[] => [
  'python3',
  '-c',
  `${PRELUDE}\n${lines.join('\n')}`,
];
const filtered = (allow: readonly string[], more: { deny?: string[]; raw?: boolean } = {}) =>
  ({
    level: 'strict',
    network: { mode: 'filtered', allow: [...allow], deny: more.deny ?? [] },
    ...(more.raw === true ? { capabilities: { add: ['net_raw'] } } : {}),
  }) as const;
const full = (deny: readonly string[]) =>
  ({ level: 'strict', network: { mode: 'full', deny: [...deny] } }) as const;
const lines = ({ run }: HostReply): string[] => run?.stdout.trim().split('\n') ?? [];

/** The kernel takes a namespace down after its last process, in its own time. */
async function nothingLeft(end = true): Promise<void> {
  if (end) await host.ask({ end: true });
  for (let tries = 0; ; tries++) {
    const { left } = await host.ask({});
    const found = [...(left?.links ?? []), ...(left?.tables ?? []), ...(left?.routes ?? [])];
    if (found.length === 0) return;
    assert.ok(tries < 50, `still there: ${found.join(', ')}`);
    await sleep(100);
  }
}

describe('packets to named blocks', { skip }, () => {
  before(async () => {
    host = await PacketsClient.start();
  });
  after(() => host.stop());

  test('an echo request to an allowed block is answered, another goes nowhere and is told', async () => {
    const reply = await host.ask({
      argv: guest(
        "for where in ['198.51.100.20', '203.0.113.7', '203.0.113.99', '127.0.0.1']: tell(where, lambda: ping(where))",
      ),
      policy: filtered(['198.51.100.0/24/icmp', '203.0.113.7/icmp']),
    });
    assert.deepEqual(lines(reply), [
      '198.51.100.20 answers',
      '203.0.113.7 answers',
      '203.0.113.99 PermissionError',
      '127.0.0.1 answers',
    ]);
    assert.equal(reply.arrived?.echoes, 2);
    assert.deepEqual(
      reply.run?.violations.map(({ target }) => target),
      ['203.0.113.99/icmp'],
    );
  });

  test('without the rule the same request goes nowhere', async () => {
    const reply = await host.ask({
      argv: guest("tell('20', lambda: ping('198.51.100.20'))"),
      policy: filtered(['198.51.100.21/icmp']),
    });
    assert.deepEqual(lines(reply), ['20 PermissionError']);
    assert.equal(reply.arrived?.received, 0);
  });

  test('deny wins over a wider block', async () => {
    const reply = await host.ask({
      argv: guest(
        "for where in ['198.51.100.20', '198.51.100.21']: tell(where, lambda: ping(where))",
      ),
      policy: filtered(['198.51.100.0/24/icmp'], { deny: ['198.51.100.20/icmp'] }),
    });
    assert.deepEqual(lines(reply), ['198.51.100.20 PermissionError', '198.51.100.21 answers']);
    assert.equal(reply.arrived?.received, 1);
  });

  test('TCP and UDP to the block do not leave by that way, bound to it or not', async () => {
    const reply = await host.ask({
      argv: guest(
        "for name, act in [('tcp', lambda: tcp('198.51.100.20')), ('udp', lambda: udp('198.51.100.20')),",
        "  ('tcp bound', lambda: tcp('198.51.100.20', b'out0')), ('udp bound', lambda: udp('198.51.100.20', b'out0')),",
        "  ('udp by index', lambda: udp('198.51.100.20', None, socket.if_nametoindex('out0'))),",
        "  ('tcp elsewhere', lambda: tcp('203.0.113.99', b'out0'))]: tell(name, act)",
      ),
      policy: filtered(['198.51.100.0/24/icmp', '198.51.100.0/24/raw']),
    });
    assert.equal(lines(reply).length, 6, reply.run?.stderr);
    for (const line of lines(reply)) assert.doesNotMatch(line, /hello/);
    assert.deepEqual(reply.arrived?.seen, []);
    assert.equal(reply.arrived?.received, 0);
  });

  test('a proxied destination still goes by the proxy, beside packets', async () => {
    const reply = await host.ask({
      argv: guest(
        "tell('tcp', lambda: tcp('198.51.100.20'))",
        "tell('other', lambda: tcp('198.51.100.21'))",
        "tell('ping', lambda: ping('198.51.100.21'))",
      ),
      policy: filtered(['198.51.100.0/24/icmp', '198.51.100.20:80']),
    });
    assert.deepEqual(lines(reply).slice(0, 1), ['tcp hello']);
    assert.doesNotMatch(lines(reply)[1] ?? '', /hello/);
    assert.equal(lines(reply)[2], 'ping answers');
    assert.deepEqual(reply.arrived?.seen, [`tcp 198.51.100.20 from ${OWN}`]);
  });

  test('the host and what is beside it are out of reach where no rule names them', async () => {
    const reply = await host.ask({
      argv: guest(
        `for where in ['${OWN}', '192.0.2.10']: tell(where, lambda: ping(where))`,
        `tell('bound', lambda: udp('${OWN}', b'out0'))`,
      ),
      policy: filtered(['198.51.100.0/24/raw']),
    });
    assert.deepEqual(lines(reply), [
      `${OWN} PermissionError`,
      '192.0.2.10 PermissionError',
      'bound PermissionError',
    ]);
    assert.equal(reply.arrived?.received, 0);
  });

  test('raw sockets need a capability, and reach the protocol and the block alone', async () => {
    const code = guest(
      "tell('253', lambda: raw(253, '198.51.100.20'))",
      "tell('254', lambda: raw(254, '198.51.100.20'))",
      "tell('elsewhere', lambda: raw(253, '203.0.113.99'))",
      "tell('bound', lambda: raw(253, '203.0.113.99', b'hello', b'out0'))",
      "tell('udp', lambda: raw(17, '198.51.100.20', struct.pack('!HHHH', 7, 7000, 8, 0), b'out0'))",
    );
    const allow = ['198.51.100.0/24/253'];
    const without = await host.ask({ argv: code, policy: filtered(allow) });
    assert.doesNotMatch(without.run?.stdout ?? '', /sent/);
    assert.equal(without.arrived?.received, 0);
    const given = await host.ask({ argv: code, policy: filtered(allow, { raw: true }) });
    assert.equal(lines(given)[0], '253 sent');
    assert.doesNotMatch(lines(given).slice(1).join(), /sent/);
    assert.equal(given.arrived?.unknown, 1);
    assert.equal(given.arrived?.received, 1);
  });

  test('packets that the guest wrote itself: false source, fragments, TCP and UDP in disguise', async () => {
    const reply = await host.ask({
      argv: guest(
        "for source in ['198.51.100.99', '127.0.0.1']: tell(source, lambda: written(1, '198.51.100.20', struct.pack('!BBHHH', 8, 0, 0xf7fe, 0, 1), source))",
        "datagram = struct.pack('!HHHH', 7, 7000, 13, 0) + b'hello'",
        "tell('udp', lambda: written(17, '198.51.100.20', datagram, '0.0.0.0'))",
        "tell('first', lambda: written(17, '198.51.100.20', datagram[:8], '0.0.0.0', 0x2000))",
        "tell('second', lambda: written(17, '198.51.100.20', datagram[8:], '0.0.0.0', 1))",
        "tell('tcp', lambda: written(6, '198.51.100.20', struct.pack('!HHIIBBHHH', 7, 80, 0, 0, 0x50, 2, 1024, 0, 0), '0.0.0.0'))",
      ),
      policy: filtered(['198.51.100.0/24/icmp'], { raw: true }),
    });
    assert.equal(lines(reply).length, 6, reply.run?.stderr);
    assert.equal(reply.arrived?.received, 0, reply.run?.stdout);
  });

  test('where the host does not forward it is refused, with the command that would', async () => {
    const forwarding = (value: string): readonly string[] => [
      'sh',
      '-c',
      `echo ${value} > /proc/sys/net/ipv4/conf/up0/forwarding`,
    ];
    await host.ask({ host: forwarding('0'), end: true });
    const policy = filtered(['198.51.100.0/24/icmp']);
    const refused = await host.tryAsk({ argv: ['true'], policy });
    assert.equal(refused.code, 'UNENFORCEABLE');
    const { compiled } = await host.ask({ explain: policy });
    assert.deepEqual(
      compiled?.unenforceable.map(({ id, cure }) => [id, cure]),
      [['network.packets:no-forwarding', 'as root: sysctl -w net.ipv4.conf.up0.forwarding=1']],
    );
    await host.ask({ host: forwarding('1'), end: true });
    assert.equal((await host.ask({ argv: ['true'], policy })).run?.code, 0);
  });

  test('where no address is left for the guest it does not start, and nothing stays of it', async () => {
    const taken = ['198.18.0.0/15', '100.64.0.0/10', '169.254.0.0/16'];
    const routes = (what: 'add' | 'del'): readonly string[] => [
      'sh',
      '-c',
      taken.map((block) => `ip route ${what} ${block} dev up0`).join(' && '),
    ];
    const policy = filtered(['198.51.100.0/24/icmp']);
    await host.ask({ host: routes('add'), end: true });
    const refused = await host.tryAsk({ argv: ['true'], policy });
    assert.match(refused.error ?? '', /address for sandbox/);
    await nothingLeft();
    await host.ask({ host: routes('del') });
    assert.equal((await host.ask({ argv: ['true'], policy })).run?.code, 0);
  });

  test('nothing of it is left on the host', () => nothingLeft());
});

describe("the host's whole network, but for what is denied", { skip }, () => {
  before(async () => {
    host = await PacketsClient.start();
  });
  after(() => host.stop());

  const everything = guest(
    "for where in ['198.51.100.20', '198.51.100.21', '203.0.113.7']:",
    "  tell('tcp ' + where, lambda: tcp(where))",
    "  tell('udp ' + where, lambda: udp(where))",
    "  tell('ping ' + where, lambda: ping(where))",
  );

  test('a denied block, port and protocol are not reached; all else is, under an address of the host', async () => {
    const reply = await host.ask({
      argv: everything,
      policy: full([
        '198.51.100.20:*',
        '198.51.100.20:*/udp',
        '198.51.100.20/raw',
        '198.51.100.21:80',
        '203.0.113.0/24:7000-7010/udp',
        '203.0.113.0/24/icmp',
      ]),
    });
    assert.deepEqual(
      lines(reply).map((line) => line.replace(/ \w*(Error|timeout)$/, ' no')),
      [
        'tcp 198.51.100.20 no',
        'udp 198.51.100.20 no',
        'ping 198.51.100.20 no',
        'tcp 198.51.100.21 no',
        'udp 198.51.100.21 echo hello',
        'ping 198.51.100.21 answers',
        'tcp 203.0.113.7 hello',
        'udp 203.0.113.7 no',
        'ping 203.0.113.7 no',
      ],
    );
    assert.deepEqual(reply.arrived?.seen, [
      `udp 198.51.100.21 from ${OWN}`,
      `tcp 203.0.113.7 from ${OWN}`,
    ]);
    assert.equal(reply.arrived?.echoes, 1);
    assert.deepEqual(reply.run?.violations.map(({ target }) => target).sort(), [
      '198.51.100.20/icmp',
      '198.51.100.20:7000/udp',
      '198.51.100.20:80/tcp',
      '198.51.100.21:80/tcp',
      '203.0.113.7/icmp',
      '203.0.113.7:7000/udp',
    ]);
    assert.ok((reply.run?.network?.sentBytes ?? 0) > 0);
  });

  test('with another denial the same is reached', async () => {
    const reply = await host.ask({ argv: everything, policy: full(['203.0.113.99:80']) });
    assert.deepEqual(
      lines(reply).filter((line) => !/hello|answers/.test(line)),
      [],
    );
    assert.equal(reply.arrived?.seen.length, 6);
    assert.equal(reply.arrived?.echoes, 3);
  });

  test('fragments of a datagram to a denied port, written by the guest, do not arrive', async () => {
    const policy = { ...full(['198.51.100.20:7000/udp']), capabilities: { add: ['net_raw'] } };
    const reply = await host.ask({
      argv: guest(
        'import fcntl',
        "own = socket.inet_ntoa(fcntl.ioctl(socket.socket(), 0x8915, struct.pack('256s', b'out0'))[20:24])",
        "datagram = struct.pack('!HHHH', 7, 7000, 24, 0) + b'hello there good'",
        "tell('first', lambda: written(17, '198.51.100.20', datagram[:16], own, 0x2000))",
        "tell('second', lambda: written(17, '198.51.100.20', datagram[16:], own, 2))",
        "tell('other', lambda: udp('198.51.100.21'))",
      ),
      policy,
    });
    assert.equal(lines(reply).at(-1), 'other echo hello', reply.run?.stderr);
    assert.deepEqual(reply.arrived?.seen, [`udp 198.51.100.21 from ${OWN}`]);
  });

  test("the host's loopback is out of reach, also where the host routes it", async () => {
    await host.ask({ host: ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet'] });
    const policy = { ...full(['203.0.113.99:80']), capabilities: { add: ['net_raw'] } };
    const reply = await host.ask({
      argv: guest(
        'import fcntl',
        "own = socket.inet_ntoa(fcntl.ioctl(socket.socket(), 0x8915, struct.pack('256s', b'out0'))[20:24])",
        "tell('bound', lambda: udp('127.0.0.1', b'out0'))",
        "tell('written', lambda: written(17, '127.0.0.1', struct.pack('!HHHH', 7, 7000, 13, 0) + b'hello', own))",
        "tell('other', lambda: udp('198.51.100.21'))",
      ),
      policy,
    });
    assert.equal(lines(reply).at(-1), 'other echo hello', reply.run?.stderr);
    assert.equal(reply.strays, 0, reply.run?.stdout);
  });

  test("a guest has its share of the host's table of connections, and no more", async () => {
    const reply = await host.ask({
      argv: guest(
        'sent = 0',
        'for port in range(20000, 24600):',
        '  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:',
        "    s.bind(('', port))",
        "    try: sent += s.sendto(b'x', ('198.51.100.21', 7000))",
        '    except OSError: pass',
        // Whoever receives them has room for so many at once; what the kernel drops there is no share.
        '    if port % 64: continue',
        '    s.settimeout(0.4)',
        '    try: s.recv(100)',
        '    except OSError: pass',
        'print(sent)',
      ),
      policy: full(['203.0.113.99:80']),
    });
    assert.equal(lines(reply)[0], '4600', reply.run?.stderr);
    const arrived = reply.arrived?.seen.length ?? 0;
    assert.ok(arrived > 2000 && arrived <= 4096, `${arrived} arrived`);
  });

  test('without the filter inside, the one on the host still holds', async () => {
    const code = guest(
      "tell('denied', lambda: tcp('198.51.100.20'))",
      "tell('other', lambda: tcp('198.51.100.21'))",
    );
    await host.ask({ open: full(['198.51.100.20:80']), unguarded: true });
    const whole = await host.ask({ inside: code });
    assert.match(whole.stdout ?? '', /^denied .*(Error|timeout)\nother hello/);
    assert.deepEqual(whole.arrived?.seen, [`tcp 198.51.100.21 from ${OWN}`]);
    await host.ask({ close: true });
    await host.ask({ open: filtered(['198.51.100.0/24/icmp']), unguarded: true });
    const blocks = await host.ask({
      inside: guest(
        "tell('ping', lambda: ping('198.51.100.21'))",
        "tell('elsewhere', lambda: udp('203.0.113.99', b'out0'))",
        "tell('udp', lambda: udp('198.51.100.20', b'out0'))",
        "tell('tcp', lambda: tcp('198.51.100.20', b'out0'))",
      ),
    });
    assert.match(blocks.stdout ?? '', /^ping answers\n/);
    assert.equal(blocks.arrived?.received, 1, blocks.stdout);
    await host.ask({ close: true });
  });

  test('a port inside is reached once it is published, and by that way alone', async () => {
    const { network, level } = full(['203.0.113.99:80']);
    await host.ask({ open: { level, network: { ...network, listen: [8080] } } });
    const server = guest(
      's = socket.create_server(("", 8080))',
      'while True:',
      '  c, _ = s.accept()',
      "  c.sendall(b'from inside')",
      '  c.close()',
    );
    const { stdout } = await host.ask({ publish: { port: 8080, server } });
    assert.equal(stdout, 'from inside');
    await host.ask({ close: true });
  });

  test('nobody on the host reaches the guest by it, and two sandboxes do not reach each other', async () => {
    const { left } = await host.ask({ open: full(['203.0.113.99:80']) });
    assert.ok((left?.links.length ?? 0) >= 1);
    assert.deepEqual(
      left?.tables,
      left?.links.map((name) => `caisson-${name}`),
    );
    const { stdout } = await host.ask({
      inside: guest(
        'import fcntl',
        "print(socket.inet_ntoa(fcntl.ioctl(socket.socket(), 0x8915, struct.pack('256s', b'out0'))[20:24]))",
      ),
    });
    const address = stdout?.trim() ?? '';
    assert.ok(left?.routes.some((route) => route.startsWith(`${address} dev cais`)));
    assert.match(address, /^\d+\.\d+\.\d+\.\d+$/);
    const other = await host.ask({
      argv: guest(
        `tell('ping', lambda: ping('${address}'))`,
        `tell('udp', lambda: udp('${address}'))`,
      ),
      policy: full(['203.0.113.99:80']),
    });
    for (const line of lines(other)) assert.match(line, /Error|timeout/);
    const fromHost = await host.tryAsk({
      host: ['python3', '-c', `${PRELUDE}\nsocket.setdefaulttimeout(1)\nprint(udp('${address}'))`],
    });
    assert.match(fromHost.error ?? '', /Command failed/);
    await host.ask({ close: true });
    await nothingLeft();
  });

  test('a launcher that is killed leaves neither interface nor table nor route', async () => {
    const { left, launcher } = await host.ask({ open: full(['203.0.113.99:80']) });
    assert.ok((left?.links.length ?? 0) >= 1);
    assert.equal(left?.tables.length, left?.links.length);
    assert.equal(launcher?.length, 1);
    for (const pid of launcher ?? []) process.kill(pid, 'SIGKILL');
    await nothingLeft(false);
  });
});
