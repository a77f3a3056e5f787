/** What telemetry costs a run and an evaluation: off, with metrics alone, with traces that are received. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Caisson } from '../../src/compose.ts';
import { openTelemetry } from '../../src/observe/telemetry/open-telemetry.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const telemetry: Suite = { name: 'telemetry', run };

/** A collector that takes everything and looks at nothing, on a port that it tells. */
const COLLECTOR =
  "const s=require('node:http').createServer((q,r)=>{q.resume();q.on('end',()=>r.end('{}'))});" +
  "s.listen(0,'127.0.0.1',()=>console.log(s.address().port))";
const MODES = ['off', 'metrics', 'metrics and traces'] as const;
const SOURCE = 'export default (a) => a + 1';
const RUNS = 10;
const EVALUATIONS = 200;

type Mode = (typeof MODES)[number];
/** Of one call: how long its caller waited, and processor time of its caller's process. Milliseconds. */
interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}
type Samples = Record<Mode, Cost[]>;

async function run(bench: Bench): Promise<SuiteResult> {
  const rounds = bench.quick ? 10 : 100;
  const collector = spawn(process.execPath, ['-e', COLLECTOR], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await once(collector.stdout, 'data');
  const endpoint = `http://127.0.0.1:${Number(port)}`;
  await using metered = await openTelemetry({}, {});
  await using traced = await openTelemetry(
    { traces: true, endpoint },
    { OTEL_BSP_MAX_QUEUE_SIZE: '65536' },
  );
  await using plain = await Caisson.open();
  await using measured = await Caisson.open({ telemetry: metered });
  await using told = await Caisson.open({ telemetry: traced });
  const caissons = { off: plain, metrics: measured, 'metrics and traces': told };
  const ran: Samples = { off: [], metrics: [], 'metrics and traces': [] };
  const evaluated: Samples = { off: [], metrics: [], 'metrics and traces': [] };
  try {
    for (let turn = -2; turn < rounds; turn++) {
      if (turn % 20 === 0) bench.note(`telemetry: ${turn} of ${rounds}`);
      for (let i = 0; i < MODES.length; i++) {
        // Another one first each time: whatever the machine does meanwhile meets all of them.
        const mode = MODES[(turn + 2 + i) % MODES.length] as Mode;
        const caisson = caissons[mode];
        const runs = await each(RUNS, () => caisson.run(['true']));
        const evaluations = await each(EVALUATIONS, () =>
          caisson.evaluate('javascript', SOURCE, { args: [1], keep: 'isolate' }),
        );
        if (turn < 0) continue;
        ran[mode].push(runs);
        evaluated[mode].push(evaluations);
      }
    }
  } finally {
    collector.kill();
  }
  const median = (samples: readonly Cost[], of: keyof Cost): number =>
    summarize(samples.map((sample) => sample[of])).median * 1000;
  const rows = MODES.map((mode) => [
    mode,
    ...[ran, evaluated].flatMap((samples) => [
      `${round(median(samples[mode], 'wallMs'))} µs`,
      `${round(median(samples[mode], 'cpuMs'))} µs`,
      `${round(median(samples[mode], 'cpuMs') - median(samples.off, 'cpuMs'))} µs`,
    ]),
  ]);
  return {
    title: 'Telemetry',
    method: `\`true\` behind level strict, warm, and an evaluation that keeps its isolate, one after the other; ${rounds} rounds of ${RUNS} and ${EVALUATIONS}, interleaved. Traces: every one is kept, and a collector in another process takes them over OTLP/HTTP. CPU is processor time of the caller’s process for each call.`,
    table: {
      columns: ['telemetry', 'run', 'CPU', 'more than off', 'evaluation', 'CPU', 'more than off'],
      rows,
    },
    targets: [],
  };
}

async function each(count: number, work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let i = 0; i < count; i++) await work();
  const wallMs = (performance.now() - began) / count;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 / count };
}
