/** A trusted signer as lists show it. */
import type { TrustedSigner } from './trust-registry.ts';

export type SignerState = 'trusted' | 'not yet' | 'expired' | 'revoked';

/** @param nowMs Unix ms */
export function shownSigner(
  { name, keyId, sigstore, scope, revoked, fromMs, untilMs }: TrustedSigner,
  nowMs: number,
) {
  return {
    name,
    key: keyId ?? `${sigstore?.issuer} ${sigstore?.subject}`,
    scope,
    ...(Number.isFinite(fromMs) ? { from: new Date(fromMs).toISOString() } : {}),
    ...(Number.isFinite(untilMs) ? { until: new Date(untilMs).toISOString() } : {}),
    ...(revoked === undefined ? {} : { revoked }),
    state: stateOf({ revoked, fromMs, untilMs }, nowMs),
  };
}

function stateOf(
  { revoked, fromMs, untilMs }: { revoked: unknown; fromMs: number; untilMs: number },
  nowMs: number,
): SignerState {
  if (revoked !== undefined) return 'revoked';
  if (nowMs < fromMs) return 'not yet';
  return nowMs < untilMs ? 'trusted' : 'expired';
}
