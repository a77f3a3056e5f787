/**
 * Which calls an observer of file refusals looks at: what opens, executes, makes, renames, removes and changes files by
 * name. Not what only looks (stat, access, readlink): programs make such calls by the thousand, and each would cost.
 */
import type { SeccompRequest } from './compile.ts';
import { syscallNames } from './numbers.ts';
import { decidePolicy } from './policy-table.ts';

export const observedNames: readonly string[] = [
  'open',
  'openat',
  'openat2',
  'creat',
  'execve',
  'execveat',
  'truncate',
  'mkdir',
  'mkdirat',
  'mknod',
  'mknodat',
  'symlink',
  'symlinkat',
  'unlink',
  'unlinkat',
  'rmdir',
  'rename',
  'renameat',
  'renameat2',
  'chmod',
  'fchmodat',
  'chown',
  'fchownat',
];

/** Their numbers, where the policy allows them without a look at arguments. */
export function observedCalls({
  arch,
  preset,
  allow = [],
  deny = [],
}: SeccompRequest): readonly number[] {
  const allowed = new Set(
    decidePolicy({ preset, allow, deny }).flatMap(({ name, decided }) =>
      decided.kind === 'allow' ? [name] : [],
    ),
  );
  return [...syscallNames[arch]].flatMap(([number, name]) =>
    observedNames.includes(name) && allowed.has(name) ? [number] : [],
  );
}
