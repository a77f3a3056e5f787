/**
 * What code does, learned from what a wall refuses it: unlike `learn`, which watches a command that has all rights, this is
 * for code that nobody trusts. It runs at the level strict, with a network in which nothing is allowed, on an overlay of
 * its directory that is thrown away; refusals are what is seen.
 *
 * Not seen: what is allowed and leaves no trace, such as reading the directory itself or its own environment, and a child
 * process that is refused nothing: {@link UNOBSERVED}. Code that looks around before it acts may do nothing here.
 */
import type { Behave, Behaviour, Capability, Deed } from '../core/admission.ts';
import type { Outcome, Violation } from '../core/outcome.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { Changes } from '../sandbox/changes.ts';
import { secretAt } from './secret-paths.ts';

/** What {@link behaviourUnder} needs of a Caisson. */
export interface Runs {
  run(
    argv: readonly string[],
    options: { readonly policy: PolicyDocument; readonly workspace: string },
  ): Promise<Outcome>;
  changes(id: string): Promise<Pick<Changes, 'entries' | 'discard'>>;
}

const POLICY: PolicyDocument = {
  version: 1,
  level: 'strict',
  onViolation: 'record',
  fileRefusals: 'observe',
  filesystem: { workspace: 'overlay', apply: 'manual', read: ['.'], write: ['.'] },
  network: { mode: 'filtered' },
  limits: { timeout: '30s' },
};

/** A report has to say so: what is not seen is no evidence. */
const UNOBSERVED: Behaviour['unobserved'] = [
  {
    capability: 'environment',
    why: 'variables lie in its own memory, and reading them is no system call; those of the caller are not passed on',
  },
  {
    capability: 'child-process',
    why: 'a child that is refused nothing is not told from its parent',
  },
  { capability: 'dynamic-code', why: 'what an interpreter makes of data stays inside of it' },
  { capability: 'module-loading', why: 'reading the directory itself and the system is allowed' },
  { capability: 'native-code', why: 'the same' },
];

/** Runs what it is asked to behind the strict wall. */
export function behaviourUnder(caisson: Runs): Behave {
  return async ({ command, directory, declares }) => {
    const outcome = await caisson.run(command, { policy: POLICY, workspace: directory });
    const pending = outcome.changes?.pending;
    const changes = pending === undefined ? undefined : await caisson.changes(pending);
    const changed = changes?.entries.map(({ path }) => path) ?? [];
    await changes?.discard();
    return {
      command,
      ended: endOf(outcome),
      ...deedsOf(outcome, changed, declares),
      unobserved: UNOBSERVED,
    };
  };
}

/** @param changed paths of the directory that were changed */
export function deedsOf(
  { violations }: Pick<Outcome, 'violations'>,
  changed: readonly string[],
  declares: readonly Capability[],
): Pick<Behaviour, 'did' | 'undeclared'> {
  const deeds = new Map<string, Deed>();
  const add = (capability: Capability, target: string, count = 1): void => {
    const key = `${capability} ${target}`;
    const all = (deeds.get(key)?.count ?? (deeds.has(key) ? 1 : 0)) + count;
    const secret = capability === 'filesystem' ? secretAt(target) : undefined;
    deeds.set(key, {
      capability,
      target,
      ...(secret === undefined ? {} : { secret }),
      ...(all > 1 ? { count: all } : {}),
    });
  };
  const first = violations.find(({ pid }) => pid !== undefined)?.pid;
  for (const violation of violations) {
    const { pid, program, count } = violation;
    // Who is refused something and is not the first process is a child of it.
    if (pid !== undefined && pid !== first && program !== undefined) add('child-process', program);
    const capability = capabilityOf(violation);
    if (capability !== undefined) add(capability, violation.target ?? violation.reason, count);
  }
  for (const path of changed) add('filesystem', path);
  const did = [...deeds.values()];
  return { did, undeclared: did.filter(({ capability }) => !declares.includes(capability)) };
}

function capabilityOf({ kind, target = '', rule }: Violation): Capability | undefined {
  if (kind === 'network') return 'network';
  if (kind === 'syscall') return 'process';
  if (kind !== 'file') return undefined;
  return rule === 'filesystem.read' && isOrdinary(target) ? undefined : 'filesystem';
}

/** What the C library and interpreters look for by themselves. */
function isOrdinary(path: string): boolean {
  return /^\/(usr|lib|lib32|lib64|opt)\/|^\/etc\/(host\.conf|gai\.conf|localtime|timezone|locale\.alias|ld\.so\.[a-z]+|ssl\/|python|inputrc|services|protocols|nsswitch\.conf|alternatives\/)/.test(
    path,
  );
}

function endOf({ kind, code, signal }: Outcome): string {
  const detail = code ?? signal;
  return detail === undefined ? kind : `${kind} ${detail}`;
}
