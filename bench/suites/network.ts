/** What the egress proxy costs: throughput, delay of a connection, delay of a name. */
import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { decode, encode } from 'dns-packet';
import type { NetworkHandles, RawHandle } from '../../src/launcher/network-handles.ts';
import { ProxyClient } from '../../src/network/proxy-client.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import type { Task } from '../network-guest.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const network: Suite = { name: 'network', run };

const PROGRAM = join(import.meta.dirname, '../network-guest.ts');
const ADDRESS = '127.0.0.2';
/** The same server, with TLS. */
const TLS_ADDRESS = '127.0.0.3';
const GIB = 1 << 30;

async function run(bench: Bench): Promise<SuiteResult> {
  const server = start(['serve']);
  const [port] = (await once(server, 'message')) as [number];
  const direct = start(['guest']);
  const inside = start(['guest', String(port)], 'unshare');
  const handles = await takeHandles(inside);
  const names = await openNames();
  await using client = {
    proxy: new ProxyClient(),
    [Symbol.asyncDispose]: () => client.proxy.close(),
  };
  // The block is what lets a name lead to the loopback; the name is what the connections are allowed by.
  const opened = await client.proxy.open({
    policy: {
      mode: 'filtered',
      allow: [`*.bench.example:${port}`, `${ADDRESS}/32:${port}`, `${TLS_ADDRESS}/32:${port}`].map(
        parseDestination,
      ),
      deny: [],
      listen: [],
    },
    servers: [names.address],
    onDecision: () => {},
  });
  await opened.attach(handles);
  try {
    await measure(inside, query('www.bench.example', '127.0.0.1', 53));
    const bytes = bench.quick ? GIB / 8 : GIB;
    bench.note('network: throughput');
    const rounds = bench.quick ? 3 : 7;
    const plain = { kind: 'plain', address: ADDRESS, port, hello: HELLO } as const;
    const tls = { ...plain, kind: 'tls', address: TLS_ADDRESS } as const;
    const bare = await interleave(rounds, direct, inside, () => ({ ...plain, bytes }));
    const encrypted = await interleave(rounds, direct, inside, () => ({ ...tls, bytes }));
    bench.note('network: connections');
    const connections = await interleave(bench.quick ? 100 : 500, direct, inside, () => ({
      ...plain,
      bytes: 1,
    }));
    bench.note('network: names');
    let turn = 0;
    const queries = await interleave(bench.quick ? 100 : 500, direct, inside, (side) =>
      side === 'direct'
        ? query(`n${turn}.bench.example`, '127.0.0.1', names.port)
        : query(`n${turn++}.bench.example`, '127.0.0.1', 53),
    );
    return report(bytes, { bare, encrypted }, connections, queries);
  } finally {
    for (const child of [server, direct, inside]) child.kill('SIGKILL');
    names.close();
  }
}

interface Pair {
  readonly direct: readonly number[];
  readonly proxied: readonly number[];
}

function report(
  bytes: number,
  transfers: { bare: Pair; encrypted: Pair },
  connections: Pair,
  queries: Pair,
): SuiteResult {
  const speed = (ms: number): number => bytes / GIB / (ms / 1000);
  const percent = ({ direct, proxied }: Pair): number => (100 * median(direct)) / median(proxied);
  const added = ({ direct, proxied }: Pair): number => median(proxied) - median(direct);
  const row = (name: string, { direct, proxied }: Pair, unit: string, show = (x: number) => x) => [
    `${name}, ${unit}`,
    round(show(median(direct))),
    round(show(median(proxied))),
  ];
  return {
    title: 'The egress proxy',
    method: `${bytes / GIB} GiB, connections of one byte, and names, from a network namespace through the proxy process and directly, in turn, all on the loopback; the ends are Node processes of their own. The connections carry a server name that is checked; names are not kept from before. Two cores, three processes: the proxy competes with both ends.`,
    table: {
      columns: ['', 'direct', 'through the proxy'],
      rows: [
        row('transfer over TLS', transfers.encrypted, 'GiB/s', speed),
        row('transfer of bare bytes', transfers.bare, 'GiB/s', speed),
        row('connection', connections, 'ms'),
        row('name', queries, 'ms'),
      ],
    },
    targets: [
      {
        name: 'throughput over TLS, of direct',
        measured: percent(transfers.encrypted),
        sense: '≥',
        limit: 70,
        unit: '%',
      },
      {
        name: 'throughput of bare bytes, of direct',
        measured: percent(transfers.bare),
        sense: '≥',
        limit: 70,
        unit: '%',
        note: 'two cores, which both ends fill: what the proxy copies comes on top of what they do',
      },
      {
        name: 'added to a connection',
        measured: added(connections),
        sense: '<',
        limit: 1,
        unit: 'ms',
      },
      { name: 'added to a name', measured: added(queries), sense: '<', limit: 0.3, unit: 'ms' },
    ],
  };
}

function median(samples: readonly number[]): number {
  return summarize(samples).median;
}

/** A ClientHello of TLS 1.3 that names www.bench.example. */
const HELLO = helloFor('www.bench.example');

function helloFor(name: string): string {
  const vector = (width: number, ...parts: readonly Uint8Array[]): Buffer => {
    const bytes = Buffer.concat(parts);
    const length = Buffer.alloc(width);
    length.writeUIntBE(bytes.length, 0, width);
    return Buffer.concat([length, bytes]);
  };
  const names = vector(2, Buffer.of(0), vector(2, Buffer.from(name)));
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    vector(1),
    vector(2, Buffer.of(0x13, 1)),
    vector(1, Buffer.of(0)),
    vector(2, Buffer.of(0, 0), vector(2, names)),
  ]);
  const message = Buffer.concat([Buffer.of(1), vector(3, body)]);
  return Buffer.concat([Buffer.of(22, 3, 1), vector(2, message)]).toString('base64');
}

function query(name: string, address: string, port: number): Task {
  const questions = [{ name, type: 'A' as const }];
  const hello = encode({ type: 'query', id: 1, flags: 0x100, questions }).toString('base64');
  return { kind: 'query', address, port, hello, bytes: 0 };
}

async function interleave(
  rounds: number,
  direct: ChildProcess,
  proxied: ChildProcess,
  task: (side: 'direct' | 'proxied') => Task,
): Promise<Pair> {
  const measured: { direct: number[]; proxied: number[] } = { direct: [], proxied: [] };
  for (let each = 0; each < rounds; each++) {
    measured.direct.push(await measure(direct, task('direct')));
    measured.proxied.push(await measure(proxied, task('proxied')));
  }
  return measured;
}

async function measure(child: ChildProcess, task: Task): Promise<number> {
  child.send(task);
  while (true) {
    const [message] = (await once(child, 'message')) as [{ ms?: number }];
    if (message.ms !== undefined) return message.ms;
  }
}

function start(args: readonly string[], through?: 'unshare'): ChildProcess {
  return fork(PROGRAM, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    ...(through === undefined ? {} : { execPath: through, execArgv: ['-n', process.execPath] }),
  });
}

async function takeHandles(child: ChildProcess): Promise<NetworkHandles> {
  const parts: Record<string, RawHandle> = {};
  const take = (message: { part?: string }, handle: unknown): void => {
    if (message.part !== undefined) parts[message.part] = handle as RawHandle;
  };
  child.on('message', take);
  while (Object.keys(parts).length < 3) await once(child, 'message');
  child.off('message', take);
  return parts as unknown as NetworkHandles;
}

/** A name server that says of every name that it is at the server's address. */
async function openNames(): Promise<{ address: string; port: number; close: () => void }> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const { id = 0, questions = [] } = decode(bytes);
    const [question] = questions;
    const answers =
      question?.type === 'A'
        ? [
            { name: question.name, type: 'A' as const, ttl: 60, data: ADDRESS },
            { name: question.name, type: 'A' as const, ttl: 60, data: TLS_ADDRESS },
          ]
        : [];
    const answer = encode({ type: 'response', id, flags: 0x8180, questions, answers });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  return { address: `127.0.0.1:${port}`, port, close: () => socket.close() };
}
