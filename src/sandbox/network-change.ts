/** What can be changed of the network of a sandbox that is open. */
import { CaissonError } from '../core/error.ts';
import { formatDestination } from '../policy/destination.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { isPacketRule } from '../policy/protocol.ts';

/** What was decided when the sandbox was made cannot be changed in it. @throws REQUEST_INVALID */
export function requireSameMeans(from: NetworkPolicy, to: NetworkPolicy): void {
  const names = (policy: NetworkPolicy): string =>
    (policy.secrets ?? []).map(({ name }) => name).join();
  const packets = ({ allow, deny }: NetworkPolicy): string =>
    [allow, deny]
      .map((rules) => rules.filter(isPacketRule).map(formatDestination).join())
      .join(';');
  const fault =
    to.mode !== 'filtered'
      ? `its mode is filtered, not ${to.mode}`
      : from.intercept !== to.intercept
        ? 'interception is decided when it is made'
        : names(from) !== names(to)
          ? 'its secrets are decided when it is made'
          : packets(from) !== packets(to)
            ? 'what goes by packets is decided when it is made'
            : undefined;
  if (fault === undefined) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `the network of an open sandbox cannot be changed so: ${fault}`,
    hint: 'make another sandbox with that policy',
  });
}

export function noNetwork(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: 'the sandbox has no filtered network that could be changed',
    hint: 'make one with network: { mode: filtered, allow: [] }',
  });
}
