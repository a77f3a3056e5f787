/** The service beside the library: a sandbox over HTTP, and executions of a module. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog, Caisson } from '../../src/index.ts';
import { LeanClient, requestBytes } from '../lean-client.ts';
import { round } from '../report.ts';
import { type Load, load, Served, show } from '../served.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const service: Suite = { name: 'service', run };

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
    method: `Loopback, connections that are kept, audit log on (fsync with each batch). Create, exec \`true\`, end of a sandbox of level strict: ${rounds} times, in turn with the library's manager in this process, which keeps an audit log, too. Throughput: ${EXECUTIONS_IN_FLIGHT} executions in flight for ${seconds} s from this process; service and client share the machine. Cores: processor time of the process over the time.`,
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
        name: 'service: executions of a module a second, kept context',
        measured: executions[0]?.load.perSecond ?? null,
        sense: '≥',
        limit: 3000,
        unit: '',
      },
    ],
  };
}
