/** Ten thousand runs, and what there is more of afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Caisson, policyFromDocument } from '../../src/index.ts';
import { runOnce } from '../caisson.ts';
import { benchPolicy } from '../policy.ts';
import { type Held, held } from '../process-tree.ts';
import type { Bench, Suite, SuiteResult, Target } from '../suite.ts';
import { makeWorkspaces } from '../workspaces.ts';

const IN_FLIGHT = 4;
/** Heaps, and what the launcher keeps spare, grow to their working size first; twice as many in flight sees to that. */
const SETTLING = 2000;

export const soak: Suite = { name: 'soak', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const runs = bench.quick ? 2000 : 10_000;
  const policy = policyFromDocument(benchPolicy(bench.programDirectory));
  const workspaces = makeWorkspaces(bench);
  await using caisson = await Caisson.open();
  const [workspace = ''] = workspaces;
  await caisson.prepare({ policy, workspace, slots: 16 });
  const repeat = async (count: number, inFlight: number): Promise<void> => {
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < count) {
        const number = next++;
        const workspace = workspaces[number % workspaces.length] as string;
        const turn = { round: number, workspace, tag: `soak ${number}`, proof: false };
        await runOnce(caisson, policy, bench.programs.musl, turn);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
  };
  await repeat(SETTLING, 2 * IN_FLIGHT);
  const before = await atRest();
  await repeat(runs, IN_FLIGHT);
  const after = await atRest();
  const kinds = Object.keys(before) as (keyof Held)[];
  return {
    title: `${runs} runs`,
    method: `After ${SETTLING} runs to settle: what this process, the launcher and the slots hold before and after ${runs} more, both after a rest and a garbage collection. The groups that the kernel holds are the whole machine's.`,
    table: {
      columns: ['', 'before', 'after'],
      rows: kinds.map((kind) => [NAMES[kind], show(kind, before), show(kind, after)]),
    },
    targets: kinds.map((kind) => growth(kind, before, after, runs)),
  };
}

const NAMES: Readonly<Record<keyof Held, string>> = {
  descriptors: 'descriptors',
  residentBytes: 'resident memory, MiB',
  mounts: 'mounts',
  cgroupDirectories: 'cgroup directories',
  dyingCgroups: 'cgroups that the kernel holds, dying ones included',
  processes: 'processes',
};

const MIB = 2 ** 20;

function show(kind: keyof Held, { [kind]: value }: Held): string {
  return kind === 'residentBytes' ? (value / MIB).toFixed(1) : String(value);
}

/** Room for what breathes, and none for a leak in every hundredth run. */
function growth(kind: keyof Held, before: Held, after: Held, runs: number): Target {
  const isMemory = kind === 'residentBytes';
  const grown = after[kind] - before[kind];
  return {
    name: `soak: growth in ${NAMES[kind]}`,
    measured: isMemory ? grown / MIB : grown,
    sense: '≤',
    limit: isMemory ? 16 : runs / 100,
    unit: isMemory ? 'MiB' : '',
  };
}

/** Slots refilled, removed groups let go of by the kernel, garbage collected. */
async function atRest(): Promise<Held> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await sleep(2500);
  collect();
  return held();
}
