/** The published command against Node doing nothing. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Contestant, takeTurns } from '../contestant.ts';
import { round } from '../report.ts';
import { spawnToEnd } from '../spawn.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';
import { makeWorkspaces } from '../workspaces.ts';

const NODE = 'node -e 0';
const RUN = 'caisson run -- true';
const REPOSITORY = join(import.meta.dirname, '..', '..');

export const cli: Suite = { name: 'cli', run };

async function run(bench: Bench): Promise<SuiteResult> {
  // Built anew: a bundle that lies there may be of yesterday.
  bench.note('building the package');
  execFileSync(process.execPath, [join(REPOSITORY, 'packaging', 'build.ts')], { stdio: 'ignore' });
  const command = join(REPOSITORY, 'dist', 'installed', 'node_modules', '.bin', 'caisson');
  const [workspace = ''] = makeWorkspaces(bench);
  const contestant = (label: string, argv: [string, ...string[]]): Contestant => ({
    name: label,
    every: 1,
    run: () => spawnToEnd(argv, { cwd: workspace }),
  });
  const samples = await takeTurns(
    [
      contestant(NODE, [process.execPath, '-e', '0']),
      contestant(RUN, [command, 'run', '--', 'true']),
    ],
    {
      rounds: bench.quick ? 20 : 80,
      warmUp: 3,
      restMs: 20,
      turn: (round_) => ({ round: round_, workspace, tag: '', proof: false }),
    },
  );
  const summaries = [...samples].map(([label, values]) => ({ label, ...summarize(values) }));
  const base = summaries.find(({ label }) => label === NODE)?.median ?? Number.NaN;
  const ours = summaries.find(({ label }) => label === RUN)?.median ?? Number.NaN;
  return {
    title: 'The command line',
    method:
      'The package as npm installs it. Whole processes, in turn, 20 ms apart, under the same Node; compile cache and cached plan warm.',
    table: {
      columns: ['', 'median ms', 'middle half', '÷ node -e 0'],
      rows: summaries.map(({ label, median, lowerQuartile, upperQuartile }) => [
        label,
        round(median),
        `${round(lowerQuartile)}–${round(upperQuartile)}`,
        round(median / base),
      ]),
    },
    targets: [
      {
        name: `${RUN} ÷ ${NODE}`,
        measured: ours / base,
        sense: '≤',
        limit: 1.5,
        unit: '×',
      },
    ],
  };
}
