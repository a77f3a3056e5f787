/** Single runs with 20 ms of rest before each: what one command costs whoever waits for it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Turn, takeTurns } from '../contestant.ts';
import { openPeers } from '../peers.ts';
import { round } from '../report.ts';
import { plainSpawn } from '../spawn.ts';
import { type Summary, summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult, Target } from '../suite.ts';

const SPAWN_MUSL = 'child_process.spawn, not isolated, musl';
const SPAWN_GLIBC = 'child_process.spawn, not isolated, glibc';
const WORKSPACES = 16;

export const spaced: Suite = { name: 'spaced', run };

async function run(bench: Bench): Promise<SuiteResult> {
  await using peers = await openPeers({
    directory: makeDirectory(bench, 'peers'),
    programDirectory: bench.programDirectory,
    program: 'true-musl',
    timer: bench.programs.timer,
    seccomp: bench.seccomp,
    slowEvery: bench.quick ? 20 : 12,
  });
  const contestants = [
    plainSpawn(SPAWN_MUSL, bench.programs.musl),
    plainSpawn(SPAWN_GLIBC, bench.programs.glibc),
    ...peers.contestants,
  ];
  const workspaces = Array.from({ length: WORKSPACES }, (_, i) =>
    makeDirectory(bench, `workspace-${i}`),
  );
  const samples = await takeTurns(contestants, {
    rounds: bench.quick ? 100 : 600,
    warmUp: 3,
    restMs: 20,
    turn: (number): Turn => ({
      round: number,
      workspace: workspaces.at(number % WORKSPACES) as string,
      tag: `run ${number}`,
      proof: number % 10 === 5,
    }),
  });
  const summaries = new Map([...samples].map(([name, values]) => [name, summarize(values)]));
  const base = summaries.get(SPAWN_MUSL)?.median ?? Number.NaN;
  return {
    title: 'One run, spaced',
    method: '',
    table: {
      columns: ['', 'median ms', 'middle half', 'p99', 'p99 ÷ median', '÷ spawn (musl)', 'samples'],
      rows: [
        ...[...summaries].map(([name, summary]) => [name, ...cells(summary, base)]),
        ...peers.absent.map(({ name, reason }) => [name, reason, '', '', '', '', '0']),
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

function cells(summary: Summary, base: number): string[] {
  const { median, lowerQuartile, upperQuartile, p99, samples } = summary;
  const half = `${round(lowerQuartile)}–${round(upperQuartile)}`;
  return [
    ...[median].map(round),
    half,
    ...[p99, p99 / median, median / base].map(round),
    String(samples),
  ];
}

function targetsOf(_summaries: ReadonlyMap<string, Summary>): Target[] {
  return [];
}

function makeDirectory(bench: Bench, name: string): string {
  const directory = join(bench.directory, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}
