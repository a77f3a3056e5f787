/**
 * The host of the tests about packets: stands in a network namespace of its own, forwards, and has a way to what
 * `packets-internet.ts` is. A Caisson runs guests here.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Caisson } from '../../../src/compose.ts';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import {
  type Arrived,
  GATEWAY,
  type HostReply,
  type HostRequest,
  type Left,
  OWN,
} from './packets-client.ts';

const ip = (...argv: string[]): string => execFileSync('ip', argv, { encoding: 'utf8' });

const internet = await startInternet();
const own = createSocket('udp4');
let strays = 0;
own.on('message', () => strays++);
await new Promise<void>((resolve) => own.bind(7000, '127.0.0.1', resolve));
const open = (): Promise<Caisson> => Caisson.open({ stateDirectory: process.argv[2] as string });
let caisson = await open();
let kept: Sandbox | undefined;

process.on('message', (request: HostRequest) => {
  carryOut(request).then(
    (reply) => process.send?.({ number: request.number, ...reply }),
    (error: Error & { code?: string }) =>
      process.send?.({ number: request.number, error: String(error.message), code: error.code }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('here');

async function carryOut(request: HostRequest): Promise<HostReply> {
  if (request.host !== undefined)
    execFileSync(request.host[0] as string, request.host.slice(1), { stdio: 'pipe' });
  if (request.explain !== undefined) return { compiled: await caisson.explain(request.explain) };
  if (request.open !== undefined) {
    kept = await caisson.create({ policy: request.open });
    if (request.unguarded === true) removeGuards();
    return { left: look(), launcher: launchers() };
  }
  if (request.inside !== undefined) {
    const before = await arrived('tell');
    const outcome = await (kept as Sandbox).exec(request.inside);
    const now = await arrived('tell');
    const received = now.received - before.received;
    return { stdout: outcome.stdout.text, arrived: { ...now, received } };
  }
  if (request.publish !== undefined) {
    const { port, server } = request.publish;
    const running = (kept as Sandbox).exec(server);
    running.catch(() => {});
    const published = await (kept as Sandbox).publish(port);
    return { stdout: await ask(published.port) };
  }
  if (request.close === true) await kept?.close();
  if (request.end === true) {
    await caisson.close();
    caisson = await open();
  }
  if (request.argv === undefined || request.policy === undefined) return { left: look() };
  const before = await arrived('tell');
  const outcome = await caisson.run(request.argv, {
    policy: request.policy,
    timeoutMs: 20_000,
    ...(request.accept === undefined ? {} : { accept: [...request.accept] }),
  });
  const now = await arrived('tell');
  return {
    run: {
      code: outcome.code,
      stdout: outcome.stdout.text,
      stderr: outcome.stderr.text,
      violations: outcome.violations,
      network: outcome.usage.network,
    },
    arrived: {
      echoes: now.echoes - before.echoes,
      unknown: now.unknown - before.unknown,
      received: now.received - before.received,
      seen: now.seen,
    },
    strays,
  };
}

/** What a port of the host's loopback says first; tried again while nobody listens behind it yet. */
async function ask(port: number): Promise<string> {
  for (let tries = 0; tries < 50; tries++) {
    const said = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1');
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    if (said !== '') return said;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return '';
}

async function startInternet(): Promise<ChildProcess> {
  ip('link', 'set', 'lo', 'up');
  const child = fork(fileURLToPath(new URL('packets-internet.ts', import.meta.url)), [], {
    execPath: 'unshare',
    execArgv: ['--net', process.execPath],
  });
  await new Promise((resolve) => child.once('message', resolve));
  ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'net0', 'netns', String(child.pid));
  ip('address', 'add', `${OWN}/24`, 'dev', 'up0');
  ip('link', 'set', 'up0', 'up');
  ip('route', 'add', 'default', 'via', GATEWAY);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  const began = new Promise((resolve) => child.once('message', resolve));
  child.send('begin');
  await began;
  return child;
}

function arrived(what: 'tell'): Promise<Arrived> {
  return new Promise((resolve) => {
    internet.once('message', resolve);
    internet.send(what);
  });
}

/** What stands on the host's side: interfaces by their names, tables of nftables, routes. */
function look(): Left {
  const links = readdirSync('/sys/class/net').length === 0 ? [] : ip('-o', 'link').split('\n');
  const names = links.flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
  const tables = execFileSync('python3', ['-c', TABLES], { encoding: 'utf8' });
  return {
    links: names.filter((name) => name.startsWith('cais')),
    tables: tables.split('\n').filter((line) => line !== ''),
    routes: ip('route')
      .split('\n')
      .filter((line) => line.includes('cais')),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(),
  };
}

function launchers(): number[] {
  const task = `/proc/${process.pid}/task/${process.pid}/children`;
  return readFileSync(task, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('launcher'));
}

/** Takes the packet filter inside away, of every sandbox of this Caisson: what is left is the host's side. */
function removeGuards(): void {
  const below = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((text) => text !== '')
      .map(Number)
      .flatMap((child) => [child, ...below(child)]);
  const done = new Set<string>();
  for (const pid of launchers().flatMap(below)) {
    const space = readlinkSync(`/proc/${pid}/ns/net`);
    if (done.has(space) || !readFileSync(`/proc/${pid}/net/dev`, 'utf8').includes('out0')) continue;
    done.add(space);
    execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'python3', '-c', REMOVE]);
  }
  if (done.size === 0) throw new Error('no sandbox with a way out');
}

/** Removes the table `caisson` of the namespace that it runs in. */
const REMOVE = `
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
name = b'caisson\\0'
attribute = struct.pack('=HH', 4 + len(name), 1) + name
body = struct.pack('=BBH', 1, 0, 0) + attribute
edge = lambda kind: struct.pack('=IHHII', 20, kind, 1, 0, 0) + struct.pack('=BB', 0, 0) + struct.pack('!H', 10)
s.send(edge(16) + struct.pack('=IHHII', 16 + len(body), (10 << 8) | 2, 5, 1, 0) + body + edge(17))
answer = s.recv(65536)
# One that is being taken down may have had its own taken away before.
assert struct.unpack('=i', answer[16:20])[0] in (0, -2), answer
`;

/** Lists tables over nfnetlink: the nft program need not be there. */
const TABLES = `
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
s.send(struct.pack('=IHHIIBBH', 20, (10 << 8) | 1, 0x301, 1, 0, 0, 0, 0))
done = False
while not done:
  data = s.recv(65536)
  while data:
    length, kind = struct.unpack('=IH', data[:6])
    if kind == 3 or kind == 2: done = True; break
    at = 20
    while at + 4 <= length:
      size, attribute = struct.unpack('=HH', data[at:at+4])
      if attribute & 0x3fff == 1: print(data[at+4:at+size-1].decode())
      at += (size + 3) & ~3
    data = data[(length + 3) & ~3:]
`;
