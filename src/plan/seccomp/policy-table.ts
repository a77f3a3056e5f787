/**
 * The policy table: one row for every system call that Linux up to 6.18 knows, and what a policy makes of it.
 */
import { CaissonError } from '../../core/error.ts';
import type { Policy } from '../../policy/policy.ts';
import { suggest } from '../../policy/suggest.ts';
import { type Action, EPERM } from './action.ts';
import { socketFamilies, socketFamiliesButUnix } from './checks.ts';
import type { SyscallGroup, SyscallRule } from './rule.ts';
import { events } from './table/events.ts';
import { files } from './table/files.ts';
import { ipc } from './table/ipc.ts';
import { kernel } from './table/kernel.ts';
import { memory } from './table/memory.ts';
import { network } from './table/network.ts';
import { obsolete } from './table/obsolete.ts';
import { machine, processes } from './table/processes.ts';
import { signals } from './table/signals.ts';
import { system } from './table/system.ts';
import { time } from './table/time.ts';

const groups = {
  files,
  memory,
  processes,
  machine,
  signals,
  time,
  events,
  network,
  ipc,
  system,
  kernel,
  obsolete,
} as const satisfies Record<string, SyscallGroup>;
export type SyscallGroupName = keyof typeof groups;

export interface PolicyRow extends SyscallRule {
  readonly group: SyscallGroupName;
}

/** Every system call of every architecture, by name. */
export const policyTable: ReadonlyMap<string, PolicyRow> = new Map(
  Object.entries(groups).flatMap(([group, rules]) =>
    Object.entries(rules).map(([name, rule]): [string, PolicyRow] => [
      name,
      { ...rule, group: group as SyscallGroupName },
    ]),
  ),
);

/** Without these a guest neither begins nor ends. */
const indispensable: ReadonlySet<string> = new Set([
  'execve',
  'exit',
  'exit_group',
  'rt_sigreturn',
  'write',
]);

/** What `deny` may name beside system calls: socket(2) of the family AF_UNIX. */
const UNIX_SOCKETS = 'socket_unix';

export interface DecidedRow extends PolicyRow {
  readonly name: string;
  /** What the policy comes to. */
  readonly decided: Action;
  /** Which part of the policy said so. */
  readonly by: 'preset' | 'allow' | 'deny';
}

/**
 * The table with a policy laid over it: `deny` before `allow` before the preset, the floor below all of them.
 *
 * @throws CaissonError `POLICY_INVALID` for a name that no system call has, one in `allow` that the floor keeps
 *   closed, and one in `deny` without which nothing can run
 */
export function decidePolicy(syscalls: Policy['syscalls']): readonly DecidedRow[] {
  for (const name of syscalls.allow) checkAllowed(name);
  for (const name of syscalls.deny) checkDenied(name);
  const allowed = new Set(syscalls.allow);
  const denied = new Set(syscalls.deny);
  return [...policyTable].map(([name, row]): DecidedRow => {
    if (denied.has(name) && row.open !== 'floor')
      return { ...row, name, decided: EPERM, by: 'deny' };
    if (name === 'socket' && denied.has(UNIX_SOCKETS)) {
      const usual = syscalls.preset === 'minimal' && !allowed.has(name) ? row.minimal : row.action;
      const decided = usual === socketFamilies ? socketFamiliesButUnix : usual;
      return { ...row, name, decided, by: 'deny' };
    }
    if (allowed.has(name)) return { ...row, name, decided: opened(row), by: 'allow' };
    const decided =
      syscalls.preset === 'all'
        ? opened(row)
        : syscalls.preset === 'minimal'
          ? row.minimal
          : row.action;
    return { ...row, name, decided, by: 'preset' };
  });
}

function opened(row: PolicyRow): Action {
  return row.open === 'floor' ? row.action : row.open;
}

function checkAllowed(name: string): void {
  const row = known(name, 'allow');
  if (row.open !== 'floor') return;
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `syscalls.allow: no policy can open ${name}: ${row.reason}`,
    hint: `take ${name} out of syscalls.allow; what needs it needs a stronger wall (container or microvm)`,
    details: { syscall: name, reason: row.reason },
  });
}

function checkDenied(name: string): void {
  if (name === UNIX_SOCKETS) return;
  known(name, 'deny');
  if (!indispensable.has(name)) return;
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `syscalls.deny: without ${name} no command can start and end`,
    hint: `take ${name} out of syscalls.deny`,
    details: { syscall: name },
  });
}

function known(name: string, list: 'allow' | 'deny'): PolicyRow {
  const row = policyTable.get(name);
  if (row !== undefined) return row;
  const near = suggest(name, policyTable.keys());
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `syscalls.${list}: Linux has no system call ${JSON.stringify(name.slice(0, 64))}`,
    hint: near === undefined ? 'syscalls(2) lists them' : `did you mean ${near}?`,
    details: { syscall: name.slice(0, 64) },
  });
}
