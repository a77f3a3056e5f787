/** As many runs a second as four callers get through, each waiting for its own before it starts the next. */
import { Caisson, policyFromDocument } from '../../src/index.ts';
import { ProofChecker, runOnce } from '../caisson.ts';
import type { Ran, Turn } from '../contestant.ts';
import { benchPolicy } from '../policy.ts';
import { round } from '../report.ts';
import { spawnToEnd } from '../spawn.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';
import { makeWorkspaces } from '../workspaces.ts';

const IN_FLIGHT = 4;
const SLOTS = 32;
const TENANT = 'bench';
const OWN = 'Caisson, a network namespace for each run';
const RECYCLED = 'Caisson, network namespaces recycled within the tenant';
const SPAWN = 'child_process.spawn, not isolated';

export const burst: Suite = { name: 'burst', run };

interface Runner {
  readonly name: string;
  run(turn: Turn): Promise<Ran>;
  readonly proofs?: ProofChecker;
}

async function run(bench: Bench): Promise<SuiteResult> {
  await using own = await Caisson.open();
  await using recycled = await Caisson.open();
  const policy = policyFromDocument(benchPolicy(bench.programDirectory));
  const workspaces = makeWorkspaces(bench);
  const [workspace = ''] = workspaces;
  await own.prepare({ policy, workspace, slots: SLOTS });
  await recycled.prepare({ policy, workspace, slots: SLOTS, tenant: TENANT, recycleNetwork: true });
  const { musl } = bench.programs;
  const runners: Runner[] = [
    {
      name: SPAWN,
      run: (turn) => spawnToEnd([musl], { cwd: turn.workspace, env: { RUN: turn.tag } }),
    },
    { name: OWN, proofs: new ProofChecker(OWN), run: (turn) => runOnce(own, policy, musl, turn) },
    {
      name: RECYCLED,
      proofs: new ProofChecker(RECYCLED, ['net']),
      run: (turn) => runOnce(recycled, policy, musl, turn, TENANT),
    },
  ];
  const rates = new Map<string, number[]>(runners.map(({ name }) => [name, []]));
  const slices = bench.quick ? 3 : 9;
  for (let slice = -1; slice < slices; slice++)
    for (let i = 0; i < runners.length; i++) {
      const runner = runners[(slice + 1 + i) % runners.length] as Runner;
      const rate = await measureSlice(runner, workspaces);
      if (slice >= 0) rates.get(runner.name)?.push(rate);
    }
  const summaries = new Map([...rates].map(([name, values]) => [name, summarize(values)]));
  const perSecond = (name: string): number => summaries.get(name)?.median ?? Number.NaN;
  return {
    title: 'Back to back, four in flight',
    method: `Slices of one second, ${slices} for each, in turn. Every 50th run is a proof run.`,
    table: {
      columns: ['', 'runs a second (median slice)', 'middle half', '÷ spawn', 'proof runs'],
      rows: runners.map(({ name, proofs }) => {
        const { median, lowerQuartile, upperQuartile } = summarize(rates.get(name) ?? []);
        const half = `${lowerQuartile.toFixed(0)}–${upperQuartile.toFixed(0)}`;
        const ratio = round(median / perSecond(SPAWN));
        return [name, median.toFixed(0), half, ratio, String(proofs?.checked ?? '')];
      }),
    },
    targets: [
      target('own network namespaces', perSecond(OWN), 1000),
      target('network namespaces recycled within a tenant', perSecond(RECYCLED), 1800),
    ],
  };
}

function target(name: string, measured: number, limit: number): SuiteResult['targets'][number] {
  return { name: `four in flight, ${name}`, measured, sense: '≥', limit, unit: 'runs/s' };
}

async function measureSlice(runner: Runner, workspaces: readonly string[]): Promise<number> {
  const start = performance.now();
  let runs = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - start < 1000) {
      const number = runs++;
      const workspace = workspaces[number % workspaces.length] as string;
      const proof = runner.proofs !== undefined && number % 50 === 25;
      const turn: Turn = { round: number, workspace, tag: `burst ${number}`, proof };
      const { stdout } = await runner.run(turn);
      if (proof) runner.proofs?.check(stdout, turn);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return (runs * 1000) / (performance.now() - start);
}
