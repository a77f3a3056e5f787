/** What is done against side channels and leaks, and what it costs a guest that computes and one that starts processes. */
import { randomBytes } from 'node:crypto';
import { Caisson } from '../../src/compose.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { Redactor } from '../../src/sandbox/redact.ts';
import { type Contestant, takeTurns } from '../contestant.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

const LOADS = {
  'Python, a loop': ['python3', '-c', 'x = 0\nfor i in range(2_000_000): x += i * i % 7'],
  'sh, 150 processes': ['sh', '-c', 'i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done'],
} as const;

export const sideChannels: Suite = { name: 'side-channels', run };

async function run(bench: Bench): Promise<SuiteResult> {
  await using caisson = await Caisson.open();
  const facts = (await caisson.facts()).sideChannels;
  const settable = (state: number | undefined): boolean =>
    state !== undefined && state > 0 && state % 2 === 1;
  const controls: Record<string, PolicyDocument['sideChannels']> = {
    ...(settable(facts?.storeBypass) || settable(facts?.indirectBranch)
      ? { speculation: { speculation: true } }
      : {}),
    ...(facts?.coreScheduling === 0 ? { 'core scheduling': { coreScheduling: true } } : {}),
  };
  const contestants = Object.entries(LOADS).flatMap(([load, argv]) =>
    Object.entries({ ...controls, nothing: {} }).map(([name, section]): Contestant => {
      const policy = { version: 1 as const, level: 'strict' as const, sideChannels: section ?? {} };
      const accept = [
        'sideChannels.speculation:store-bypass',
        'sideChannels.speculation:indirect-branch',
      ];
      return {
        name: `${load}: ${name}`,
        every: 1,
        run: async () => {
          const outcome = await caisson.run(argv, { policy, accept });
          if (outcome.code !== 0) throw new Error(`${load}: ${outcome.stderr.text}`);
          return { ms: outcome.timing.runMs, stdout: '' };
        },
      };
    }),
  );
  const samples = await takeTurns(contestants, {
    rounds: bench.quick ? 5 : 31,
    warmUp: 2,
    restMs: 20,
    turn: (turn) => ({ round: turn, workspace: bench.directory, tag: '', proof: false }),
  });
  const median = (name: string): number => summarize(samples.get(name) ?? []).median;
  const missing = ['speculation', 'core scheduling'].filter((name) => controls[name] === undefined);
  return {
    title: 'Against side channels',
    method: `Runs of two guests in turn, with and without each control; output of 64 MiB with nothing in it to replace, in pieces of 64 KiB.${missing.length === 0 ? '' : ` Not on this machine, whose kernel has no such control for a process: ${missing.join(', ')}.`}`,
    table: {
      columns: ['', 'median', '÷ without'],
      rows: [
        ...contestants.map(({ name }) => {
          const base = median(`${name.split(':')[0]}: nothing`);
          return [name, `${round(median(name))} ms`, round(median(name) / base)];
        }),
        ...redaction(bench.quick ? 3 : 9),
      ],
    },
    targets: [],
  };
}

function redaction(times: number): string[][] {
  return [1, 4, 16].map((count) => {
    const secrets = Array.from({ length: count }, (_, i) => ({
      name: `S${i}`,
      value: randomBytes(24).toString('base64url'),
    }));
    const redactor = new Redactor(secrets);
    const chunk = Buffer.from(`${'the quick brown fox 0123456789 '.repeat(2200)}\n`).subarray(
      0,
      65_536,
    );
    const rates = Array.from({ length: times }, () => {
      const stream = redactor.stream();
      const begin = performance.now();
      for (let i = 0; i < 1024; i++) stream.add(chunk);
      return (64 * 1000) / (performance.now() - begin);
    });
    return [
      `redact, ${count} ${count === 1 ? 'secret' : 'secrets'}`,
      `${round(summarize(rates).median)} MiB/s`,
      '',
    ];
  });
}
