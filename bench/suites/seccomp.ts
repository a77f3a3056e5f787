/** What the default seccomp filter costs a call, above what having any filter costs. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

/** BPF_RET | BPF_K, SECCOMP_RET_ALLOW. */
const ALLOW_EVERYTHING = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0xff, 0x7f);
const CALLS = ['getppid', 'read', 'openat'] as const;

export const seccomp: Suite = { name: 'seccomp', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const allow = join(bench.directory, 'allow.bpf');
  writeFileSync(allow, ALLOW_EVERYTHING);
  const filters = { none: 'none', allow, ours: bench.seccomp };
  const kinds = ['none', 'allow', 'ours'] as const;
  const measured = Object.fromEntries(kinds.map((kind) => [kind, new Map<string, number[]>()]));
  const rounds = bench.quick ? 8 : 24;
  for (let turn = 0; turn < rounds; turn++)
    for (let i = 0; i < kinds.length; i++) {
      const kind = kinds[(turn + i) % kinds.length] as (typeof kinds)[number];
      for (const [call, ns] of measure(bench, filters[kind])) {
        const samples = measured[kind]?.get(call) ?? [];
        measured[kind]?.set(call, [...samples, ns]);
      }
    }
  // The difference within a round, since a round's neighbours share what disturbs them.
  const above = (call: string): number => {
    const ours = measured.ours?.get(call) ?? [];
    const base = measured.allow?.get(call) ?? [];
    return summarize(ours.map((ns, i) => ns - (base[i] ?? Number.NaN))).median;
  };
  const cell = (kind: string, call: string): string =>
    round(summarize(measured[kind]?.get(call) ?? []).median);
  return {
    title: 'seccomp, per call',
    method: `One process for each filter, ${rounds} times in turn; each takes the lowest of its rounds of calls. openat includes its close.`,
    table: {
      columns: [
        'ns',
        'no filter',
        'filter that allows everything',
        "Caisson's default filter",
        'above',
      ],
      rows: CALLS.map((call) => [
        call,
        ...kinds.map((kind) => cell(kind, call)),
        round(above(call)),
      ]),
    },
    targets: CALLS.map((call) => ({
      name: `seccomp: ${call} above an allow-everything filter`,
      measured: above(call),
      sense: '<' as const,
      limit: 10,
      unit: 'ns',
    })),
  };
}

function measure(bench: Bench, filter: string): [call: string, ns: number][] {
  const argv = [filter, '12', '10000'];
  const text = execFileSync(bench.programs.syscalls, argv, { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(' ')), Number(line.slice(line.indexOf(' ')))]);
}
