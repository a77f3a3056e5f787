/**
 * A filtered network holds whatever system calls a level leaves: the ways past it that a system call could be, tried at
 * each level that has a guest. What counts is what the servers of the small internet saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { WorldClient } from '../e2e/network/world-client.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0
    ? rootless
    : 'python3 is not installed';
let world: WorldClient;

/** Each attempt says `got in` where it did; what a socket of another kind would send goes to where strays are told. */
const ATTEMPTS = `
import socket, os, ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, work):
  try: print(name, 'got in' if work() else 'nothing', flush=True)
  except Exception as error: print(name, type(error).__name__, error, flush=True)
away = ('198.51.100.20', 9999)
def raw(kind):
  s = socket.socket(socket.AF_INET, socket.SOCK_RAW, kind)
  s.sendto(b'x' * 64, ('198.51.100.20', 0)); return True
def packet():
  s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('lo', 0)); s.send(b'x' * 64); return True
def option(level, name, value):
  s = socket.socket(); s.setsockopt(level, name, value); return True
def device():
  # Anybody may bind to one: the way is the same.
  s = socket.socket(); s.settimeout(2); s.setsockopt(1, 25, b'lo\\0'); s.connect(away); s.sendall(b'x'); return bool(s.recv(10))
def mark():
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  s.setsockopt(socket.SOL_SOCKET, 36, 0x43414954); s.sendto(b'marked', away); return True
def datagram(family=socket.AF_INET, kind=socket.SOCK_DGRAM, protocol=0):
  s = socket.socket(family, kind, protocol); s.settimeout(1); s.connect(away); s.send(b'x'); return bool(s.recv(10))
def stream(where):
  s = socket.create_connection(where, 2); s.sendall(b'x'); return bool(s.recv(10))
def netlink(family):
  s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
  # NEWLINK of a dummy; DELTABLE of ours
  kind = 16 if family == 0 else (10 << 8) | 2
  body = struct.pack('=BxHiII', 0, 0, 0, 1, 1) if family == 0 else struct.pack('=BBH', 1, 0, 0) + struct.pack('=HH', 12, 1) + b'caisson\\0'
  s.send(struct.pack('=IHHII', 16 + len(body), kind, 5, 1, 0) + body)
  return struct.unpack_from('=i', s.recv(4096), 16)[0] == 0
def other(family):
  # The host may be reached through these, whatever the network namespace.
  s = socket.socket(family, socket.SOCK_STREAM); return True
def namespace():
  if libc.unshare(0x10000000 | 0x40000000) != 0: raise OSError(ctypes.get_errno(), 'unshare')
  os.execvp('true', ['true']) if os.fork() == 0 else os.wait()
  fd = os.open('/proc/1/ns/net', os.O_RDONLY)
  return libc.setns(fd, 0x40000000) == 0
def ring():
  # io_uring makes sockets that no filter of system calls sees.
  params = ctypes.create_string_buffer(120)
  fd = libc.syscall(425, 4, params)
  if fd < 0: raise OSError(ctypes.get_errno(), 'io_uring_setup')
  return True
attempt('raw', lambda: raw(255)); attempt('icmp', lambda: raw(1)); attempt('packet', packet)
attempt('transparent', lambda: option(0, 19, 1)); attempt('device', device); attempt('mark', mark)
attempt('udp', datagram); attempt('udplite', lambda: datagram(protocol=136)); attempt('sctp', lambda: datagram(kind=socket.SOCK_SEQPACKET, protocol=132))
attempt('mptcp', lambda: datagram(kind=socket.SOCK_STREAM, protocol=262)); attempt('dccp', lambda: datagram(kind=6, protocol=33))
attempt('tcp', lambda: stream(away)); attempt('proxy', lambda: stream(('127.0.0.1', 61000))); attempt('proxy6', lambda: stream(('::1', 61000)))
attempt('mapped', lambda: stream(('::ffff:198.51.100.20', 9999))); attempt('host', lambda: stream(('203.0.113.5', 80)))
attempt('link', lambda: netlink(0)); attempt('nft', lambda: netlink(12))
for number in (40, 38, 31, 29, 44, 21): attempt(f'family {number}', lambda: other(number))
attempt('ring', ring); attempt('namespace', namespace)
`;

describe('a filtered network at each level', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  for (const level of ['moderate', 'strict'] as const) {
    test(`${level}: no system call leads past it`, async () => {
      const network = { mode: 'filtered', allow: ['one.test:80'] } as const;
      const run = await world.run(['python3', '-c', ATTEMPTS], {
        level,
        network,
        onViolation: 'record',
      });
      assert.match(run.stdout, /^namespace /m, run.stderr);
      assert.doesNotMatch(run.stdout, /got in/, run.stdout);
      assert.deepEqual(run.seen.strays, []);
      assert.deepEqual(run.seen.requests, []);
      assert.deepEqual(run.seen.datagrams, []);
      // Its network works all the same.
      const ask =
        'import urllib.request as u; print(u.urlopen("http://one.test/in").read().decode())';
      const allowed = await world.run(['python3', '-c', ask], {
        level,
        network,
      });
      assert.match(allowed.stdout, /one\.test\/in/, allowed.stderr);
    });
  }

  test('ablated: where everything is allowed, what can be sent is', async () => {
    const run = await world.run(['python3', '-c', ATTEMPTS], {
      level: 'moderate',
      network: { mode: 'full' },
      onViolation: 'record',
    });
    assert.ok(run.seen.strays.includes('udp 198.51.100.20:9999'), run.stdout);
    assert.ok(run.seen.strays.includes('tcp 198.51.100.20:9999'), run.stdout);
  });
});
