/**
 * What one policy may reach over the network and another may not.
 *
 * A connection goes to a host (a name, or an address as such) and so to an address. A rule with a
 * name covers the first; a denied block covers both, the second whatever the name was. What a
 * filter makes of that is in `decide-connection.ts`: `*` is any name and no address, and a name
 * leads to a special address only where a block covers that, which is then told by the block.
 *
 * `intercept` says how rules are checked, not what they allow: it is a neutral difference.
 */
import { parseAddress, parseCidr } from './address.ts';
import { ALL_PORTS, formatPorts } from './destination.ts';
import {
  containsDestination,
  coversHost,
  type DestinationPoint,
  type DestinationSet,
  destinationSet,
  findPoint,
  formatPoint,
  intersectDestinations,
  isEmptyDestinations,
  matches,
  unionDestinations,
} from './destination-set.ts';
import type { Destination, NetworkPolicy, Policy } from './policy.ts';
import { isPacketProtocol } from './protocol.ts';
import { representativeRequests } from './request-set.ts';
import { SPECIAL_BLOCKS, specialAddress } from './special-address.ts';

/** Something that one policy may and another may not. */
export interface Excess {
  /** The clause, as in the document: `filesystem.write`. */
  readonly clause: string;
  /** Reads on after "may": `connect to pypi.org:443`. */
  readonly may: string;
}

const EVERYWHERE: readonly Destination[] = (['tcp', 'udp', 'raw'] as const).map((protocol) => ({
  host: '*',
  ports: ALL_PORTS,
  protocol,
}));

/** What may be connected to, by name or by address. */
export function effectiveDestinations({
  network,
}: {
  readonly network: NetworkPolicy;
}): DestinationSet {
  const { mode, deny } = network;
  if (mode === 'none' || mode === 'internal') return destinationSet([]);
  if (mode === 'full') return destinationSet(EVERYWHERE, deny);
  const any = network.allow.filter(({ host }) => host === '*');
  const named = network.allow.filter(({ host }) => host !== '*');
  return unionDestinations(
    destinationSet(named, deny),
    destinationSet(any, [...deny, ...EVERY_ADDRESS]),
  );
}

const EVERY_ADDRESS: readonly Destination[] = ['0.0.0.0/0', '::/0'].flatMap((host) =>
  EVERYWHERE.map((rule) => ({ ...rule, host })),
);

const SPECIAL: DestinationSet = destinationSet(
  SPECIAL_BLOCKS.flatMap(([host]) => EVERYWHERE.map((rule) => ({ ...rule, host }))),
);

export function networkExcess(of: Policy, over: Policy): Excess[] {
  return [
    ...modeExcess(of, over),
    ...destinationExcess(effectiveDestinations(of), effectiveDestinations(over)),
    ...throughNames(of, over),
    ...secretExcess(of, over),
    ...of.network.listen
      .filter((port) => !over.network.listen.includes(port))
      .map((port) => ({ clause: 'network.listen', may: `listen on port ${port}` })),
  ];
}

function modeExcess({ network: of }: Policy, { network: over }: Policy): Excess[] {
  if (of.mode === 'internal' && over.mode === 'internal' && of.group !== over.group) {
    return [{ clause: 'network.group', may: `reach the sandboxes of the group ${of.group}` }];
  }
  if (of.mode === over.mode || over.mode === 'full') return [];
  const may = {
    full: 'use the network unfiltered',
    internal: 'reach other sandboxes on an internal network',
    filtered: undefined,
    none: undefined,
  }[of.mode];
  return may === undefined ? [] : [{ clause: 'network.mode', may }];
}

/** One sentence for each rule that reaches further: the whole rule where nothing of it is shared, else an example. */
function destinationExcess(wide: DestinationSet, narrow: DestinationSet): Excess[] {
  return wide.terms
    .flatMap((term) => term.allow.map((rule) => ({ rule, deny: term.deny })))
    .flatMap(({ rule, deny }) => {
      const point = findPoint(
        [destinationSet([rule], deny), narrow],
        (at) =>
          matches(rule, at) && containsDestination(wide, at) && !containsDestination(narrow, at),
      );
      if (!point) return [];
      const apart =
        deny.every((one) => EVERY_ADDRESS.includes(one)) &&
        isEmptyDestinations(intersectDestinations(destinationSet([rule]), narrow));
      const where = apart ? tellRule(rule) : formatPoint(point);
      if (point.request) return [{ clause: 'network.allow', may: tellRequest(point, where) }];
      const some = representativeRequests(
        narrow.terms.flatMap((term) => term.allow.flatMap(({ http = [] }) => http)),
      ).some((request) => containsDestination(narrow, { ...point, request }));
      const may = some
        ? `send anything to ${where}`
        : `${isPacketProtocol(point.protocol) ? 'send packets' : 'connect'} to ${where}`;
      return [{ clause: 'network.allow', may }];
    });
}

/** `POST https://api.github.com/graphql`. */
function tellRequest({ host, port, request }: DestinationPoint, where: string): string {
  const tls = port === 443 || port === 8443;
  const usual = port === (tls ? 443 : 80);
  const at = usual ? (host.includes(':') ? `[${host}]` : host) : where;
  return `${request?.method} ${tls ? 'https' : 'http'}://${at}${request?.path}`;
}

/** Values that reach a host only by way of one policy. */
function secretExcess({ network: of }: Policy, { network: over }: Policy): Excess[] {
  return (of.secrets ?? []).flatMap(({ name, hosts }) => {
    const known = over.secrets?.find((secret) => secret.name === name)?.hosts ?? [];
    return hosts
      .filter((host) => !known.some((wide) => coversHost(wide, host)))
      .map((host) => ({ clause: 'network.secrets', may: `use the secret ${name} at ${host}` }));
  });
}

function tellRule({ host, ports, protocol }: Destination): string {
  const who = host === '*' ? 'any host' : host.includes(':') ? `[${host.replace('/', ']/')}` : host;
  if (isPacketProtocol(protocol)) return `${who.replace(/\/(32|128)$/, '')}/${protocol}`;
  return `${who.replace(/\/(32|128)$/, '')}:${formatPorts(ports)}${protocol === 'udp' ? '/udp' : ''}`;
}

/** Where one policy alone denies a block, the other may reach the block through any name it allows. */
function throughNames(of: Policy, over: Policy): Excess[] {
  const wide = effectiveDestinations(of);
  if (isEmptyDestinations(effectiveDestinations(over))) return [];
  const blocks = over.network.deny.filter((rule) => rule.host === '*' || parseCidr(rule.host));
  if (blocks.length === 0) return [];
  const undenied = destinationSet(blocks, of.network.deny);
  const filtered = of.network.mode === 'filtered';
  const point = findPoint(
    [undenied, wide, ...(filtered ? [SPECIAL] : [])],
    (at) =>
      parseAddress(at.host) !== undefined &&
      !(filtered && specialAddress(at.host) !== undefined) &&
      containsDestination(undenied, at) &&
      nameAllowedAt(wide, at) !== undefined,
  );
  if (!point) return [];
  const name = nameAllowedAt(wide, point);
  return [{ clause: 'network.deny', may: `reach ${formatPoint(point)} through the name ${name}` }];
}

function nameAllowedAt(
  set: DestinationSet,
  { port, protocol }: Pick<Parameters<typeof containsDestination>[1], 'port' | 'protocol'>,
): string | undefined {
  const here = destinationSet([{ host: '*', ports: [{ from: port, to: port }], protocol }]);
  return findPoint(
    [set, here],
    (at) =>
      at.port === port &&
      at.protocol === protocol &&
      parseAddress(at.host) === undefined &&
      containsDestination(set, at),
  )?.host;
}
