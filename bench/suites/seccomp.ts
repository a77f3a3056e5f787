/** What the default seccomp filter costs a call, above what having any filter costs. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { round } from '../report.ts';
import type { Bench, Suite, SuiteResult, Target } from '../suite.ts';

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
  // What disturbs a round only makes it longer, so the lowest is what the filter costs.
  const lowest = (kind: string, call: string): number =>
    Math.min(...(measured[kind]?.get(call) ?? []));
  const above = (call: string): number => lowest('ours', call) - lowest('allow', call);
  return {
    title: 'seccomp, per call',
    method: `One process for each filter, ${rounds} times in turn; the lowest of all rounds of calls. openat names a file below no directory: it passes the filter and fails at once.`,
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
        ...kinds.map((kind) => round(lowest(kind, call))),
        round(above(call)),
      ]),
    },
    targets: CALLS.map((call) => target(call, above(call))),
  };
}

const LIMIT_NS = 10;

/** A filter that makes calls cheaper by more than the limit says that the machine was too busy to tell. */
function target(call: string, above: number): Target {
  const common = { sense: '<', limit: LIMIT_NS, unit: 'ns' } as const;
  const name = `seccomp: ${call} above an allow-everything filter`;
  return above > -LIMIT_NS
    ? { name, measured: above, ...common }
    : { name, measured: null, ...common, note: 'the machine was too busy to tell' };
}

function measure(bench: Bench, filter: string): [call: string, ns: number][] {
  const argv = [filter, '12', '10000'];
  const text = execFileSync(bench.programs.syscalls, argv, { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(' ')), Number(line.slice(line.indexOf(' ')))]);
}
