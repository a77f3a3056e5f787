/** Whether enough of the right people have signed. */
import type { SignedSubject } from './binding.ts';
import type { GoodSignature } from './good-signature.ts';
import type { TrustRegistry } from './trust-registry.ts';
import { coversId } from './trusted-for.ts';

export interface Thresholds {
  /** Names of the groups that are met. */
  readonly groups: readonly string[];
  /** What is not met, in words; absent: all is. */
  readonly missing?: string;
}

/**
 * Groups that name the id must all be met; then one of `by`, where it is given; else anybody.
 *
 * @param by names of signers and groups
 */
export function thresholdsMet(
  subject: Pick<SignedSubject, 'name'>,
  counted: readonly GoodSignature[],
  { groups, signers }: Pick<TrustRegistry, 'groups' | 'signers'>,
  by: readonly string[] | undefined,
): Thresholds {
  const present = distinct(counted);
  const tally = groups.map((group) => ({
    ...group,
    have: group.of.filter((member) => present.has(member)),
    needed: group.ids !== undefined && coversId(group.ids, subject.name),
  }));
  const met = tally
    .filter(({ have, threshold }) => have.length >= threshold)
    .map(({ name }) => name);
  const unmet = tally.find(({ name, needed }) => needed && !met.includes(name));
  if (unmet !== undefined) {
    const { name, threshold, of, have } = unmet;
    return {
      groups: met,
      missing: `the group ${name} needs ${threshold} of ${of.join(', ')}, and ${have.length === 0 ? 'none' : have.join(', ')} signed`,
    };
  }
  if (present.size === 0)
    return { groups: met, missing: 'nobody who is trusted for it has signed it' };
  if (by === undefined || by.some((name) => present.has(name) || met.includes(name)))
    return { groups: met };
  const known = new Set([...signers, ...groups].map(({ name }) => name));
  const strangers = by.filter((name) => !known.has(name));
  const note = strangers.length === 0 ? '' : ` (${strangers.join(', ')}: not in the registry)`;
  return {
    groups: met,
    missing: `it must be signed by ${by.join(' or ') || 'nobody at all'}${note}`,
  };
}

/** One certificate that fits two entries is still one person, and counts for the first alone. */
function distinct(counted: readonly GoodSignature[]): Set<string> {
  const seen = new Set<string>();
  const names = new Set<string>();
  for (const { signer, identity } of counted) {
    if (identity !== undefined && seen.has(identity)) continue;
    if (identity !== undefined) seen.add(identity);
    names.add(signer.name);
  }
  return names;
}
