/** Single runs with 20 ms of rest before each: what one command costs whoever waits for it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Caisson, policyFromDocument } from '../../src/index.ts';
import { firstUse, slotted } from '../caisson.ts';
import { type Turn, takeTurns } from '../contestant.ts';
import { openOneShot } from '../one-shot.ts';
import { openPeers } from '../peers.ts';
import { benchPolicy } from '../policy.ts';
import { round } from '../report.ts';
import { plainSpawn } from '../spawn.ts';
import { type Summary, summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult, Target } from '../suite.ts';
import { Timer } from '../timer.ts';
import { makeWorkspaces } from '../workspaces.ts';

const SPAWN_MUSL = 'child_process.spawn, not isolated';
const SPAWN_GLIBC = 'child_process.spawn, not isolated, glibc';
const LIBRARY_MUSL = 'Caisson, library';
const LIBRARY_GLIBC = 'Caisson, library, glibc';
const FIRST_USE = 'Caisson, library, first use of a plan';
const ONE_SHOT = 'Caisson, launcher alone';
const BUBBLEWRAP = 'bubblewrap';
const SLOTS = 12;

export const spaced: Suite = { name: 'spaced', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const { musl, glibc, timer: timerProgram } = bench.programs;
  const peerDirectory = join(bench.directory, 'peers');
  mkdirSync(peerDirectory);
  await using peers = await openPeers({
    directory: peerDirectory,
    programDirectory: bench.programDirectory,
    program: 'true-musl',
    timer: timerProgram,
    seccomp: bench.seccomp,
    slowEvery: bench.quick ? 25 : 20,
  });
  await using caisson = await Caisson.open();
  await using timer = new Timer(timerProgram);
  const workspaces = makeWorkspaces(bench);
  const policy = policyFromDocument(benchPolicy(bench.programDirectory));
  // Prepared with one workspace, run with sixteen: a slot takes its workspace late.
  const [workspace = ''] = workspaces;
  await caisson.prepare({ policy, workspace, slots: SLOTS });
  const library = [
    slotted(LIBRARY_MUSL, caisson, policy, musl),
    slotted(LIBRARY_GLIBC, caisson, policy, glibc),
  ];
  const samples = await takeTurns(
    [
      plainSpawn(SPAWN_MUSL, musl),
      plainSpawn(SPAWN_GLIBC, glibc),
      ...library,
      firstUse(FIRST_USE, caisson, bench.programDirectory, musl, 5),
      await openOneShot(ONE_SHOT, bench, workspaces, timer),
      ...peers.contestants,
    ],
    {
      rounds: bench.quick ? 150 : 600,
      warmUp: 5,
      restMs: 20,
      turn: (number): Turn => ({
        round: number,
        workspace: workspaces.at(number % workspaces.length) as string,
        tag: `run ${number}`,
        proof: number % 10 === 5,
      }),
    },
  );
  const summaries = new Map([...samples].map(([name, values]) => [name, summarize(values)]));
  const base = summaries.get(SPAWN_MUSL)?.median ?? Number.NaN;
  const proofs = library.reduce((sum, { proofs: { checked } }) => sum + checked, 0);
  return {
    title: 'One run, spaced',
    method: `A static musl program that ends at once (glibc where it says so), 20 ms of rest before each run, everybody in turn in rotating order, output read to its end, another workspace and environment each time. \`child_process.spawn\` and Caisson's library are timed in Node; everything else natively, from fork to reaped. Caisson has every layer on, with cgroup limits; "launcher alone" is \`caisson-launcher run PLAN\` without cgroups, as bubblewrap has none, and bubblewrap has Caisson's own seccomp filter. Every tenth run also reports where it stands: ${proofs} runs of the library were checked for their own namespaces (never met before), seccomp, no_new_privs, empty capability sets, an unused /tmp, and this run's own environment and input.`,
    table: {
      columns: [
        '',
        'median ms',
        'middle half',
        'p99',
        'p99 ÷ median',
        '÷ spawn',
        '÷ bubblewrap',
        'samples',
      ],
      rows: [
        ...[...summaries].map(([name, summary]) => [
          name,
          ...cells(summary, base, summaries.get(BUBBLEWRAP)?.median ?? Number.NaN),
        ]),
        ...peers.absent.map(({ name, reason }) => [name, reason, '', '', '', '', '', '0']),
      ],
    },
    targets: targetsOf(summaries),
    bars: [...summaries].map(([label, { median }]) => ({
      label,
      value: median,
      ours: label.startsWith('Caisson'),
    })),
  };
}

function cells(summary: Summary, spawn: number, bubblewrap: number): string[] {
  const { median, lowerQuartile, upperQuartile, p99, samples } = summary;
  const ratios = [p99 / median, median / spawn, median / bubblewrap].map((ratio) =>
    Number.isNaN(ratio) ? '' : round(ratio),
  );
  const half = `${round(lowerQuartile)}–${round(upperQuartile)}`;
  return [round(median), half, round(p99), ...ratios, String(samples)];
}

function targetsOf(summaries: ReadonlyMap<string, Summary>): Target[] {
  const ratio = (name: string, ours: string, theirs: string, limit: number): Target => {
    const measured =
      (summaries.get(ours)?.median ?? Number.NaN) / (summaries.get(theirs)?.median ?? Number.NaN);
    return Number.isNaN(measured)
      ? { name, measured: null, sense: '≤', limit, unit: '×', note: `${theirs} is absent` }
      : { name, measured, sense: '≤', limit, unit: '×' };
  };
  const tail = (name: string): Target => {
    const { p99, median } = summaries.get(name) ?? { p99: Number.NaN, median: Number.NaN };
    return {
      name: `${name}: p99 ÷ median`,
      measured: p99 / median,
      sense: '≤',
      limit: 3.5,
      unit: '×',
    };
  };
  return [
    ratio('library ÷ spawn, static musl program', LIBRARY_MUSL, SPAWN_MUSL, 0.6),
    ratio('library ÷ spawn, glibc program', LIBRARY_GLIBC, SPAWN_GLIBC, 0.8),
    tail(LIBRARY_MUSL),
    tail(LIBRARY_GLIBC),
    ratio('first use of a plan ÷ spawn', FIRST_USE, SPAWN_MUSL, 1.5),
    ratio('launcher alone ÷ bubblewrap with a seccomp filter', ONE_SHOT, BUBBLEWRAP, 0.5),
  ];
}
