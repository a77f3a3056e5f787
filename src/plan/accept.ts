/**
 * Nothing is silently weaker: what a host cannot enforce is refused unless the caller accepts it by its id.
 */
import { CaissonError } from '../core/error.ts';
import type { Compiled } from './plan.ts';

/**
 * @param accepted ids from a call option or `--accept`; never from a policy file
 * @returns the ids that were needed and accepted, for the result and the audit record
 * @throws CaissonError `UNENFORCEABLE`; the hint holds the exact `--accept` that would go on
 */
export function requireEnforceable(
  compiled: Pick<Compiled, 'unenforceable'>,
  accepted: readonly string[],
): readonly string[] {
  const { unenforceable } = compiled;
  const refused = unenforceable.filter(
    ({ id, acceptable }) => !acceptable || !accepted.includes(id),
  );
  const ids = unenforceable.map(({ id }) => id);
  if (refused.length === 0) return ids;
  const final = refused.filter(({ acceptable }) => !acceptable);
  const cures = [...new Set((final.length > 0 ? final : refused).map(({ cure }) => cure))];
  const goOn =
    final.length > 0
      ? []
      : [`to go on without: accept ${JSON.stringify(ids)} (--accept ${ids.join(',')})`];
  throw new CaissonError('UNENFORCEABLE', {
    layer: 'plan',
    message: `this host cannot enforce all of the policy: ${refused
      .map(({ id, reason }) => `${id} (${reason})`)
      .join('; ')}`,
    hint: [...cures, ...goOn].join('; '),
    details: { unenforceable: refused, accept: final.length > 0 ? [] : ids },
  });
}
