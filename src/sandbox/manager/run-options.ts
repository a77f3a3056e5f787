/**
 * What of a request to the manager is passed on, and what its outcome means for its state.
 */
import type { Outcome } from '../../core/outcome.ts';
import type { ExecOptions } from '../exec-options.ts';
import type { PlaceOptions } from '../place-options.ts';
import type { ManagedRunOptions } from './manager-options.ts';

export function placeOf(options: PlaceOptions): PlaceOptions {
  const { policy, workspace, accept, allowUnisolated, tenant } = options;
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(accept === undefined ? {} : { accept }),
    ...(allowUnisolated === undefined ? {} : { allowUnisolated }),
    ...(tenant === undefined ? {} : { tenant }),
  };
}

/** Its time to live is a limit of the run like its own. */
export function execOf(options: ManagedRunOptions): ExecOptions {
  const { cwd, env, input, ttlMs, timeoutMs } = options;
  const limitMs = Math.min(ttlMs ?? Infinity, timeoutMs ?? Infinity);
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? {} : { input }),
    ...(Number.isFinite(limitMs) ? { timeoutMs: limitMs } : {}),
  };
}

/** In a line; undefined: it went as it should. */
export function reasonOf({ kind, code, signal, clock }: Outcome): string | undefined {
  if (kind === 'exited') return code === 0 ? undefined : `exit code ${code}`;
  return [kind, signal, clock].filter((word) => word !== undefined).join(' ');
}
