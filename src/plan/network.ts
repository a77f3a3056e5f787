/**
 * What the guest reaches: nothing but its own loopback, what a filter lets through, or the host's network as it is.
 *
 * The filtered network has no way out of its namespace: every destination is routed to loopback there, and listeners
 * that the launcher hands out are all that answers. What a rule means is decided by `policy/decide-connection.ts`.
 */
import { parseCidr } from '../policy/address.ts';
import {
  DATAGRAM_BLOCK_MAX,
  DATAGRAM_FIXED_MAX,
  DATAGRAM_PORTS_MAX,
  datagramProblem,
  fixedDatagrams,
} from '../policy/datagram-rules.ts';
import { formatDestination } from '../policy/destination.ts';
import { formatHttpRule } from '../policy/http-rule.ts';
import type { Destination, NetworkPolicy, Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import { compileDenials, compilePackets } from './packets.ts';
import type { NetworkSetup } from './plan.ts';
import { explainSecrets } from './secrets.ts';

/** Landlock knows TCP ports since ABI 4, abstract unix sockets and signals since ABI 6 (landlock(7)). */
export const LANDLOCK_NET_ABI = 4;
export const LANDLOCK_SCOPE_ABI = 6;

export interface NetworkPlan {
  /** Whether the sandbox stands in a network namespace of its own. */
  readonly ownNamespace: boolean;
  /** What that namespace is made of beside its loopback. */
  readonly setup?: NetworkSetup;
  /**
   * TCP ports that Landlock leaves open; absent where it rules over none. A second line at level strict; below it, the
   * loopback of the sandbox is the guest's to use as it likes. `connect` is absent where a proxy decides: a port that
   * Landlock refused it could tell nobody of.
   */
  readonly landlockPorts?: {
    readonly bind: readonly number[];
    readonly connect?: readonly number[];
  };
}

export function compileNetwork(policy: Policy, facts: HostFacts, findings: Findings): NetworkPlan {
  const { network } = policy;
  if (network.mode === 'full' && network.deny.length > 0) {
    if (network.listen.length > 0) explainListen(network, findings);
    const packets = compileDenials(network, facts, findings);
    return { ownNamespace: true, setup: { mode: 'packets', packets } };
  }
  if (network.mode === 'full') return compileFull(facts, findings);
  const ruled =
    facts.landlockAbi >= LANDLOCK_NET_ABI && !['none', 'basic', 'moderate'].includes(policy.level);
  if (network.listen.length > 0) explainListen(network, findings);
  if (network.mode === 'filtered') return compileFiltered(policy, facts, ruled, findings);
  if (network.mode === 'internal') return compileInternal(network, facts, ruled, findings);
  if (network.mode === 'none') {
    findings.enforce(
      'network.none',
      network.listen.length > 0
        ? `loopback of its own alone, TCP ports ${network.listen.join(', ')}`
        : 'loopback of its own alone',
      [
        'network namespace',
        ruled && 'Landlock TCP ports',
        'seccomp socket families',
        facts.landlockAbi >= LANDLOCK_SCOPE_ABI && 'Landlock scope (abstract sockets)',
      ],
      'network-none',
    );
  }
  const ports = { bind: network.listen, connect: network.listen };
  return { ownNamespace: true, ...(ruled ? { landlockPorts: ports } : {}) };
}

function compileFull(facts: HostFacts, findings: Findings): NetworkPlan {
  findings.note(
    "network.full: the guest has the host's network as it is, with its loopback services and private addresses",
  );
  if (facts.landlockAbi < LANDLOCK_SCOPE_ABI) {
    findings.note(
      "network.full: abstract unix sockets of the host are within reach (Landlock's ABI here is below 6)",
    );
  }
  return { ownNamespace: false };
}

function compileFiltered(
  policy: Policy,
  facts: HostFacts,
  ruled: boolean,
  findings: Findings,
): NetworkPlan {
  const { network } = policy;
  if (facts.networkFilterErrno !== 0) findings.cannot(noFilter(facts));
  explainDatagrams(network, findings);
  const packets = compilePackets(policy, facts, findings);
  const way = ['network namespace', 'routes to loopback', 'nftables tproxy', 'egress proxy'];
  for (const rule of network.allow.filter(({ protocol }) => protocol === 'tcp')) {
    findings.enforce(
      'network.allow',
      tellAllowed(rule, network),
      [...way, parseCidr(rule.host) === undefined && 'resolver'],
      'network-filtered',
    );
  }
  if (network.deny.length > 0) {
    findings.enforce(
      'network.deny',
      `${shorten(network.deny.map(formatDestination))}: by name, and by the address that a name leads to`,
      [...way, 'resolver'],
      'network-filtered',
    );
  }
  findings.enforce(
    'network.filtered',
    `nothing else: no other name, address or protocol; no UDP but to the resolver inside and to what a rule with /udp names${packets.length > 0 ? '; no packets but to the blocks above' : ''}; names lead to no private, loopback or metadata address unless a block of allow names it`,
    [...way, 'nftables reject', 'resolver', 'seccomp socket families'],
    'network-filtered',
  );
  explainSecrets(network, facts, findings);
  noteWhatIsNotChecked(network, findings);
  return {
    ownNamespace: true,
    setup: { mode: 'filtered', ...(packets.length === 0 ? {} : { packets }) },
    ...(ruled ? { landlockPorts: { bind: network.listen } } : {}),
  };
}

function tellAllowed(rule: Destination, network: NetworkPolicy): string {
  const where = formatDestination(rule);
  if (parseCidr(rule.host) !== undefined) {
    return `${where}, by address, whatever name it carries${tellRequests(rule)}`;
  }
  const checked = network.intercept ? "TLS SNI and each request's host" : 'TLS SNI, HTTP Host';
  return `${where}, by name (${checked}); without either, by an address that the resolver gave for it${tellRequests(rule)}`;
}

function tellRequests({ http }: Destination): string {
  return http === undefined ? '' : `; requests ${shorten(http.map(formatHttpRule))} alone`;
}

function noteWhatIsNotChecked(network: NetworkPolicy, findings: Findings): void {
  const byName = network.deny.filter(({ host }) => host !== '*' && parseCidr(host) === undefined);
  const blocks = network.allow.filter(({ host }) => parseCidr(host) !== undefined);
  if (byName.length > 0 && blocks.length > 0) {
    findings.note(
      `network.deny: a connection into ${shorten(blocks.map(formatDestination))} that carries no name cannot be told from one to ${shorten(byName.map(formatDestination))}`,
    );
  }
  if (
    network.intercept !== true &&
    network.allow.some(({ host }) => parseCidr(host) === undefined)
  ) {
    findings.note(
      'network.allow: within TLS the host of a request is not seen, so a server that answers for an allowed and another name answers for both (domain fronting); intercept sees it',
    );
  }
}

function noFilter(
  facts: HostFacts,
  clause = 'network.filtered',
): Parameters<Findings['cannot']>[0] {
  const errno = facts.networkFilterErrno;
  return {
    id: `${clause}:no-tproxy`,
    clause,
    reason:
      errno === undefined
        ? 'the launcher has not found out whether nftables works in a network namespace here'
        : `nftables with tproxy does not work in a network namespace here (errno ${errno})`,
    cure: 'load the kernel modules nf_tables, nft_tproxy and nft_reject_inet (as root: modprobe -a nf_tables nft_tproxy nft_reject_inet), or take the destinations out of the policy (network: none)',
    acceptable: false,
  };
}

function explainDatagrams(network: NetworkPolicy, findings: Findings): void {
  const rules = network.allow.filter(({ protocol }) => protocol === 'udp');
  const fixed = fixedDatagrams(network).length;
  for (const rule of rules) {
    const problem = datagramProblem(rule);
    if (problem !== undefined) findings.cannot(tooWide([rule], problem));
    const how =
      parseCidr(rule.host) === undefined
        ? 'by an address that the resolver gave for it'
        : 'by address';
    findings.enforce(
      'network.allow',
      `${formatDestination(rule)}: datagrams ${how}, whatever is in them`,
      ['network namespace', 'routes to loopback', 'nftables set', 'datagram relay'],
      'network-udp',
    );
  }
  if (fixed > DATAGRAM_FIXED_MAX) {
    const blocks = rules.filter(({ host }) => parseCidr(host) !== undefined);
    findings.cannot(
      tooWide(
        blocks,
        `they cover ${fixed} pairs of address and port, and ${DATAGRAM_FIXED_MAX} is the most`,
      ),
    );
  }
  const quic = rules.filter(({ ports }) => ports.some(({ from, to }) => from <= 443 && 443 <= to));
  if (quic.length > 0) {
    const blind = network.intercept === true ? ', nor does intercept open it' : '';
    findings.note(
      `network.allow: ${shorten(quic.map(formatDestination))} lets QUIC through, and nothing within it is checked: no server name, no request${blind}`,
    );
  }
}

function tooWide(
  rules: readonly Destination[],
  problem: string,
): Parameters<Findings['cannot']>[0] {
  return {
    id: 'network.udp:too-wide',
    clause: 'network.allow',
    reason: `a socket stands for each destination of datagrams, and of ${shorten(rules.map(formatDestination))} ${problem}`,
    cure: `name single ports (at most ${DATAGRAM_PORTS_MAX} for a name) and few addresses (at most ${DATAGRAM_BLOCK_MAX} pairs of address and port)`,
    acceptable: false,
  };
}

/** Inside, the same as a filtered network; whom its connections lead to is the proxy's to say. */
function compileInternal(
  network: NetworkPolicy,
  facts: HostFacts,
  ruled: boolean,
  findings: Findings,
): NetworkPlan {
  if (facts.networkFilterErrno !== 0) findings.cannot(noFilter(facts, 'network.internal'));
  findings.enforce(
    'network.internal',
    `sandboxes of the group ${network.group} by name, on the TCP ports that their policies name under listen; no other group or tenant, no host, nothing else`,
    [
      'network namespace',
      'routes to loopback',
      'nftables tproxy',
      'nftables reject',
      'resolver of the group',
      'internal proxy',
      'seccomp socket families',
    ],
    'network-internal',
  );
  return {
    ownNamespace: true,
    setup: { mode: 'filtered' },
    ...(ruled ? { landlockPorts: { bind: network.listen } } : {}),
  };
}

function explainListen({ listen, mode }: NetworkPolicy, findings: Findings): void {
  const others = mode === 'internal' ? ', and from the group' : '';
  findings.enforce(
    'network.listen',
    `TCP ${listen.join(', ')} inside can be reached on a loopback port of the host once it is published${others}; no other port can`,
    ['network namespace', 'connections made inside alone', 'publishing proxy'],
    'network-internal',
  );
}

function shorten(texts: readonly string[]): string {
  const more = texts.length > 6 ? ` and ${texts.length - 6} more` : '';
  return `${texts.slice(0, 6).join(', ')}${more}`;
}
