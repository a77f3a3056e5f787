/** What waiting costs: the memory of idle slots. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, policyFromDocument } from '../../src/index.ts';
import { runOnce } from '../caisson.ts';
import { benchPolicy } from '../policy.ts';
import { memoryInfo, processTree, proportionalBytes } from '../process-tree.ts';
import { round } from '../report.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';
import { makeWorkspaces } from '../workspaces.ts';

const SLOTS = 200;

export const slots: Suite = { name: 'slots', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const document = benchPolicy(bench.programDirectory);
  const policy = policyFromDocument(document);
  const [workspace = ''] = makeWorkspaces(bench);
  const turn = { round: 0, workspace, tag: 'slots', proof: false };
  await using caisson = await Caisson.open();
  // A run without slots first, so that what the launcher keeps for itself is in the base.
  await runOnce(
    caisson,
    policyFromDocument({ ...document, hostname: 'base' }),
    bench.programs.musl,
    turn,
  );
  const before = measure();
  await caisson.prepare({ policy, workspace, slots: SLOTS });
  const after = await untilFilled(before.processes);
  const made = after.processes - before.processes;
  const each = (field: 'pss' | 'slab' | 'unreclaimable'): number =>
    (after[field] - before[field]) / SLOTS / 1024;
  return {
    title: `${SLOTS} idle slots`,
    method:
      'PSS of the launcher and everything below it (smaps_rollup), with and without the slots; kernel slab is the growth of the whole machine meanwhile.',
    table: {
      columns: ['', 'KiB for each slot'],
      rows: [
        ['PSS', round(each('pss'))],
        ['kernel slab', round(each('slab'))],
        ['of that unreclaimable', round(each('unreclaimable'))],
        ['processes', round(made / SLOTS)],
      ],
    },
    targets: [
      {
        name: 'idle slot, PSS',
        // Fewer processes than slots would mean that something else was measured.
        measured: made >= SLOTS ? each('pss') : null,
        sense: '<',
        limit: 64,
        unit: 'KiB',
        ...(made >= SLOTS ? {} : { note: `only ${made} processes came up` }),
      },
    ],
  };
}

interface Memory {
  readonly processes: number;
  readonly pss: number;
  readonly slab: number;
  readonly unreclaimable: number;
}

function measure(): Memory {
  const below = processTree(process.pid).filter((pid) => pid !== process.pid);
  return {
    processes: below.length,
    pss: proportionalBytes(below),
    slab: memoryInfo('Slab'),
    unreclaimable: memoryInfo('SUnreclaim'),
  };
}

/** Slots are made in the background: waits until there are enough and they have come to rest. */
async function untilFilled(base: number): Promise<Memory> {
  let last = measure();
  for (let tries = 0; tries < 100; tries++) {
    await sleep(200);
    const now = measure();
    if (now.processes - base >= SLOTS && now.processes === last.processes) return now;
    last = now;
  }
  return last;
}
