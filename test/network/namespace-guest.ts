/**
 * The inside of a filtered network, without the launcher: run in a network namespace of its own by
 * `proxy-client.test.ts`, it routes every destination to its loopback, hands its three sockets out, and then does as it
 * is told. What TPROXY does for every port is done here for the one port that is listened on.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

for (const args of [
  'link set lo up',
  'route add local default dev lo table local',
  '-6 route add local default dev lo table local',
])
  execFileSync('ip', args.split(' '));

const port = Number(process.argv[2]);
const raw = (socket: object): never => (socket as { _handle: unknown })._handle as never;
const tcp = createServer().listen(port, '::');
const dnsTcp = createServer().listen(53, '127.0.0.1');
const dnsUdp = createSocket('udp4').bind(53, '127.0.0.1');
await Promise.all([tcp, dnsTcp, dnsUdp].map((socket) => once(socket, 'listening')));
const udpHandle = Object.getOwnPropertySymbols(dnsUdp)
  .map((symbol) => (dnsUdp as unknown as Record<symbol, { handle?: unknown }>)[symbol])
  .find((state) => state?.handle !== undefined)?.handle as never;
for (const [part, handle, socket] of [
  ['tcp', raw(tcp), tcp],
  ['dnsUdp', udpHandle, dnsUdp],
  ['dnsTcp', raw(dnsTcp), dnsTcp],
] as const) {
  // Held here no longer than until they are handed over: nobody must accept or read but the proxy.
  process.send?.({ part }, handle, {}, () => socket.close());
}

/** What a program inside does: a name, a connection. */
process.on('message', async (task: { name?: string; address?: string; send?: string }) => {
  if (task.name !== undefined) {
    const resolver = new Resolver({ timeout: 3000, tries: 1 });
    resolver.setServers(['127.0.0.1']);
    process.send?.({ answer: await resolver.resolve4(task.name).catch((error) => error.code) });
    return;
  }
  const socket = connect(port, task.address);
  const chunks: Buffer[] = [];
  let failure: string | undefined;
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code;
  });
  socket.write(Buffer.from(task.send ?? '', 'base64'));
  socket.on('close', () => {
    process.send?.({ answer: failure ?? Buffer.concat(chunks).toString('latin1') });
  });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
