/**
 * What the host cannot enforce, as whoever asks over HTTP can act on it: a request goes on without what the operator has
 * listed (`accept` of the configuration), and never without anything else.
 */
import { CaissonError, isCaissonError } from '../../core/error.ts';
import type { Unenforceable } from '../../plan/plan.ts';

/**
 * @param listed ids under `accept` of the configuration
 * @returns where the error is UNENFORCEABLE, the same with a hint of its own, and in `details.accept` only what a request
 * may name
 */
export function withAcceptHint(error: unknown, listed: readonly string[]): unknown {
  if (!isCaissonError(error) || error.code !== 'UNENFORCEABLE') return error;
  const { layer, message, details, cause } = error;
  const { unenforceable, accept: ids } = details as {
    readonly unenforceable: readonly Unenforceable[];
    readonly accept: readonly string[];
  };
  if (ids.length === 0) return error;
  const unlisted = ids.filter((id) => !listed.includes(id));
  const cures = [...new Set(unenforceable.map(({ cure }) => cure))];
  const asked = `"accept": ${JSON.stringify(ids)}`;
  const goOn =
    unlisted.length === 0
      ? `to go on without, send ${asked}`
      : `to go on without, the operator has to list ${unlisted.join(', ')} under accept of the configuration (--set accept=${[...listed, ...unlisted].join(',')}); then send ${asked}`;
  return new CaissonError('UNENFORCEABLE', {
    layer,
    message,
    hint: [...cures, goOn].join('; '),
    details: { ...details, accept: unlisted.length === 0 ? ids : [] },
    cause,
  });
}
