/** The service: bytes of a guest's stdout to a client, and files both ways; what the process of the service grows by. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { CHANNEL } from '../../src/api/spawn.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const serviceStreams: Suite = { name: 'service-streams', run };

const MB = 1e6;
const WARM_ROUNDS = 3;
const PROGRAM = join(import.meta.dirname, '../programs/service-process.ts');

interface Way {
  readonly name: string;
  readonly pass: (service: Service, id: string, bytes: number) => Promise<void>;
}

const WAYS: readonly Way[] = [
  { name: 'stdout of a guest, WebSocket', pass: spawned },
  { name: 'stdin of a guest, WebSocket', pass: fed },
  { name: 'stdout of a guest, events', pass: events },
  { name: 'a file, read', pass: read },
  { name: 'a file, written', pass: written },
];

async function run(bench: Bench): Promise<SuiteResult> {
  const bytes = (bench.quick ? 200 : 2000) * MB;
  const rounds = bench.quick ? 2 : 6;
  const rates = new Map<string, number[]>(WAYS.map(({ name }) => [name, []]));
  await using service = await Service.start(mkdtempSync(join(bench.directory, 'service-')));
  const id = await service.sandbox();
  // What is compiled and allocated once is no growth, nor is the room that V8 gives its heap for this kind of work.
  for (let turn = 0; turn < WARM_ROUNDS; turn++) {
    for (const { pass } of WAYS) await pass(service, id, 200 * MB);
  }
  const before = service.residentBytes();
  let most = before;
  for (let turn = 0; turn < rounds; turn++) {
    for (const { name, pass } of WAYS) {
      bench.note(`service: ${name}, ${turn + 1} of ${rounds}`);
      const from = performance.now();
      await pass(service, id, bytes);
      rates.get(name)?.push(bytes / MB / ((performance.now() - from) / 1000));
      most = Math.max(most, service.residentBytes());
    }
  }
  const grown = (most - before) / MB;
  const median = (name: string): number => summarize(rates.get(name) ?? []).median;
  return {
    title: 'Service: streams',
    method: `${bytes / MB} MB at a time over loopback, ${rounds} rounds of each in turn; service, launcher, guest and client share the machine. Growth: the largest resident size of the service's process after any of them, over that after three times 200 MB of each.`,
    table: {
      columns: ['', 'MB a second, median', 'middle half'],
      rows: WAYS.map(({ name }) => {
        const { lowerQuartile, upperQuartile } = summarize(rates.get(name) ?? []);
        return [name, round(median(name)), `${round(lowerQuartile)}–${round(upperQuartile)}`];
      }),
    },
    targets: [
      {
        name: 'service: stdout streamed to a client',
        measured: median('stdout of a guest, WebSocket'),
        sense: '≥',
        limit: 200,
        unit: 'MB/s',
      },
      {
        name: 'service: growth of its memory by streams',
        measured: grown,
        sense: '≤',
        limit: 64,
        unit: 'MB',
      },
    ],
  };
}

class Service implements AsyncDisposable {
  readonly address: string;
  readonly key: string;
  readonly #child: ChildProcess;
  readonly #state: string;

  private constructor(child: ChildProcess, state: string, said: { address: string; key: string }) {
    this.#child = child;
    this.#state = state;
    this.address = said.address;
    this.key = said.key;
  }

  static async start(state: string): Promise<Service> {
    const child = spawn(process.execPath, [PROGRAM, join(state, 'state')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout as NodeJS.EventEmitter, 'data');
    return new Service(child, state, JSON.parse(String(said)));
  }

  async sandbox(): Promise<string> {
    const answer = await fetch(`${this.address}/api/sandboxes`, {
      method: 'POST',
      headers: { ...this.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ policy: 'moderate', workspace: 'private' }),
    });
    return ((await answer.json()) as { id: string }).id;
  }

  get headers(): { authorization: string } {
    return { authorization: `Bearer ${this.key}` };
  }

  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await once(this.#child, 'exit');
    rmSync(this.#state, { recursive: true, force: true });
  }
}

async function socketOf(service: Service, id: string, argv: string[]): Promise<WebSocket> {
  const socket = new WebSocket(
    `${service.address.replace('http', 'ws')}/api/sandboxes/${id}/spawn`,
    { headers: service.headers, perMessageDeflate: false },
  );
  await once(socket, 'open');
  socket.send(JSON.stringify({ argv }));
  return socket;
}

async function spawned(service: Service, id: string, bytes: number): Promise<void> {
  const socket = await socketOf(service, id, ['head', '-c', String(bytes), '/dev/zero']);
  let seen = 0;
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) seen += data.length - 1;
  });
  await once(socket, 'close');
  if (seen !== bytes) throw new Error(`${seen} bytes of ${bytes} came`);
}

async function fed(service: Service, id: string, bytes: number): Promise<void> {
  const socket = await socketOf(service, id, ['wc', '-c']);
  const piece = Buffer.alloc(200_001);
  piece[0] = CHANNEL.stdin;
  let seen = '';
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) seen += data.toString('utf8', 1);
  });
  const ended = once(socket, 'close');
  for (let sent = 0; sent < bytes; sent += piece.length - 1) {
    const gone = new Promise((resolve) => socket.send(piece, resolve));
    if (socket.bufferedAmount > 4 * MB) await gone;
  }
  socket.send('{"type":"end"}');
  await ended;
  if (Number(seen) !== bytes) throw new Error(`${seen} bytes of ${bytes} came`);
}

async function events(service: Service, id: string, bytes: number): Promise<void> {
  const answer = await fetch(`${service.address}/api/sandboxes/${id}/stream`, {
    method: 'POST',
    headers: { ...service.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ argv: ['sh', '-c', `head -c ${bytes} /dev/zero | tr "\\0" x`] }),
  });
  let seen = 0;
  for await (const chunk of answer.body ?? []) seen += chunk.length;
  if (seen < bytes) throw new Error(`${seen} bytes of ${bytes} came`);
}

async function read(service: Service, id: string, bytes: number): Promise<void> {
  const path = `/api/sandboxes/${id}/files?path=${bytes}`;
  const known = await fetch(`${service.address}/api/sandboxes/${id}/files/stat?path=${bytes}`, {
    headers: service.headers,
  });
  if (known.status !== 200) {
    await fetch(`${service.address}/api/sandboxes/${id}/exec`, {
      method: 'POST',
      headers: { ...service.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ argv: ['truncate', '-s', String(bytes), String(bytes)] }),
    });
  }
  const answer = await fetch(`${service.address}${path}`, { headers: service.headers });
  let seen = 0;
  for await (const chunk of answer.body ?? []) seen += chunk.length;
  if (seen !== bytes) throw new Error(`${seen} bytes of ${bytes} came`);
}

async function written(service: Service, id: string, bytes: number): Promise<void> {
  const least = Math.min(bytes, 1000 * MB);
  const piece = Buffer.alloc(MB);
  for (let all = 0; all < bytes; all += least) {
    const sent = request(`${service.address}/api/sandboxes/${id}/files?path=written`, {
      method: 'PUT',
      headers: { ...service.headers, 'content-type': 'application/octet-stream' },
    });
    const answered = once(sent, 'response');
    for (let at = 0; at < least; at += piece.length) {
      if (!sent.write(piece)) await once(sent, 'drain');
    }
    sent.end();
    const [answer] = await answered;
    answer.resume();
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  }
}
