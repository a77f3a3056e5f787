/** What a filtered network adds to a run from a sandbox that is ready, and to the start of its program. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, type Policy, policyFromDocument } from '../../src/index.ts';
import { round } from '../report.ts';
import { quantile } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

export const filtered: Suite = { name: 'filtered', run };

/** Slots are made again meanwhile, so that each sample finds one. */
const REST_MS = 12;
const KINDS = ['no network', 'filtered', 'filtered, TLS opened'] as const;
type Kind = (typeof KINDS)[number];
type Samples = Record<Kind, number[]>;

async function run(bench: Bench): Promise<SuiteResult> {
  const network = { mode: 'filtered', allow: ['registry.npmjs.org', '*.pypi.org:443'] } as const;
  const policies: Record<Kind, Policy> = {
    'no network': policyOf(bench, { mode: 'none' }),
    filtered: policyOf(bench, network),
    'filtered, TLS opened': policyOf(bench, { ...network, intercept: true }),
  };
  await using caisson = await Caisson.open({
    stateDirectory: mkdtempSync(join(bench.directory, 'state-')),
  });
  for (const kind of KINDS) await caisson.prepare({ policy: policies[kind], slots: 4 });
  const argv = [bench.programs.musl];
  const whole = async (policy: Policy): Promise<number> => {
    const start = performance.now();
    const outcome = await caisson.run(argv, { policy });
    const ms = performance.now() - start;
    need(outcome);
    return ms;
  };
  const starting = async (policy: Policy): Promise<number> => {
    const start = performance.now();
    const guest = await caisson.spawn(argv, { policy });
    await guest.started;
    const ms = performance.now() - start;
    guest.stdout.resume();
    guest.stderr.resume();
    need(await guest.outcome);
    return ms;
  };
  const rounds = bench.quick ? 50 : 400;
  const runs = await interleave(rounds, policies, whole);
  bench.note('filtered: whole runs are measured');
  const starts = await interleave(rounds, policies, starting);
  const rows = KINDS.map((kind) => [
    kind,
    ...[starts, runs].flatMap((samples) =>
      [0.5, 0.95].map((at) => round(quantile(sorted(samples[kind]), at))),
    ),
  ]);
  const median = (samples: Samples, kind: Kind): number => quantile(sorted(samples[kind]), 0.5);
  return {
    title: 'A filtered sandbox that is ready',
    method: `An empty program under the strict level with cgroups, from slots: until the caller knows that it was executed (spawn), and until its outcome is there (run); ${rounds} of each in turn with the same policy without a network, ${REST_MS} ms apart. Each has its own network in the proxy process.`,
    table: {
      columns: ['', 'to exec, ms', 'p95', 'whole run, ms', 'p95'],
      rows,
    },
    targets: [
      {
        name: 'start of a filtered sandbox from a prepared network',
        measured: median(starts, 'filtered'),
        sense: '≤',
        limit: 5,
        unit: 'ms',
      },
      {
        name: 'start of a filtered sandbox whose TLS is opened',
        measured: median(starts, 'filtered, TLS opened'),
        sense: '≤',
        limit: 5,
        unit: 'ms',
      },
    ],
  };
}

function policyOf(bench: Bench, network: Readonly<Record<string, unknown>>): Policy {
  return policyFromDocument({
    version: 1,
    name: 'bench',
    level: 'strict',
    filesystem: { read: [bench.programDirectory] },
    limits: { memory: '256MiB', processes: 64, cpu: 1, timeout: '10s' },
    network,
  } as Parameters<typeof policyFromDocument>[0]);
}

/** Each is first in every third round; the first rounds warm up. */
async function interleave(
  rounds: number,
  policies: Record<Kind, Policy>,
  measure: (policy: Policy) => Promise<number>,
): Promise<Samples> {
  const samples: Samples = { 'no network': [], filtered: [], 'filtered, TLS opened': [] };
  const warming = 10;
  for (let turn = -warming; turn < rounds; turn++) {
    for (let i = 0; i < KINDS.length; i++) {
      const kind = KINDS[(turn + warming + i) % KINDS.length] as Kind;
      await sleep(REST_MS);
      const ms = await measure(policies[kind]);
      if (turn >= 0) samples[kind].push(ms);
    }
  }
  return samples;
}

function sorted(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b);
}

function need({ kind, code }: { kind: string; code?: number | undefined }): void {
  if (kind !== 'exited' || code !== 0) throw new Error(`the guest ended with ${kind} ${code}`);
}
