/**
 * What the guest reaches: nothing but its own loopback, or the host's network as it is.
 */
import type { Destination, Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';

/** Landlock knows TCP ports since ABI 4, abstract unix sockets and signals since ABI 6 (landlock(7)). */
export const LANDLOCK_NET_ABI = 4;
export const LANDLOCK_SCOPE_ABI = 6;

export interface NetworkPlan {
  /** Whether the sandbox stands in a network namespace of its own. */
  readonly ownNamespace: boolean;
  /**
   * TCP ports that Landlock leaves open, to bind and to connect to; absent where it rules over none. A second line at
   * level strict; below it, the loopback of the sandbox is the guest's to use as it likes.
   */
  readonly landlockPorts?: readonly number[];
}

export function compileNetwork(policy: Policy, facts: HostFacts, findings: Findings): NetworkPlan {
  const { network } = policy;
  const landlock = facts.landlockAbi;
  if (network.mode === 'full') {
    findings.note(
      "network.full: the guest has the host's network as it is, with its loopback services and private addresses",
    );
    if (landlock < LANDLOCK_SCOPE_ABI) {
      findings.note(
        "network.full: abstract unix sockets of the host are within reach (Landlock's ABI here is below 6)",
      );
    }
    if (network.deny.length > 0) findings.cannot(notBuilt('deny', network.deny));
    return { ownNamespace: false };
  }
  if (network.mode !== 'none') findings.cannot(notBuilt(network.mode, network.allow));
  const rules =
    landlock >= LANDLOCK_NET_ABI && !['none', 'basic', 'moderate'].includes(policy.level);
  if (network.mode === 'none') {
    findings.enforce(
      'network.none',
      network.listen.length > 0
        ? `loopback of its own alone, TCP ports ${network.listen.join(', ')}`
        : 'loopback of its own alone',
      [
        'network namespace',
        rules && 'Landlock TCP ports',
        'seccomp socket families',
        landlock >= LANDLOCK_SCOPE_ABI && 'Landlock scope (abstract sockets)',
      ],
      'network-none',
    );
  }
  return { ownNamespace: true, ...(rules ? { landlockPorts: network.listen } : {}) };
}

function notBuilt(
  mode: 'internal' | 'filtered' | 'deny',
  destinations: readonly Destination[],
): Parameters<Findings['cannot']>[0] {
  const named = destinations.map(({ host }) => host).join(', ');
  return {
    id: `network.${mode}:not-built`,
    clause: `network.${mode}`,
    reason: `this release lets through all or nothing, and the policy names ${named === '' ? 'a filter' : named}`,
    cure: "take the destinations out of the policy (network: none), or name the host's whole network (network: full)",
    acceptable: false,
  };
}
