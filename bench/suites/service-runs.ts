/** How many sandboxes a second the service makes, runs and ends, in turns with plain processes of the same program. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { requestBytes } from '../lean-client.ts';
import { round } from '../report.ts';
import { load, Served } from '../served.ts';
import { spawnToEnd } from '../spawn.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const serviceRuns: Suite = { name: 'service-runs', run };

const IN_FLIGHT = 24;
const TARGET = 500;
const SPAWN = 'plain spawn, unsandboxed';
const OWN = 'service, a network namespace of its own each';
const RECYCLED = 'service, network namespaces recycled within the tenant';

async function run(bench: Bench): Promise<SuiteResult> {
  const seconds = bench.quick ? 1 : 5;
  const slices = bench.quick ? 2 : 7;
  const start = (config: object): Promise<Served> =>
    Served.start(mkdtempSync(join(bench.directory, 'service-runs-')), config);
  await using own = await start({});
  await using recycled = await start({ manager: { recycleNetwork: true } });
  const through = (served: Served) => async (): Promise<number> => {
    const body = { argv: ['true'], policy: 'strict' };
    const request = requestBytes('POST', '/api/runs', served.key, body);
    return (await load(served, IN_FLIGHT, seconds, () => request)).perSecond;
  };
  const runners: readonly (readonly [string, () => Promise<number>])[] = [
    [SPAWN, () => spawned(seconds)],
    [OWN, through(own)],
    [RECYCLED, through(recycled)],
  ];
  const rates = new Map<string, number[]>(runners.map(([name]) => [name, []]));
  for (let slice = -1; slice < slices; slice++) {
    for (const [name, measure] of runners) {
      const rate = await measure();
      if (slice < 0) continue;
      rates.get(name)?.push(rate);
      bench.note(`service-runs: ${name}: ${round(rate)} a second, ${slice + 1} of ${slices}`);
    }
  }
  const of = (name: string): ReturnType<typeof summarize> => summarize(rates.get(name) ?? []);
  const { median: plain } = of(SPAWN);
  const target = (name: string) => ({
    name: `${name}: sandboxes a second`,
    measured: of(name).median,
    sense: '≥' as const,
    limit: TARGET,
    unit: '',
  });
  return {
    title: 'Service: sandboxes a second',
    method: `Slices of ${seconds} s, ${slices} of each in turn; \`true\` in a sandbox of level strict by POST /api/runs, audit log on (fsync with each batch), ${IN_FLIGHT} in flight over connections that are kept; the client is this process. Plain spawn: Node's own, as many in flight.`,
    table: {
      columns: ['', 'a second, median slice', 'middle half', '÷ spawn'],
      rows: runners.map(([name]) => {
        const { median, lowerQuartile, upperQuartile } = of(name);
        const half = `${round(lowerQuartile)}–${round(upperQuartile)}`;
        return [name, String(round(median)), half, String(round(median / plain))];
      }),
    },
    targets: [target(OWN), target(RECYCLED)],
  };
}

async function spawned(seconds: number): Promise<number> {
  const from = performance.now();
  const until = from + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (; performance.now() < until; done++) await spawnToEnd(['true']);
    }),
  );
  return done / ((performance.now() - from) / 1000);
}
