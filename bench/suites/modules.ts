/** Registered modules: executions a second, by what is kept from one to the next. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Keep } from '../../src/backends/program.ts';
import { Caisson, type Modules } from '../../src/index.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const modules: Suite = { name: 'modules', run };

const CODE = 'export default (order) => ({ ...order, total: order.price * order.count })';
const ORDER = { id: 7, price: 20, count: 3 };

interface Row {
  readonly keep: Keep;
  readonly label: string;
  /** Given at the same time. */
  readonly atOnce: number;
  readonly count: number;
  readonly target?: number;
}

const ROWS: readonly Row[] = [
  { keep: 'context', label: 'kept context', atOnce: 64, count: 20_000, target: 10_000 },
  { keep: 'isolate', label: 'fresh context', atOnce: 16, count: 4000, target: 2000 },
  { keep: 'nothing', label: 'fresh isolate', atOnce: 16, count: 2000 },
];

async function run(bench: Bench): Promise<SuiteResult> {
  const rounds = bench.quick ? 3 : 9;
  const share = bench.quick ? 0.25 : 1;
  const root = mkdtempSync(join(bench.directory, 'modules-'));
  const rates = ROWS.map((): number[] => []);
  const costs = ROWS.map((): number[] => []);
  try {
    await using caisson = await Caisson.open({ stateDirectory: join(root, 'state') });
    const registry = await caisson.modules();
    for (const { keep } of ROWS) {
      await registry.register({ id: keep, version: '1.0.0', kind: 'js', code: CODE, keep });
      await execute(registry, keep, 200, 16);
    }
    for (let turn = 0; turn < rounds; turn++) {
      bench.note(`modules: round ${turn + 1} of ${rounds}`);
      for (const [i, { keep, count, atOnce }] of ROWS.entries()) {
        const most = Math.ceil(count * share);
        const cpu = process.cpuUsage();
        const started = performance.now();
        await execute(registry, keep, most, atOnce);
        rates[i]?.push((most / (performance.now() - started)) * 1000);
        const { user, system } = process.cpuUsage(cpu);
        costs[i]?.push((user + system) / most);
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const median = (samples: readonly number[] = []): number => summarize(samples).median;
  return {
    title: 'Registered modules',
    method: `A small JavaScript module, executed by its name, 64 (kept context) or 16 at once from one caller, in host processes behind the process wall, on ${availableParallelism()} cores; ${rounds} rounds, the kinds in turn. Every result is compared.`,
    table: {
      columns: ['', 'executions a second, median', 'middle half', 'CPU of the caller, each, µs'],
      rows: ROWS.map(({ label }, i) => {
        const { lowerQuartile, upperQuartile } = summarize(rates[i] ?? []);
        return [
          label,
          whole(median(rates[i])),
          `${whole(lowerQuartile)}–${whole(upperQuartile)}`,
          round(median(costs[i])),
        ];
      }),
    },
    targets: ROWS.flatMap(({ label, target }, i) =>
      target === undefined
        ? []
        : {
            name: `modules: executions a second, ${label}`,
            measured: median(rates[i]),
            sense: '≥' as const,
            limit: target,
            unit: 'a second',
          },
    ),
  };
}

async function execute(
  registry: Modules,
  id: string,
  count: number,
  atOnce: number,
): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const { value, error } = await registry.execute(id, { args: [ORDER] });
      const { total } = (value ?? {}) as { total?: number };
      if (total !== 60) throw new Error(`a module answered wrongly: ${error?.message ?? total}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function whole(rate: number): string {
  return String(Math.round(rate));
}
