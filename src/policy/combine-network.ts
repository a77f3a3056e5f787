/**
 * Union and intersection of networks. Of two that share nothing the intersection is none; the union is the least that
 * can be written, which for an internal network and another is the whole network.
 */
import { parseCidr } from './address.ts';
import { canonicalAllow, canonicalRules, coversHost } from './canonical-rules.ts';
import { intersectHosts, intersectRules } from './destination-set.ts';
import type { Destination, NetworkPolicy, Policy, SecretRule } from './policy.ts';

type Filter = Pick<NetworkPolicy, 'intercept' | 'secrets'>;

export function intersectNetwork({ network: x }: Policy, { network: y }: Policy): NetworkPolicy {
  const listen = x.listen.filter((port) => y.listen.includes(port));
  const deny = canonicalRules([...x.deny, ...y.deny]);
  const none = { mode: 'none', allow: [], deny: [], listen } as const;
  if (x.mode === 'none' || y.mode === 'none') return none;
  if (x.mode === 'full' && y.mode === 'full') return { mode: 'full', allow: [], deny, listen };
  if (x.mode === 'internal' || y.mode === 'internal') {
    // The unfiltered network holds the internal one; a filtered one, or one of another group, does not.
    if (x.mode === 'filtered' || y.mode === 'filtered') return none;
    const groups = new Set([x, y].flatMap(({ group }) => group ?? []));
    const [group] = groups;
    if (groups.size > 1) return none;
    return {
      mode: 'internal',
      allow: [],
      deny: [],
      listen,
      ...(group === undefined ? {} : { group }),
    };
  }
  const allow = intersectAllow(x, y);
  const names = (y.secrets ?? []).flatMap((other) => {
    const own = x.secrets?.find(({ name }) => name === other.name);
    const hosts = (own?.hosts ?? []).flatMap((a) =>
      other.hosts.flatMap((b) => intersectHosts(a, b) ?? []),
    );
    return { name: other.name, hosts: canonicalHosts(hosts) };
  });
  return {
    mode: 'filtered',
    allow,
    deny,
    listen,
    ...filterOf(
      x,
      y,
      names.filter(({ hosts }) => hosts.length > 0),
    ),
  };
}

export function unionNetwork({ network: x }: Policy, { network: y }: Policy): NetworkPolicy {
  const listen = [...new Set([...x.listen, ...y.listen])].sort((p, q) => p - q);
  if (x.mode === 'none' || y.mode === 'none') {
    return { ...(x.mode === 'none' ? y : x), listen };
  }
  // What one denies the other may allow, so only what both deny stays denied.
  const deny = intersectRules(x.deny, y.deny);
  if (x.mode === 'filtered' && y.mode === 'filtered') {
    const byName = Map.groupBy([...(x.secrets ?? []), ...(y.secrets ?? [])], ({ name }) => name);
    const secrets = [...byName]
      .map(([name, rules]) => ({
        name,
        hosts: canonicalHosts(rules.flatMap(({ hosts }) => hosts)),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const allow = canonicalAllow([...x.allow, ...y.allow]);
    return { mode: 'filtered', allow, deny, listen, ...filterOf(x, y, secrets) };
  }
  if (x.mode === 'internal' && y.mode === 'internal' && x.group === y.group)
    return { ...x, listen };
  const internal = x.mode === 'internal' || y.mode === 'internal';
  return { mode: 'full', allow: [], deny: internal ? [] : deny, listen };
}

/** `*` allows any name and no block, where a filter is; without one everything is allowed. */
function intersectAllow(x: NetworkPolicy, y: NetworkPolicy): readonly Destination[] {
  if (x.mode === 'full') return y.allow;
  if (y.mode === 'full') return x.allow;
  const part = ({ allow }: NetworkPolicy, blocks: boolean): readonly Destination[] =>
    allow.filter(({ host }) => (parseCidr(host) !== undefined) === blocks);
  return canonicalAllow(
    [true, false].flatMap((blocks) => intersectRules(part(x, blocks), part(y, blocks))),
  );
}

/** Whoever needs TLS opened still does. */
function filterOf(x: Filter, y: Filter, secrets: readonly SecretRule[]): Filter {
  return {
    ...(x.intercept === true || y.intercept === true ? { intercept: true as const } : {}),
    ...(secrets.length === 0 ? {} : { secrets }),
  };
}

function canonicalHosts(hosts: readonly string[]): readonly string[] {
  const each = [...new Set(hosts)].sort();
  return each.filter((host) => !each.some((other) => other !== host && coversHost(other, host)));
}
