/** What code is taken to declare before it has declared anything. */
import type { Capability } from '../../core/admission.ts';

/** `effect`: a small pure module. `package`: what an ordinary npm or PyPI package does. */
export type ThreatProfile = 'effect' | 'package';

/** Ordinary packages do all of this; only persistence is nothing that a package does unasked. */
const OF_PACKAGES: readonly Capability[] = [
  'child-process',
  'process',
  'filesystem',
  'dynamic-code',
  'network',
  'module-loading',
  'environment',
  'native-code',
];

/** Capabilities of the profile together with those of the manifest. */
export function declaredBy(
  profile: ThreatProfile,
  declares: readonly Capability[] = [],
): ReadonlySet<Capability> {
  return new Set([...(profile === 'package' ? OF_PACKAGES : []), ...declares]);
}
