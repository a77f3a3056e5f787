/**
 * What goes by packets: protocols that no proxy can carry, to the blocks that a rule names; and the whole network of the
 * host where something of it is denied. Both need an interface between the sandbox and the host's network, so root, and
 * a host that forwards.
 */
import { type AddressRange, parseCidr } from '../policy/address.ts';
import { rangeCovers } from '../policy/canonical-rules.ts';
import { formatDestination } from '../policy/destination.ts';
import type { Destination, NetworkPolicy, Policy } from '../policy/policy.ts';
import { isPacketRule, protocolNumber } from '../policy/protocol.ts';
import { grantedCapabilities } from './capabilities.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { PacketRule } from './plan.ts';

/** What the launcher takes (PLAN_PACKETS_MAX). */
const RULES_MAX = 128;
const EPERM = 1;

/** `nftables of the host` is a table that the kernel removes with the launcher's socket. */
const PACKET_MECHANISMS = [
  'network namespace',
  'veth',
  'nftables inside',
  'nftables of the host, gone with the launcher',
] as const;

/** Rules for the way out of a filtered network; none where nothing needs one. */
export function compilePackets(
  policy: Policy,
  facts: HostFacts,
  findings: Findings,
): readonly PacketRule[] {
  const { network } = policy;
  const allow = network.allow.filter(isPacketRule);
  if (allow.length === 0) return [];
  const clause = 'network.allow';
  for (const rule of allow) {
    findings.enforce(
      clause,
      `${formatDestination(rule)}: packets, by address, whatever is in them`,
      [...PACKET_MECHANISMS, 'routing rules by protocol'],
      'network-packets',
    );
  }
  const [, six] = byFamily(allow);
  if (six.length > 0) {
    findings.cannot({
      id: 'network.packets:no-ipv6',
      clause,
      reason: `packets go out by IPv4 alone, and the policy names ${list(six)}`,
      cure: 'name blocks of IPv4',
      acceptable: false,
    });
  }
  requireWayOut(clause, allow, facts, findings);
  noteSockets(policy, allow, findings);
  const deny = network.deny.filter(isPacketRule);
  return rulesFor([...deny], [...allow], clause, findings);
}

/** Rules for the whole network of the host, of which something is denied. */
export function compileDenials(
  network: NetworkPolicy,
  facts: HostFacts,
  findings: Findings,
): readonly PacketRule[] {
  const clause = 'network.deny';
  const names = network.deny.filter(({ host }) => parseCidr(host) === undefined && host !== '*');
  if (names.length > 0) {
    findings.cannot({
      id: 'network.deny:by-name',
      clause,
      reason: `in the mode full packets are told by their address alone, and the policy denies ${list(names)}`,
      cure: 'name blocks, or write `mode: filtered` with `allow: ["*:*", "0.0.0.0/0:*", "[::]/0:*"]`, where a denied name holds',
      acceptable: false,
    });
  }
  findings.enforce(
    clause,
    `${list(network.deny)}: by address, packet by packet; no IPv6 at all`,
    PACKET_MECHANISMS,
    'network-packets',
  );
  findings.note(
    "network.full: with deny the guest has a network of its own that leads to the host's: it sees neither the host's loopback services nor its abstract sockets; private addresses, the cloud's metadata service and the host's own addresses are within reach where deny does not name them",
  );
  const everywhere: Destination = { host: '0.0.0.0/0', ports: [], protocol: 'raw' };
  requireWayOut(clause, [everywhere], facts, findings);
  const servers = nameServers(facts.etc.resolvConf ?? '');
  if (servers.length > 0 && servers.every((address) => /^(127\.|::1$)|:/.test(address))) {
    findings.cannot({
      id: 'network.deny:no-resolver',
      clause,
      reason: `names would not resolve: the host asks ${servers.join(', ')}, which the sandbox cannot reach`,
      cure: 'name a server of IPv4 beyond the loopback in /etc/resolv.conf, or write `mode: filtered` with `allow: ["*:*", "0.0.0.0/0:*", "[::]/0:*"]`',
      acceptable: true,
    });
  }
  return rulesFor(network.deny, [], clause, findings);
}

/** What the host must do for packets to come and go. */
function requireWayOut(
  clause: string,
  to: readonly Destination[],
  facts: HostFacts,
  findings: Findings,
): void {
  const errno = facts.packets?.errno;
  const cannot = (id: string, reason: string, cure: string, acceptable = false): void =>
    findings.cannot({ id: `network.packets:${id}`, clause, reason, cure, acceptable });
  if (facts.euid !== 0) {
    cannot(
      'not-root',
      "packets leave by an interface in the host's network, and root alone can make one",
      'run Caisson as root, or take what needs packets out of the policy',
    );
    return;
  }
  if (errno !== 0) {
    cannot(
      'no-veth',
      errno === undefined
        ? 'the launcher has not found out whether a veth pair with nftables works here'
        : `a veth pair with a packet filter does not work here (errno ${errno}${errno === EPERM ? ': CAP_NET_ADMIN is missing' : ''})`,
      'load the kernel modules veth, nf_tables, nft_masq and nft_ct (as root: modprobe -a veth nf_tables nft_masq nft_ct; Linux 5.12 or later), and run with CAP_NET_ADMIN',
    );
    return;
  }
  const { routes, droppingChains } = facts.packets as NonNullable<HostFacts['packets']>;
  const silent = [...new Set(to.flatMap((rule) => stuck(rule, routes)))];
  if (silent.length > 0) {
    cannot(
      'no-forwarding',
      `the host forwards nothing that comes in by ${silent.join(', ')}, so no answer would arrive`,
      `as root: ${silent.map((name) => `sysctl -w net.ipv4.conf.${name.replaceAll('.', '/')}.forwarding=1`).join('; ')}`,
    );
  }
  if (droppingChains.length > 0) {
    cannot(
      'forward-dropped',
      `the host's own firewall drops what it forwards and does not name (${droppingChains.join(', ')}): packets of the sandbox may get nowhere`,
      'let interfaces whose name begins with cais through there in both directions, and accept this',
      true,
    );
  }
}

/** Interfaces by which a destination is reached, and answers are not forwarded. */
function stuck(
  { host }: Destination,
  routes: NonNullable<HostFacts['packets']>['routes'],
): readonly string[] {
  const block = parseCidr(host);
  if (block?.family !== 4) return [];
  const parsed = routes.flatMap((route) => {
    const range = parseCidr(route.to);
    return range === undefined ? [] : [{ ...route, range }];
  });
  const whole = parsed.find(({ range }) => rangeCovers(range, block));
  const within = parsed.filter(({ range }) => rangeCovers(block, range));
  // What a wide block holds beside the rest need not be what the guest is after; one way that works is enough.
  const used = whole === undefined ? within : [whole];
  return used.some(({ forwards }) => forwards) ? [] : used.map((route) => route.interface);
}

function noteSockets(policy: Policy, allow: readonly Destination[], findings: Findings): void {
  const raw = grantedCapabilities(policy.capabilities).includes('CAP_NET_RAW');
  const pings = allow.some(({ protocol }) => protocol === 'icmp' || protocol === 'raw');
  const others = allow.filter(({ protocol }) => protocol !== 'icmp');
  if (raw) return;
  if (pings) {
    findings.note(
      'network.allow: without `capabilities: {add: [net_raw]}` the guest sends echo requests alone (ping sockets), no other ICMP',
    );
  }
  if (others.length > 0) {
    findings.note(
      `network.allow: ${list(others)} can be sent by who may open raw sockets (add net_raw to capabilities), or through a socket of the kernel's for that protocol`,
    );
  }
}

function rulesFor(
  deny: readonly Destination[],
  allow: readonly Destination[],
  clause: string,
  findings: Findings,
): readonly PacketRule[] {
  const rules = [
    ...deny.flatMap((rule) => packetRules(rule, true)),
    ...allow.flatMap((rule) => packetRules(rule, false)),
  ];
  if (rules.length <= RULES_MAX) return rules;
  findings.cannot({
    id: 'network.packets:too-many',
    clause,
    reason: `the policy needs ${rules.length} rules for packets, and ${RULES_MAX} is the most`,
    cure: 'name wider blocks, or ranges of ports',
    acceptable: false,
  });
  return rules.slice(0, RULES_MAX);
}

/** One for each range of ports. IPv6 has no way out. */
function packetRules({ host, ports, protocol }: Destination, denies: boolean): PacketRule[] {
  const block = parseCidr(host === '*' ? '0.0.0.0/0' : host);
  if (block?.family !== 4) return [];
  const [address = '', prefix = '32'] = (host === '*' ? '0.0.0.0/0' : host).split('/');
  const rule = { denies, address, prefix: Number(prefix) };
  if (protocol === 'raw') return [{ ...rule, protocol: 'other' }];
  const number = protocolNumber(protocol);
  const whole = ports.some(({ from, to }) => from === 1 && to === 65_535);
  if (whole || isPacketRule({ host, ports, protocol })) return [{ ...rule, protocol: number }];
  return ports.map((range) => ({ ...rule, protocol: number, ports: { ...range } }));
}

function byFamily(
  rules: readonly Destination[],
): readonly [four: readonly Destination[], six: readonly Destination[]] {
  const isSix = ({ host }: Destination): boolean =>
    (parseCidr(host) as AddressRange | undefined)?.family === 6;
  return [rules.filter((rule) => !isSix(rule)), rules.filter(isSix)];
}

function nameServers(resolvConf: string): readonly string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] as string);
}

function list(rules: readonly Destination[]): string {
  const more = rules.length > 6 ? ` and ${rules.length - 6} more` : '';
  return `${rules.slice(0, 6).map(formatDestination).join(', ')}${more}`;
}
