/**
 * The egress proxy in this process, with a guest before it and servers behind it, all on the loopback. Where the guest
 * connected to, which TPROXY tells in earnest, is told by the test; addresses of the world stand for ports of the test.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dialAtMost } from '../../src/network/dial.ts';
import { EgressProxy } from '../../src/network/egress-proxy.ts';
import { HttpRelay } from '../../src/network/http-relay.ts';
import type { Judge } from '../../src/network/judge.ts';
import type { Ask } from '../../src/network/questions.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';
import { openDnsServer } from './dns-server.ts';
import { openJudge, type Reported } from './judge-parts.ts';

export interface World extends AsyncDisposable {
  readonly judge: Judge;
  readonly proxy: EgressProxy;
  readonly reported: Reported[];
  /** `address:port` of what was dialled, in order. */
  readonly dialled: string[];
  /** Names that the host's server was asked for. */
  readonly asked: string[];
  /** As a program inside connects, after it looked the name up or knew the address. */
  connect(address: string, port: number): Promise<Socket>;
  /** As the resolver is asked from inside. */
  resolve(name: string): Promise<void>;
  /** Puts a server of the test behind an address of the world. */
  serve(at: string, server: Server): Promise<void>;
}

export async function openWorld(
  policy: NetworkPolicy,
  zone: Record<string, readonly string[]>,
  options: {
    readonly ask?: Ask;
    readonly quietMs?: number;
    readonly headMs?: number;
    /** Connections to servers at once; default 512. */
    readonly dialledMost?: number;
    /** A server was reached, and who dialled has not been told. */
    readonly onReached?: () => void;
  } = {},
): Promise<World> {
  const dns = await openDnsServer(zone);
  const { judge, reported, resolver } = openJudge(policy, dns.address, options.ask);
  const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: listening } = listener.address() as { port: number };
  const destinations: { address: string; port: number }[] = [];
  const servers = new Map<string, Server>();
  const dialled: string[] = [];
  const opened = new Set<Socket>();
  const http = new HttpRelay();
  const dial = dialAtMost(options.dialledMost ?? 512);
  const proxy = new EgressProxy(
    listener,
    {
      judge,
      http: async () => http,
      report: (decision) => reported.push(decision),
      times: {
        quietMs: options.quietMs ?? 50,
        headMs: options.headMs ?? 2000,
        idleMs: 60_000,
      },
      dial: async (addresses, port, onread) => {
        dialled.push(`${addresses[0]}:${port}`);
        const address = addresses.find((each) => servers.has(`${each}:${port}`));
        const server = servers.get(`${address}:${port}`);
        if (server === undefined) {
          throw Object.assign(new Error('nobody is there'), { code: 'ECONNREFUSED' });
        }
        const { port: listening } = server.address() as { port: number };
        const socket = await dial(['127.0.0.1'], listening, onread);
        options.onReached?.();
        return Object.defineProperty(socket, 'remoteAddress', { value: address });
      },
    },
    () => destinations.shift(),
  );
  return {
    judge,
    proxy,
    reported,
    dialled,
    asked: dns.asked,
    connect: async (address, port) => {
      destinations.push({ address, port });
      const socket = connect({ port: listening, host: '127.0.0.1', allowHalfOpen: true });
      opened.add(socket);
      socket.on('error', () => {});
      // A refusal can be there before the connection is told.
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
      return socket;
    },
    resolve: async (name) => {
      if ((await judge.name(name)).allowed) await judge.names.resolve(name, 4);
    },
    serve: async (at, server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      server.on('connection', (socket: Socket) => opened.add(socket.on('error', () => {})));
      servers.set(at, server);
    },
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      resolver.close();
      for (const socket of opened) socket.destroy();
      for (const server of servers.values()) server.close();
      await dns[Symbol.asyncDispose]();
    },
  };
}

/** Everything until the end, or until it is reset. */
export async function readAll(socket: Socket): Promise<{ text: string; reset: boolean }> {
  const chunks: Buffer[] = [];
  if (socket.destroyed) return { text: '', reset: true };
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const reset = await new Promise<boolean>((resolve) => {
    socket.once('end', () => resolve(false));
    socket.once('error', () => resolve(true));
    socket.once('close', (failed) => resolve(failed));
  });
  return { text: Buffer.concat(chunks).toString('latin1'), reset };
}

/** Answers each connection with a mark and what came first, and ends. */
export function echoServer(mark: string): Server {
  return createServer((socket) => {
    socket.once('data', (chunk) => socket.end(`${mark} ${chunk.toString('latin1')}`));
  });
}
