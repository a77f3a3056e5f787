/**
 * A small internet in the network namespace that this process stands in: a name server and three web servers, two of
 * them on one address. Every address is on the loopback interface of the namespace.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp, type Server } from 'node:net';
import { decode, encode } from 'dns-packet';
import { Authority } from '../../../src/network/intercept/authority.ts';
import { startEchoes } from './echoes.ts';

export const NAME_SERVER = '198.51.100.53';
/** `one.test` and `two.test` share an address; `three.test` has its own. */
export const SHARED = '198.51.100.10';
export const ALONE = '198.51.100.20';
const PRIVATE = '10.1.2.3';
const METADATA = '169.254.169.254';
/** The host's own public address, with a service of the host on it. */
const OWN = '203.0.113.5';
const SIX = '2001:db8::10';

/** What the servers saw: the effect on this side of the wall. */
export interface Seen {
  /** `GET two.test/path` with the address it came in on. */
  readonly requests: {
    host: string;
    path: string;
    method: string;
    address: string;
    token: string;
  }[];
  /** Names asked of the name server. */
  readonly names: string[];
  /** Bytes and datagrams that came in on addresses and ports where nothing should: `tcp 198.51.100.20:9999`. */
  readonly strays: string[];
  /** Datagrams that an echo server answered: `198.51.100.10:7000 hello`. */
  readonly datagrams: string[];
}

export interface World {
  readonly seen: Seen;
  /** PEM: who signed the servers' certificates. */
  readonly roots: string;
  /** Another answer from now on: rebinding. */
  point(name: string, addresses: readonly string[]): void;
  close(): Promise<void>;
}

/** For who does not read. */
function endless(response: ServerResponse): void {
  const piece = Buffer.alloc(65_536);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more).on('error', () => {});
  more();
}

export async function startWorld(): Promise<World> {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  // Reached as if they were elsewhere: what is an address of an interface is the host's own.
  for (const address of [NAME_SERVER, SHARED, ALONE, PRIVATE, METADATA, `${SIX}/128`]) {
    execFileSync('ip', ['route', 'add', 'local', address, 'dev', 'lo']);
  }
  writeFileSync('/proc/sys/net/ipv6/ip_nonlocal_bind', '1');
  execFileSync('ip', ['address', 'add', `${OWN}/32`, 'dev', 'lo']);
  const seen: Seen = { requests: [], names: [], strays: [], datagrams: [] };
  const zone = new Map<string, readonly string[]>([
    ['one.test', [SHARED, SIX]],
    ['two.test', [SHARED]],
    ['three.test', [ALONE]],
    ['moved.test', [ALONE]],
    ['inner.test', [PRIVATE]],
    ['cloud.test', [METADATA]],
    ['own.test', [OWN]],
  ]);
  const authority = await Authority.create();
  const closing: (() => Promise<void>)[] = [];

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const host = (request.headers.host ?? '').split(':')[0] ?? '';
    const path = request.url ?? '';
    const address = request.socket.localAddress ?? '';
    const token = request.headers.authorization ?? '';
    seen.requests.push({ host, path, method: request.method ?? '', address, token });
    if (path === '/away')
      return void response.writeHead(302, { location: 'https://three.test/' }).end();
    if (path === '/inward')
      return void response.writeHead(302, { location: 'http://inner.test/' }).end();
    if (path === '/endless') return void endless(response);
    // What it was sent, in the ways in which a careless server shows it again.
    if (path === '/echo') {
      const shown = token.replace(/^Bearer /, '');
      const ways = [
        shown,
        encodeURIComponent(shown),
        Buffer.from(`me:${shown}`).toString('base64'),
      ];
      return void response.end(`${ways.join('\n')}\n`);
    }
    response.end(`this is ${host}${path}\n`);
  };
  const listen = async (server: Server, port: number, address: string): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
    closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  };
  for (const [address, names] of [
    [SHARED, ['one.test', 'two.test']],
    [SIX, ['one.test']],
    [ALONE, ['three.test', 'moved.test']],
    [PRIVATE, ['inner.test']],
    [METADATA, ['cloud.test']],
    [OWN, ['own.test']],
    // Of the host, and never the guest's.
    ['127.0.0.1', ['moved.test']],
  ] as const) {
    await listen(createHttp(answer), 80, address);
    const context = await authority.contextFor(names[0]);
    const contexts = new Map<string, typeof context>();
    for (const name of names) contexts.set(name, await authority.contextFor(name));
    const first = await authority.certificateFor(names[0]);
    const server = createHttps(
      {
        SNICallback: (name, done) => done(null, contexts.get(name) ?? context),
        ALPNProtocols: ['http/1.1'],
        ...(first === '' ? {} : {}),
      },
      answer,
    );
    await listen(server, 443, address);
  }
  // Nothing should ever come here.
  const stray = createTcp((socket) => {
    seen.strays.push(`tcp ${socket.localAddress}:${socket.localPort}`);
    socket.destroy();
  });
  await listen(stray, 9999, ALONE);
  for (const [address, port] of [
    [ALONE, 443],
    [ALONE, 9999],
    [SHARED, 53],
  ] as const) {
    const socket = createSocket('udp4');
    socket.on('message', () => seen.strays.push(`udp ${address}:${port}`));
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    closing.push(() => new Promise((resolve) => socket.close(() => resolve())));
  }

  const echoes = [SHARED, ALONE, PRIVATE, METADATA, OWN, SIX].map(
    (address) => [address, 7000] as const,
  );
  closing.push(
    await startEchoes([...echoes, [ALONE, 123], [ALONE, 7001], [SHARED, 443]], seen.datagrams),
  );

  const dns = createSocket('udp4');
  dns.on('message', (message, from) => {
    const query = decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    seen.names.push(name);
    const six = question.type === 'AAAA';
    const found = zone.get(name)?.filter((address) => address.includes(':') === six);
    const answers = (found ?? []).map((data) => ({
      type: six ? ('AAAA' as const) : ('A' as const),
      name: question.name,
      ttl: 1,
      data,
    }));
    const rcode = zone.has(name) ? 0 : 3;
    // QR, RD, RA
    const flags = 0x8180 | rcode;
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      flags,
      questions: [question],
      answers,
    });
    dns.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve) => dns.bind(53, NAME_SERVER, resolve));
  closing.push(() => new Promise((resolve) => dns.close(() => resolve())));

  return {
    seen,
    roots: authority.certificatePem,
    point: (name, addresses) => zone.set(name, addresses),
    close: async () => {
      await Promise.all(closing.map((close) => close()));
    },
  };
}
