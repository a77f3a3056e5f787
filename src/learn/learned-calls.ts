/**
 * Which of the traced system calls the preset `default` would refuse, and what a policy can do about it. Pure.
 */
import { auditArch, type SeccompArch, syscallNames } from '../plan/seccomp/numbers.ts';
import { policyTable } from '../plan/seccomp/policy-table.ts';
import type { Reasoned } from './learned-policy.ts';
import type { CallUse } from './observations.ts';

export interface LearnedCalls {
  readonly allow: readonly Reasoned[];
  readonly notes: readonly string[];
}

/** Numbers of the calls that `default` refuses: what a trace is to be told of. */
export function refusedCalls(arch: SeccompArch): number[] {
  return [...syscallNames[arch]].flatMap(([number, name]) =>
    refusal(name) === undefined ? [] : [number],
  );
}

export function learnCalls(calls: readonly CallUse[]): LearnedCalls {
  const allow: Reasoned[] = [];
  const notes = new Set<string>();
  const seen = new Set<string>();
  for (const { arch, number } of calls) {
    const known = (['x86_64', 'aarch64'] as const).find((each) => auditArch[each] === arch);
    const name = known === undefined ? undefined : syscallNames[known].get(number);
    if (known === undefined || number >= 0x40000000) {
      notes.add('a program of another architecture (32-bit?) ran; no sandbox lets it make calls');
      continue;
    }
    if (name === undefined || seen.has(name)) continue;
    seen.add(name);
    const refused = refusal(name);
    if (refused === undefined) continue;
    const { errno, floor, reason } = refused;
    if (errno === 'ENOSYS') {
      notes.add(`it called ${name}, which answers ENOSYS inside; programs fall back from that`);
    } else if (floor) {
      notes.add(`it called ${name}, which no policy allows: ${reason}`);
    } else {
      allow.push({ text: name, reason: `called; outside the preset: ${reason}` });
    }
  }
  return { allow: allow.sort((a, b) => (a.text < b.text ? -1 : 1)), notes: [...notes].sort() };
}

function refusal(name: string): { errno: string; floor: boolean; reason: string } | undefined {
  const row = policyTable.get(name);
  if (row === undefined || row.action.kind === 'allow' || row.action.kind === 'check') {
    return undefined;
  }
  return { errno: row.action.errno, floor: row.open === 'floor', reason: row.reason };
}
