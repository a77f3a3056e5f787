/** What a sandbox costs when two hundred are in flight, against ten: made, used and destroyed through a SandboxManager. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Caisson, type Policy, policyFromDocument, type SandboxManager } from '../src/index.ts';
import { round } from './report.ts';
import { summarize } from './statistics.ts';
import type { Bench, Suite, SuiteResult } from './suite.ts';

const FEW = 10;
const MANY = 200;
const ALL = 1000;

export const manager: Suite = { name: 'manager', run };

interface Load {
  readonly manager: SandboxManager;
  readonly policy: Policy;
  readonly program: string;
}

/** Carries `count` sandboxes out with `atOnce` in flight. */
type Way = (load: Load, count: number, atOnce: number) => Promise<void>;

const WAYS: readonly (readonly [name: string, way: Way])[] = [
  ['one command, as fast as room comes free', flowing],
  ['made, one command, closed, as fast as room comes free', keeping],
  ['all made, then all used, then all closed', holding],
];

async function run(bench: Bench): Promise<SuiteResult> {
  const policy = policyFromDocument({
    version: 1,
    name: 'bench',
    level: 'strict',
    filesystem: { read: [bench.programDirectory] },
    limits: { memory: '64MiB', processes: 64, cpu: 1, timeout: '30s' },
  });
  await using caisson = await Caisson.open({
    stateDirectory: mkdtempSync(join(bench.directory, 'state-')),
  });
  await using few = await caisson.manager({ pool: { concurrency: FEW, memoryBytes: null } });
  await using many = await caisson.manager({ pool: { concurrency: MANY, memoryBytes: null } });
  const program = bench.programs.musl;
  const rows: string[][] = [];
  const targets: SuiteResult['targets'][number][] = [];
  const rounds = bench.quick ? 2 : 7;
  for (const [name, way] of WAYS) {
    const samples: { few: number; many: number; ratio: number }[] = [];
    for (let i = -1; i < rounds; i++) {
      const costs = { few: 0, many: 0 };
      // Each goes first in every other round.
      for (const which of i % 2 === 0 ? (['few', 'many'] as const) : (['many', 'few'] as const)) {
        const load = { manager: which === 'few' ? few : many, policy, program };
        const start = performance.now();
        await way(load, ALL, which === 'few' ? FEW : MANY);
        costs[which] = (performance.now() - start) / ALL;
      }
      // The first round warms up.
      if (i >= 0) samples.push({ ...costs, ratio: costs.many / costs.few });
      bench.note(`${name}: ${costs.few.toFixed(2)} and ${costs.many.toFixed(2)} ms`);
    }
    const of = (which: 'few' | 'many' | 'ratio') => summarize(samples.map((each) => each[which]));
    const ratio = of('ratio');
    rows.push([
      name,
      round(of('few').median),
      round(of('many').median),
      round(ratio.median),
      `${round(ratio.lowerQuartile)}–${round(ratio.upperQuartile)}`,
    ]);
    targets.push({
      name: `cost of a sandbox with ${MANY} in flight, ÷ with ${FEW}: ${name}`,
      measured: ratio.median,
      sense: '≤',
      limit: 1.3,
      unit: '',
    });
  }
  return {
    title: `${ALL} sandboxes, ${MANY} and ${FEW} at a time`,
    method: `Wall-clock time for ${ALL} sandboxes of the strict level with cgroups, divided by their number; ${rounds} rounds, in turn; the ratio is taken within a round. Each runs an empty program.`,
    table: {
      columns: ['', `ms each, ${FEW} at a time`, `${MANY} at a time`, 'ratio', 'middle half'],
      rows,
    },
    targets,
  };
}

async function flowing({ manager, policy, program }: Load, count: number): Promise<void> {
  const outcomes = await Promise.all(
    Array.from({ length: count }, () => manager.run([program], { policy })),
  );
  for (const { kind, code } of outcomes) need(kind, code);
}

async function keeping({ manager, policy, program }: Load, count: number): Promise<void> {
  const one = async (): Promise<void> => {
    await using sandbox = await manager.create({ policy });
    const { kind, code } = await sandbox.exec([program]);
    need(kind, code);
  };
  await Promise.all(Array.from({ length: count }, one));
}

async function holding(
  { manager, policy, program }: Load,
  count: number,
  atOnce: number,
): Promise<void> {
  for (let done = 0; done < count; done += atOnce) {
    const open = await Promise.all(
      Array.from({ length: atOnce }, () => manager.create({ policy })),
    );
    const outcomes = await Promise.all(open.map((sandbox) => sandbox.exec([program])));
    for (const { kind, code } of outcomes) need(kind, code);
    await Promise.all(open.map((sandbox) => sandbox.close()));
  }
}

function need(kind: string, code: number | undefined): void {
  if (kind !== 'exited' || code !== 0) throw new Error(`a sandbox ended with ${kind} ${code}`);
}
