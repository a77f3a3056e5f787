/**
 * Floods of one sandbox at the process that serves all of them: another sandbox is served meanwhile, and the memory of
 * the process stays bounded. The small internet is that of `network-filtered.test.ts`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';
import { h2Frames } from './h2-frames.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0
    ? rootless
    : 'python3 is not installed';
let world: WorldClient;

/** What the floods below come to is a third of it; what they came to before was three times as much. */
const GROWTH_MAX_KIB = 700 * 1024;

const filtered = (allow: readonly string[], intercept = false) =>
  ({ level: 'strict', network: { mode: 'filtered', allow: [...allow], intercept } }) as const;

/** Ten requests, each by a name that is asked for anew. */
const FETCH = `
import urllib.request as u
for i in range(10): print(u.urlopen('http://three.test/served', timeout=15).status, flush=True)`;

function residentKib(): number {
  const [pid] = world.processes('proxy-process');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}

/** Somebody else's requests while the flood runs, and the flood's own run. */
async function flood(
  script: string,
  allow: readonly string[],
  intercept = false,
): Promise<WorldRun> {
  const [before] = world.processes('proxy-process');
  const flooding = world.run(['python3', '-c', script], filtered(allow, intercept));
  await sleep(700);
  const served = await world.run(['python3', '-c', FETCH], filtered(['three.test:80']));
  assert.equal(served.stdout, '200\n'.repeat(10), served.stderr);
  const run = await flooding;
  assert.match(run.stdout, /\d/, `it ran: ${run.stderr.slice(-500)}`);
  assert.deepEqual(world.processes('proxy-process'), [before], 'the proxy process lives');
  return run;
}

/** Of connections: their guest sends what a turn makes of them, and connects anew where they are ended. */
const pour = (turn: string): string => `${h2Frames}
def turn(n):
${turn}
pour(turn, seconds=2)`;

/** `HELLO` of a real client; `connect()` does not wait. */
const HELLO = `
import socket, ssl, struct, time, os
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
out = ssl.MemoryBIO()
try: context.wrap_bio(ssl.MemoryBIO(), out, server_hostname='one.test').do_handshake()
except ssl.SSLError: pass
HELLO = out.read()
def single(message): return b''.join(b'\\x16\\3\\1\\0\\1' + message[i:i + 1] for i in range(len(message)))
def connect():
  s = socket.socket(); s.setblocking(False); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
  try: s.connect(('198.51.100.10', 443))
  except OSError: pass
  return s
def send(s, data):
  try: return s.send(data)
  except OSError: return 0
socket.getaddrinfo('one.test', 443)`;

describe('floods at the proxy', { skip }, () => {
  let atFirst = 0;
  before(async () => {
    world = await WorldClient.start();
    await world.run(['python3', '-c', FETCH], filtered(['three.test:80']));
    atFirst = residentKib();
  });
  after(() => world.stop());

  const floods: readonly (readonly [name: string, script: string, intercept?: boolean])[] = [
    [
      'connections that are reset before they are accepted, half open ones among them',
      `
import socket, struct, time, os
end = time.time() + 2
n = 0
for i in range(2): os.fork()
while time.time() < end:
  held = []
  for i in range(100):
    s = socket.socket(); s.setblocking(False)
    try: s.connect(('198.51.100.10', 80))
    except OSError: pass
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    held.append(s); n += 1
  for s in held: s.close()
print(n)`,
    ],
    [
      'as many connections as there may be, each with a header that grows by a byte at a time',
      `
import socket, time
held = []
for i in range(800):
  s = socket.socket(); s.setblocking(False)
  try: s.connect(('198.51.100.10', 80))
  except OSError: pass
  held.append(s)
time.sleep(0.3)
sent = 0
end = time.time() + 2
piece = b'GET / HTTP/1.1\\r\\nHost: one.test\\r\\nX: ' + b'a' * 60000
while time.time() < end:
  for s in held:
    try: sent += s.send(piece)
    except OSError: pass
  piece = b'a'
print(sent)`,
    ],
    [
      'questions to the resolver, names that lead to themselves, and messages of 64 KiB over TCP',
      `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
head = b'\\x12\\x34\\x01\\0'
bombs = [
  head + b'\\0\\1\\0\\0\\0\\0\\0\\0\\xc0\\x0c\\0\\1\\0\\1',
  head + b'\\xff' * 8 + b'\\xc0\\x0c\\0\\1\\0\\1' * 80,
  head + b'\\xff\\xff\\0\\0\\0\\0\\0\\0' + (b'\\x3f' + b'a' * 63) * 3 + b'\\xc0\\x0c\\0\\1\\0\\1' * 61,
]
big = (bombs[2] + b'\\xc0\\x0c\\0\\1\\0\\1' * 12000)[:65535]
end = time.time() + 2
n = 0
while time.time() < end:
  try:
    for b in bombs: s.sendto(b, ('127.0.0.1', 53))
    q = head + b'\\0\\1\\0\\0\\0\\0\\0\\0\\x08' + str(10000000 + n).encode() + b'\\4test\\0\\0\\1\\0\\1'
    s.sendto(q, ('127.0.0.1', 53)); n += 1
    if n % 1000 == 0:
      t = socket.create_connection(('127.0.0.1', 53), 1); t.sendall(b'\\xff\\xff' + big); t.close()
  except OSError: pass
print(n)`,
    ],
    [
      'answers without end that nobody reads',
      `
import socket, time
held = []
for i in range(120):
  s = socket.create_connection(('one.test', 80), 15)
  s.sendall(b'GET /endless HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'); held.append(s)
time.sleep(2)
print(len(held))`,
    ],
    [
      'two thousand TLS handshakes that are begun and never finished',
      `${HELLO}
for i in range(2): os.fork()
held = [connect() for i in range(500)]
time.sleep(.5)
print(sum(send(s, HELLO[:100] if i % 2 else HELLO) for i, s in enumerate(held)), flush=True)
time.sleep(2.5)`,
      true,
    ],
    [
      'TLS hellos in single bytes, in records of one byte, and begun anew all the time',
      `${HELLO}
kind = os.fork() and 1
slow, many, sent, at = [connect() for i in range(250)], single(HELLO[5:]), 0, 0
time.sleep(.3)
end = time.time() + 3
while time.time() < end:
  if kind:
    sent += sum(send(s, many[at % len(many):][:1]) for s in slow); at += 1
  else:
    held = [connect() for i in range(50)]
    time.sleep(.02)
    sent += sum(send(s, many) for s in held)
    for s in held: s.close()
print(sent)`,
      true,
    ],
    [
      'HTTP/2: requests that are reset at once',
      pour(`  out = b''
  for i in range(200): out += frame(1, 5, n + 2 * i, request()) + frame(3, 0, n + 2 * i, b'\\0\\0\\0\\x08')
  return out, n + 400`),
      true,
    ],
    [
      'HTTP/2: a header that never ends',
      pour(`  first = frame(1, 1, 1, request()) if n == 1 else b''
  return first + frame(9, 0, 1, literal(b'x-a', b'b' * 16000)) * 20, n + 2`),
      true,
    ],
    [
      'HTTP/2: pings and settings whose answers nobody reads',
      pour(
        "  return frame(6, 0, 0, b'12345678') * 500 + frame(4, 0, 0, b'\\0\\4\\0\\1\\0\\0') * 500, n",
      ),
      true,
    ],
    [
      'HTTP/2: a few bytes that stand for megabytes of header',
      pour(`  head = request() + literal(b'x-bomb', b'b' * 3900, True) + b'\\xbe' * 10000
  return frame(1, 5, n, head) if len(head) < 16384 else frame(1, 1, n, head[:16000]) + frame(9, 4, n, head[16000:]), n + 2`),
      true,
    ],
    [
      'HTTP/2: answers without end on many streams, windows open, nobody reads',
      `${h2Frames}
held = []
for c in range(8):
  try:
    s = connect(settings=b'\\0\\4\\x7f\\xff\\xff\\xff')
    s.sendall(frame(8, 0, 0, b'\\x7f\\xff\\0\\0') + b''.join(frame(1, 5, 1 + 2 * i, request(path=b'/endless')) for i in range(100)))
    held.append(s)
  except OSError: pass
time.sleep(2)
print(len(held))`,
      true,
    ],
  ];

  for (const [name, script, intercept] of floods) {
    test(name, async () => {
      const run = await flood(script, ['one.test:80,443'], intercept);
      assert.ok(
        residentKib() - atFirst < GROWTH_MAX_KIB,
        `${residentKib()} KiB after, ${atFirst} KiB at first`,
      );
      // Whatever a flood is told, nothing of it went to anybody but the allowed server.
      assert.ok(run.seen.requests.every(({ host }) => ['one.test', 'three.test'].includes(host)));
      assert.deepEqual(run.seen.strays, []);
    });
  }
});
