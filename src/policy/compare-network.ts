/**
 * What one policy may reach over the network and another may not.
 *
 * A connection goes to a host (a name, or an address as such) and so to an address. A rule with a
 * name covers the first; a denied block covers both, the second whatever the name was.
 */
import { parseAddress, parseCidr } from './address.ts';
import { ALL_PORTS, formatPorts } from './destination.ts';
import {
  containsDestination,
  type DestinationSet,
  destinationSet,
  findPoint,
  formatPoint,
  intersectDestinations,
  isEmptyDestinations,
  matches,
} from './destination-set.ts';
import type { Destination, Policy } from './policy.ts';

/** Something that one policy may and another may not. */
export interface Excess {
  /** The clause, as in the document: `filesystem.write`. */
  readonly clause: string;
  /** Reads on after "may": `connect to pypi.org:443`. */
  readonly may: string;
}

const EVERYWHERE: readonly Destination[] = (['tcp', 'udp'] as const).map((protocol) => ({
  host: '*',
  ports: ALL_PORTS,
  protocol,
}));

/** What may be connected to, by name or by address. */
export function effectiveDestinations({ network }: Policy): DestinationSet {
  if (network.mode === 'none' || network.mode === 'internal') return destinationSet([]);
  return destinationSet(allowedRules(network), network.deny);
}

/** The rules of `allow`, which the mode `full` leaves unsaid. */
export function allowedRules(network: Policy['network']): readonly Destination[] {
  return network.mode === 'full' ? EVERYWHERE : network.allow;
}

export function networkExcess(of: Policy, over: Policy): Excess[] {
  return [
    ...modeExcess(of, over),
    ...destinationExcess(effectiveDestinations(of), effectiveDestinations(over)),
    ...throughNames(of, over),
    ...of.network.listen
      .filter((port) => !over.network.listen.includes(port))
      .map((port) => ({ clause: 'network.listen', may: `listen on port ${port}` })),
  ];
}

function modeExcess({ network: of }: Policy, { network: over }: Policy): Excess[] {
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
        deny.length === 0 &&
        isEmptyDestinations(intersectDestinations(destinationSet([rule]), narrow));
      const where = apart ? tellRule(rule) : formatPoint(point);
      return [{ clause: 'network.allow', may: `connect to ${where}` }];
    });
}

function tellRule({ host, ports, protocol }: Destination): string {
  const who = host === '*' ? 'any host' : host.includes(':') ? `[${host.replace('/', ']/')}` : host;
  return `${who.replace(/\/(32|128)$/, '')}:${formatPorts(ports)}${protocol === 'udp' ? '/udp' : ''}`;
}

/** Where one policy alone denies a block, the other may reach the block through any name it allows. */
function throughNames(of: Policy, over: Policy): Excess[] {
  const wide = effectiveDestinations(of);
  const blocks = effectiveDestinations(over).terms.flatMap((term) =>
    term.deny.filter((rule) => rule.host === '*' || parseCidr(rule.host)),
  );
  const undenied = destinationSet(blocks, of.network.deny);
  const point = findPoint(
    [undenied, wide],
    (at) =>
      parseAddress(at.host) !== undefined &&
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
