import { CaissonError, type ErrorLayer } from '../core/error.ts';

/** For callers without types: what a document writes under `network` is no normalised policy yet. @throws REQUEST_INVALID */
export function requireNetworkPolicy(policy: unknown, layer: ErrorLayer = 'sandbox'): void {
  const { mode, allow, deny, listen } = (policy ?? {}) as Readonly<Record<string, unknown>>;
  const areRules = [allow, deny].every(
    (rules) => Array.isArray(rules) && rules.every((each) => typeof each === 'object' && each),
  );
  const arePorts = Array.isArray(listen) && listen.every((port) => Number.isInteger(port));
  if (typeof mode === 'string' && areRules && arePorts) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer,
    message: 'that is no network of a policy',
    hint: 'give that of a whole one: (await caisson.policy(document)).policy.network',
  });
}
