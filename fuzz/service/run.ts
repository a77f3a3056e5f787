/** Sends requests to a service of its own, and holds each answer against the contract. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { pathOf } from '../../src/api/route.ts';
import { SeededRandom } from '../../test/seeded-random.ts';
import { RawConnection } from '../../test/server/raw-http.ts';
import { findingsOf, messageFindings } from './findings.ts';
import { mutateText, mutateValue, write } from './mutations.ts';
import { type FuzzedRequest, type Operation, requestFor } from './requests.ts';
import { valueFor } from './values.ts';
import { learn, openWorld, type Tenant, type World } from './world.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** At most so many; default: as many as there is time for. */
  readonly requests?: number;
  /** Told of each finding at once. */
  readonly note?: (finding: Finding) => void;
  /** The service runs. */
  readonly onOpen?: () => void;
}

export interface Finding {
  readonly operation: string;
  readonly what: string;
  readonly changes: readonly string[];
  readonly request: string;
  readonly answer: string;
}

export interface FuzzReport {
  readonly requests: number;
  readonly sockets: number;
  /** Of answers, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Routes that answered as they do when all is well. */
  readonly succeeded: readonly string[];
  readonly findings: readonly Finding[];
}

const AT_ONCE = 6;
/** An answer that lasts is read so long. */
const STREAM_MS = 250;
const PATIENCE_MS = 20_000;

export async function fuzzService(options: FuzzOptions): Promise<FuzzReport> {
  const fuzz = new Fuzz(await openWorld(), options);
  options.onOpen?.();
  try {
    await fuzz.run();
    await fuzz.requireHealth();
  } finally {
    await fuzz.close();
  }
  return fuzz.report();
}

class Fuzz {
  readonly #world: World;
  readonly #options: FuzzOptions;
  readonly #random: SeededRandom;
  readonly #statuses = new Map<number, number>();
  readonly #succeeded = new Set<string>();
  readonly #findings: Finding[] = [];
  #requests = 0;
  #sockets = 0;

  constructor(world: World, options: FuzzOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<void> {
    const until = performance.now() + this.#options.seconds * 1000;
    const most = this.#options.requests ?? Number.POSITIVE_INFINITY;
    const sender = async (): Promise<void> => {
      while (performance.now() < until && this.#requests < most) {
        this.#requests++;
        const operation = this.#random.pick(this.#world.operations);
        if (operation.route.socket === true) await this.#socket(operation);
        else await this.#request(operation);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
  }

  async #request(operation: Operation): Promise<void> {
    const tenant = this.#random.pick(this.#world.tenants);
    const key = this.#random.chance(0.85) ? tenant.keys[0] : this.#random.pick(tenant.keys);
    const { route } = operation;
    const request = requestFor(
      operation,
      this.#random,
      tenant.things,
      route.scope === 'public' ? undefined : key,
    );
    const connection = await RawConnection.open(this.#world.service.address);
    connection.send(request.bytes);
    // What is not whole would be waited for.
    const end = request.isWhole ? undefined : setTimeout(() => connection.socket.end(), 100);
    const isStream = Object.values(route.answers).some(
      ({ content }) => content === 'text/event-stream',
    );
    const answer = await connection.answer({
      head: request.method === 'HEAD',
      patienceMs: isStream ? STREAM_MS : PATIENCE_MS,
    });
    clearTimeout(end);
    connection.destroy();
    for (const what of findingsOf(
      operation,
      isStream ? { ...request, isWhole: false } : request,
      answer,
    )) {
      this.#add(
        operation,
        what,
        request,
        answer === undefined ? '' : `${answer.status} ${answer.body.toString('utf8')}`,
      );
    }
    if (answer === undefined) return;
    this.#statuses.set(answer.status, (this.#statuses.get(answer.status) ?? 0) + 1);
    if (answer.status >= 300 || answer.isCut || !request.isOfRoute) return;
    this.#succeeded.add(route.id);
    if (answer.headers['content-type'] === 'application/json') {
      learn(
        tenant.things,
        request.text.split(/[ ?]/, 2)[1] ?? '',
        JSON.parse(answer.body.toString('utf8')),
      );
    }
  }

  async #socket(operation: Operation): Promise<void> {
    this.#sockets++;
    const tenant = this.#random.pick(this.#world.tenants) as Tenant;
    const { things } = tenant;
    const path = pathOf(operation.route.path, {
      id: this.#random.pick(['none', ...things.sandbox]),
      port: this.#random.pick(['8080', 'x', '0', ...things.port]),
    });
    const url = `${this.#world.service.address.replace('http', 'ws')}${path}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${tenant.keys[0]}` } });
    const said: string[] = [];
    const gone = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.on('error', () => {});
      socket.once('unexpected-response', (asked, response) => {
        const status = response.statusCode ?? 0;
        this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
        if (!operation.statuses.has(status) || status >= 500) {
          this.#add(operation, `a status that is not documented: ${status}`, told(said), '');
        }
        asked.destroy();
        resolve();
      });
    });
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary || operation.route.id === 'connectPort') return;
      const text = data.toString('utf8');
      for (const what of messageFindings(operation, text))
        this.#add(operation, what, told(said), text);
    });
    socket.once('open', () => {
      this.#succeeded.add(operation.route.id);
      for (const message of this.#messages(tenant)) {
        said.push(String(message));
        socket.send(message, { binary: typeof message !== 'string' });
      }
      if (this.#random.chance(0.3)) socket.terminate();
    });
    const patience = new AbortController();
    const late = sleep(2000, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([gone, late]);
    patience.abort();
    socket.terminate();
  }

  /** A start document, controls and bytes, each of them wrong now and then. */
  #messages({ things }: Tenant): (string | Buffer)[] {
    const random = this.#random;
    const argv = { type: 'array', items: { type: 'string' }, minItems: 1 } as const;
    const start = {
      argv: valueFor(argv, 'argv', random, things),
      ...(random.chance(0.3) ? { pty: { rows: 24, columns: 80 } } : {}),
      ...(random.chance(0.3) ? { timeoutMs: 500 } : {}),
      ...(random.chance(0.1) ? { detach: true } : {}),
    };
    const controls = [
      { type: 'signal', signal: random.pick(['SIGTERM', 'SIGKILL', 'SIGNONE', '', '9']) },
      { type: 'resize', rows: random.pick([1, 0, 65_535, 65_536]), columns: 80 },
      { type: 'end' },
      { type: 'kill' },
      { type: 'none' },
    ];
    const document = (value: unknown): string => {
      const wrong = random.chance(0.3) ? mutateValue(value, random) : value;
      const text = write(wrong);
      return random.chance(0.1) ? mutateText(text, random) : text;
    };
    const more = Array.from({ length: random.below(6) }, () =>
      random.chance(0.5)
        ? document(random.pick(controls))
        : Buffer.from(random.pick([[0, 65, 10], [], [1], [0], [255, 1, 2]])),
    );
    return [...(random.chance(0.9) ? [document(start)] : []), ...more];
  }

  #add(
    operation: Operation,
    what: string,
    request: Pick<FuzzedRequest, 'changes' | 'text'>,
    answer: string,
  ): void {
    const finding = {
      operation: operation.route.id,
      what,
      changes: request.changes,
      request: request.text.slice(0, 2000),
      answer: answer.slice(0, 1000),
    };
    this.#findings.push(finding);
    this.#options.note?.(finding);
  }

  /** @throws where something is not as it was before */
  async requireHealth(): Promise<void> {
    const { service, tenants } = this.#world;
    const ready = await service.ask('GET', '/readyz');
    if (ready.status !== 200) throw new Error(`not ready any more: ${ready.text}`);
    const [tenant] = tenants;
    const ran = await service.ask('POST', '/api/runs', {
      key: tenant?.keys[0],
      body: { argv: ['echo', 'well'] },
    });
    if (!ran.text.includes('well')) throw new Error(`runs nothing any more: ${ran.text}`);
  }

  async close(): Promise<void> {
    const { service } = this.#world;
    await service.serving.stop(5000);
    const left = readdirSync(join(service.state, 'workspaces'));
    await this.#world[Symbol.asyncDispose]();
    if (left.length > 0) throw new Error(`workspaces are left: ${left.join(', ')}`);
  }

  report(): FuzzReport {
    return {
      requests: this.#requests,
      sockets: this.#sockets,
      statuses: Object.fromEntries([...this.#statuses].sort(([a], [b]) => a - b)),
      succeeded: [...this.#succeeded].sort(),
      findings: this.#findings,
    };
  }
}

function told(said: readonly string[]): Pick<FuzzedRequest, 'changes' | 'text'> {
  return { changes: [], text: said.join('\n') };
}
