/** `caisson explain`. Works on every platform; exit code 77 where a run would be refused. */
import { Caisson } from '../../compose.ts';
import { errorCodes } from '../../core/error.ts';
import { renderExplanation } from '../../plan/explain.ts';
import type { Action } from '../command.ts';
import type { PolicyFlags } from '../flags.ts';
import { acceptedOf, placeOf } from '../place.ts';

export const action: Action<PolicyFlags> = async ({ flags, positionals: [file] }) => {
  const { policy, ...place } = await placeOf(flags, file);
  await using caisson = await Caisson.open();
  const explanation = await caisson.explain(policy, place);
  const accepted = acceptedOf(flags);
  const refused = explanation.unenforceable.some(
    ({ id, acceptable }) => !acceptable || !accepted.includes(id),
  );
  const { digest } = await caisson.policy(policy);
  return {
    exit: refused ? errorCodes.UNENFORCEABLE.exit : 0,
    document: { policy: policy.name, level: policy.level, digest, ...explanation },
    text: renderExplanation(explanation, process.stdout.columns),
  };
};
