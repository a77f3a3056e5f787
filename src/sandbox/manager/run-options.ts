/**
 * What of a request to the manager is passed on, and what its outcome means for its state.
 */
import type { Outcome } from '../../core/outcome.ts';
import type { ExecOptions, SpawnOptions } from '../exec-options.ts';
import type { PlaceOptions } from '../place-options.ts';
import type { NetworkOptions } from '../run-network.ts';
import type { PendingOptions } from '../settle-changes.ts';
import type { ManagedOptions, ManagedRunOptions, ManagedSpawnOptions } from './manager-options.ts';

/** What is the same for all that are alike. */
export function placeOf(options: PlaceOptions): PlaceOptions {
  const { policy, workspace, accept, allowUnisolated, tenant, recycleNetwork } = options;
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(accept === undefined ? {} : { accept }),
    ...(allowUnisolated === undefined ? {} : { allowUnisolated }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(recycleNetwork === undefined ? {} : { recycleNetwork }),
  };
}

/** What one run or sandbox alone brings. */
export function ownOf(options: ManagedOptions): NetworkOptions & Pick<PlaceOptions, 'claims'> {
  const { secrets, ask, name, publish, onPublished, claims } = options;
  return {
    ...(secrets === undefined ? {} : { secrets }),
    ...(ask === undefined ? {} : { ask }),
    ...(name === undefined ? {} : { name }),
    ...(publish === undefined ? {} : { publish }),
    ...(onPublished === undefined ? {} : { onPublished }),
    ...(claims === undefined ? {} : { claims }),
  };
}

/** Its time to live is a limit of the run like its own. */
export function execOf(options: ManagedRunOptions): ExecOptions & PendingOptions {
  const { cwd, env, input, ttlMs, timeoutMs, pending } = options;
  const limitMs = Math.min(ttlMs ?? Infinity, timeoutMs ?? Infinity);
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? {} : { input }),
    ...(pending === undefined ? {} : { pending }),
    ...(Number.isFinite(limitMs) ? { timeoutMs: limitMs } : {}),
  };
}

export function spawnOf(options: ManagedSpawnOptions): SpawnOptions & PendingOptions {
  const { input: _, ...exec } = execOf(options);
  return { ...exec, ...(options.pty === undefined ? {} : { pty: options.pty }) };
}

/** In a line; undefined: it went as it should. */
export function reasonOf({ kind, code, signal, clock }: Outcome): string | undefined {
  if (kind === 'exited') return code === 0 ? undefined : `exit code ${code}`;
  return [kind, signal, clock].filter((word) => word !== undefined).join(' ');
}
