/**
 * Both ends of the network benchmark, as processes of their own: `serve` streams as many bytes as the first message asks
 * for; `guest` measures, directly or from a namespace whose every destination is its own loopback (there it hands its
 * three sockets out first, as the launcher does).
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { Authority } from '../src/network/intercept/authority.ts';

export interface Task {
  readonly kind: 'plain' | 'tls' | 'query';
  readonly address: string;
  readonly port: number;
  /** First bytes, base64; the server is asked for {@link bytes} by what follows. */
  readonly hello: string;
  readonly bytes: number;
}

const CHUNK = Buffer.alloc(256 * 1024, 7);
const role = process.argv[2];
if (role === 'serve') await serve();
if (role === 'guest') await guest(process.argv[3]);

async function serve(): Promise<void> {
  const answer = (socket: Socket): void => {
    socket.on('error', () => {});
    socket.once('data', (first) => stream(socket, first.readUIntBE(first.length - 6, 6)));
  };
  const authority = await Authority.create();
  const secureContext = await authority.contextFor('www.bench.example');
  const plain = createServer({ noDelay: true }, answer).listen(0, '127.0.0.2');
  await once(plain, 'listening');
  const tls = createTlsServer({ SNICallback: (_name, done) => done(null, secureContext) }, answer);
  const { port } = plain.address() as { port: number };
  // The same port, since a namespace of the benchmark listens on one alone; the address tells them apart.
  tls.listen(port, '127.0.0.3');
  await once(tls, 'listening');
  process.send?.(port);
}

function stream(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      if (!socket.write(chunk) && left > 0) return void socket.once('drain', more);
    }
    socket.end();
  };
  more();
}

async function guest(port: string | undefined): Promise<void> {
  if (port !== undefined) await handOut(Number(port));
  process.on('message', async (task: Task) => {
    process.send?.({ ms: await measure(task) });
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ ready: true });
}

async function measure(task: Task): Promise<number> {
  const started = performance.now();
  if (task.kind === 'query') {
    const socket = createSocket('udp4');
    socket.send(Buffer.from(task.hello, 'base64'), task.port, task.address);
    await once(socket, 'message');
    socket.close();
    return performance.now() - started;
  }
  if (task.kind === 'tls') return await measureTls(task, started);
  const buffer = Buffer.alloc(256 * 1024);
  let received = 0;
  const asked = Buffer.alloc(6);
  asked.writeUIntBE(task.bytes, 0, 6);
  const socket = connect({
    host: task.address,
    port: task.port,
    noDelay: true,
    onread: {
      buffer,
      callback: (count) => {
        received += count;
        return true;
      },
    },
  });
  socket.write(Buffer.concat([Buffer.from(task.hello, 'base64'), asked]));
  await once(socket, 'end');
  if (received !== task.bytes) throw new Error(`${received} of ${task.bytes} bytes came`);
  return performance.now() - started;
}

async function measureTls({ address, port, bytes }: Task, started: number): Promise<number> {
  const asked = Buffer.alloc(6);
  asked.writeUIntBE(bytes, 0, 6);
  const servername = 'www.bench.example';
  const socket = connectTls({ host: address, port, servername, rejectUnauthorized: false });
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  socket.write(asked);
  await once(socket, 'end');
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  return performance.now() - started;
}

async function handOut(port: number): Promise<void> {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('ip', ['route', 'add', 'local', 'default', 'dev', 'lo', 'table', 'local']);
  const tcp = createServer().listen(port, '::');
  const dnsTcp = createServer().listen(53, '127.0.0.1');
  const dnsUdp = createSocket('udp4').bind(53, '127.0.0.1');
  await Promise.all([tcp, dnsTcp, dnsUdp].map((socket) => once(socket, 'listening')));
  const udpState = Object.getOwnPropertySymbols(dnsUdp)
    .map((symbol) => (dnsUdp as unknown as Record<symbol, { handle?: unknown }>)[symbol])
    .find((state) => state?.handle !== undefined);
  for (const [part, handle, socket] of [
    ['tcp', (tcp as unknown as { _handle: unknown })._handle, tcp],
    ['dnsTcp', (dnsTcp as unknown as { _handle: unknown })._handle, dnsTcp],
    ['dnsUdp', udpState?.handle, dnsUdp],
  ] as const) {
    process.send?.({ part }, handle as never, {}, () => socket.close());
  }
}
