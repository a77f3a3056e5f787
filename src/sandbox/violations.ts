/**
 * What the launcher recorded of refused system calls and of limits, as the violations that a caller sees.
 */
import type { RawViolation } from '../backends/backend.ts';
import type { LimitName, Violation } from '../core/outcome.ts';
import { syscallNames } from '../plan/seccomp/numbers.ts';
import { policyTable } from '../plan/seccomp/policy-table.ts';
import { scalarArguments } from '../plan/seccomp/scalar-arguments.ts';

const names = syscallNames[process.arch === 'arm64' ? 'aarch64' : 'x86_64'];

export function syscallViolation(raw: RawViolation): Violation {
  const { number, count, pid, program, ended } = raw;
  if (number === undefined) {
    return {
      kind: 'syscall',
      reason: 'further refused calls, more different ones than are kept apart',
      rule: 'syscalls.floor',
      ...(count === 1 ? {} : { count }),
      details: {},
    };
  }
  const name = names.get(number) ?? `system call ${number}`;
  return {
    kind: 'syscall',
    target: name,
    reason: ended
      ? `${name} is refused, and this policy ends a run for it; onViolation: record lets it go on`
      : refusal(name),
    ...(pid === undefined ? {} : { pid }),
    ...(program === '' ? {} : { program }),
    rule: isFloor(name) ? 'syscalls.floor' : 'syscalls',
    ...(count === 1 ? {} : { count }),
    details: scalarArguments(name, raw.args),
  };
}

function refusal(name: string): string {
  const reason = policyTable.get(name)?.reason ?? 'not allowed';
  const cure = isFloor(name)
    ? 'what needs it needs a stronger wall (container or microvm)'
    : `syscalls.allow: [${name}] allows it`;
  return `${name} is refused: ${reason}; ${cure}`;
}

/** What no policy can open further. */
function isFloor(name: string): boolean {
  const open = policyTable.get(name)?.open;
  return open === 'floor' || open?.kind === 'check';
}

const limits: Readonly<Record<LimitName, string>> = {
  'wall-time': 'wall-clock time is used up; limits.timeout gives more',
  'cpu-time': 'CPU time is used up; limits.cpuTime gives more',
  fuel: 'the program used the fuel that it was given',
  memory: 'memory ran out; limits.memory gives more',
  processes: 'no further process or thread was allowed; limits.processes gives more',
  output: 'more output than is kept; limits.output gives more',
  'file-size': 'a file would have grown too large; limits.fileSize gives more',
};

export function limitViolation(limit: LimitName): Violation {
  return { kind: 'limit', target: limit, reason: limits[limit], rule: 'limits', details: {} };
}
