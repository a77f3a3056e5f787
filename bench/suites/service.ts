/** The service beside the library: a sandbox over HTTP, how many a second, executions of a module. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog, Caisson } from '../../src/index.ts';
import { LeanClient, requestBytes } from '../lean-client.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const service: Suite = { name: 'service', run };

const PROGRAM = join(import.meta.dirname, '../programs/service-process.ts');
const RUNS_IN_FLIGHT = 24;
const EXECUTIONS_IN_FLIGHT = 32;
const SOURCE = 'export default (a, b) => a + b';
/** What stays from one execution to the next; effects keep nothing unless they are registered as modules that do. */
const KEPT = [
  { keep: 'context', label: 'kept context' },
  { keep: 'isolate', label: 'fresh context' },
  { keep: 'nothing', label: 'fresh isolate' },
] as const;

async function run(bench: Bench): Promise<SuiteResult> {
  const rounds = bench.quick ? 100 : 600;
  const seconds = bench.quick ? 4 : 15;
  await using served = await Served.start(mkdtempSync(join(bench.directory, 'service-')));
  const { address, key } = served;
  await using audit = await AuditLog.open({ directory: join(bench.directory, 'audit') });
  await using caisson = await Caisson.open({
    audit,
    stateDirectory: mkdtempSync(join(bench.directory, 'state-')),
  });
  await using manager = await caisson.manager();
  const client = await LeanClient.open(address);

  const library = async (): Promise<void> => {
    const sandbox = await manager.create({ policy: 'strict' });
    const { code } = await sandbox.exec(['true']);
    await sandbox.close();
    if (code !== 0) throw new Error(`true ended with ${code}`);
  };
  const create = requestBytes('POST', '/api/sandboxes', key, { policy: 'strict' });
  const overHttp = async (): Promise<void> => {
    const { body, status } = await client.ask(create);
    if (status !== 201) throw new Error(body);
    const { id } = JSON.parse(body) as { id: string };
    const ran = await client.ask(
      requestBytes('POST', `/api/sandboxes/${id}/exec`, key, { argv: ['true'] }),
    );
    if (ran.status !== 200) throw new Error(ran.body);
    const ended = await client.ask(requestBytes('DELETE', `/api/sandboxes/${id}`, key));
    if (ended.status !== 200) throw new Error(ended.body);
  };
  const samples = { library: [] as number[], http: [] as number[] };
  for (let turn = -20; turn < rounds; turn++) {
    if (turn % 100 === 0) bench.note(`service: ${turn} of ${rounds}`);
    for (const which of turn % 2 === 0
      ? (['library', 'http'] as const)
      : (['http', 'library'] as const)) {
      const from = performance.now();
      await (which === 'library' ? library() : overHttp());
      if (turn >= 0) samples[which].push(performance.now() - from);
    }
  }
  client.close();

  const health = requestBytes('GET', '/healthz', key);
  const idle = await load(served, 8, 2, () => health);
  bench.note(`service: healthz ${show(idle)}`);
  const command = requestBytes('POST', '/api/runs', key, { argv: ['true'], policy: 'strict' });
  const runs = await load(served, RUNS_IN_FLIGHT, seconds, () => command);
  bench.note(`service: runs ${show(runs)}`);
  const recycled = await recycledRuns(bench, seconds);
  bench.note(`service: runs, namespaces recycled ${show(recycled)}`);
  const executions: { readonly label: string; readonly load: Load }[] = [];
  const registrar = await LeanClient.open(address);
  for (const { keep, label } of KEPT) {
    const module = { id: keep, version: '1.0.0', kind: 'js', code: SOURCE, keep };
    const { status, body } = await registrar.ask(requestBytes('POST', '/api/modules', key, module));
    if (status !== 201) throw new Error(body);
    const execute = requestBytes('POST', '/api/effects/execute', key, { id: keep, args: [20, 22] });
    await load(served, EXECUTIONS_IN_FLIGHT, 1, () => execute);
    executions.push({
      label,
      load: await load(served, EXECUTIONS_IN_FLIGHT, seconds, () => execute),
    });
    bench.note(
      `service: executions, ${label}: ${show((executions.at(-1) as { load: Load }).load)}`,
    );
  }
  registrar.close();

  const [own, over] = [summarize(samples.library), summarize(samples.http)];
  const ratio = (over.median - 2) / own.median;
  const rowOf = (name: string, { perSecond, serviceCores, clientCores }: Load): string[] => [
    name,
    `${round(perSecond)} a second`,
    `${round(serviceCores)} cores of the service, ${round(clientCores)} of the client`,
  ];
  return {
    title: 'Service: sandboxes and modules over HTTP',
    method: `Loopback, connections that are kept, audit log on (fsync with each batch). Create, exec \`true\`, end of a sandbox of level strict: ${rounds} times, in turn with the library's manager in this process, which keeps an audit log, too. Throughput: ${RUNS_IN_FLIGHT} runs and ${EXECUTIONS_IN_FLIGHT} executions in flight for ${seconds} s from this process; service and client share the machine. Cores: processor time of the process over the time.`,
    table: {
      columns: ['', 'median', 'middle half'],
      rows: [
        [
          'library: create, exec, close',
          `${round(own.median)} ms`,
          `${round(own.lowerQuartile)}–${round(own.upperQuartile)}`,
        ],
        [
          'service: the same over HTTP',
          `${round(over.median)} ms`,
          `${round(over.lowerQuartile)}–${round(over.upperQuartile)}`,
        ],
        rowOf('requests that do nothing', idle),
        rowOf('runs', runs),
        rowOf('runs, network namespaces recycled within the tenant', recycled),
        ...executions.map(({ label, load: each }) =>
          rowOf(`executions of a module, ${label}`, each),
        ),
      ],
    },
    targets: [
      {
        name: 'service: (create + exec + end over HTTP − 2 ms) ÷ library',
        measured: ratio,
        sense: '≤',
        limit: 1.5,
        unit: '',
      },
      {
        name: 'service: sandboxes a second',
        measured: runs.perSecond,
        sense: '≥',
        limit: 500,
        unit: '',
      },
      {
        name: 'service: executions of a module a second, kept context',
        measured: executions[0]?.load.perSecond ?? null,
        sense: '≥',
        limit: 3000,
        unit: '',
      },
    ],
  };
}

async function recycledRuns(bench: Bench, seconds: number): Promise<Load> {
  const manager = { recycleNetwork: true };
  await using served = await Served.start(mkdtempSync(join(bench.directory, 'recycled-')), {
    manager,
  });
  const command = requestBytes('POST', '/api/runs', served.key, {
    argv: ['true'],
    policy: 'strict',
  });
  return await load(served, RUNS_IN_FLIGHT, seconds, () => command);
}

interface Load {
  readonly perSecond: number;
  readonly serviceCores: number;
  readonly clientCores: number;
}

/** So many connections, each with one request after the other. */
async function load(
  { address, pid }: Served,
  inFlight: number,
  seconds: number,
  request: () => string,
): Promise<Load> {
  const clients = await Promise.all(
    Array.from({ length: inFlight }, () => LeanClient.open(address)),
  );
  let done = 0;
  const before = [processorMs(pid), processorMs(process.pid)] as const;
  const from = performance.now();
  const until = from + seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        const { status, body } = await client.ask(request());
        if (status !== 200) throw new Error(`${status}: ${body}`);
        done++;
      }
    }),
  );
  const ms = performance.now() - from;
  for (const client of clients) client.close();
  return {
    perSecond: done / (ms / 1000),
    serviceCores: (processorMs(pid) - before[0]) / ms,
    clientCores: (processorMs(process.pid) - before[1]) / ms,
  };
}

/** proc(5), stat: utime and stime, in clock ticks of 10 ms. */
function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function show({ perSecond, serviceCores, clientCores }: Load): string {
  return `${round(perSecond)} a second, service ${round(serviceCores)} cores, client ${round(clientCores)}`;
}

class Served implements AsyncDisposable {
  readonly address: string;
  readonly key: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { address, key }: { address: string; key: string }) {
    this.#child = child;
    this.address = address;
    this.key = key;
  }

  static async start(state: string, config: object = {}): Promise<Served> {
    const argv = [PROGRAM, join(state, 'state'), 'true', JSON.stringify(config)];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const [said] = await once(child.stdout as NodeJS.EventEmitter, 'data');
    return new Served(child, JSON.parse(String(said)));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}
