/**
 * The network of a policy, from its documents.
 */
import { parseCidr } from './address.ts';
import { canonicalAllow, canonicalRules } from './canonical-rules.ts';
import { parseDestination } from './destination.ts';
import { intersectHosts } from './destination-set.ts';
import { hostName } from './host-name.ts';
import { parseHttpRule } from './http-rule.ts';
import { levels } from './levels.ts';
import { containsName, nameSet } from './name-set.ts';
import type { Destination, HttpRule, Level, NetworkPolicy, SecretRule } from './policy.ts';
import { canonicalRequests } from './request-set.ts';
import type { DocumentLayer, Sheet } from './sheet.ts';

/** Ports that speak TLS by convention, where requests cannot be seen without interception. */
const TLS_PORTS = [443, 8443];

const NEEDS_INTERCEPT =
  'add `intercept: true`: the proxy then opens TLS with an authority that this sandbox alone trusts';

export function resolveNetwork(sheet: Sheet, level: Level): NetworkPolicy {
  const named = sheet.last(({ network }) => network?.mode);
  const group = sheet.last(({ network }) => network?.group);
  const intercept = sheet.last(({ network }) => network?.intercept) === true;
  const allowed = allowedEntries(sheet, intercept);
  const allow = canonicalAllow(allowed);
  const deny = canonicalRules(
    (sheet.entries('network', 'deny') ?? []).flatMap(
      ({ value, layer, path }) => sheet.attempt(layer, path, () => parseDestination(value)) ?? [],
    ),
  );
  const mode = named ?? (allow.length > 0 ? 'filtered' : levels[level].document.network);
  checkMode(sheet, level, mode, { allow: allow.length > 0, group, intercept });
  const listen = [...new Set(sheet.strings('network', 'listen').map(Number))].sort((a, b) => a - b);
  const secrets = resolveSecrets(sheet, level, allow, intercept);
  return {
    mode,
    allow,
    deny: mode === 'filtered' || mode === 'full' ? deny : [],
    listen,
    ...(intercept ? { intercept: true as const } : {}),
    ...(group === undefined ? {} : { group }),
    ...(secrets.length === 0 ? {} : { secrets }),
  };
}

function checkMode(
  sheet: Sheet,
  level: Level,
  mode: NetworkPolicy['mode'],
  { allow, group, intercept }: { allow: boolean; group: string | undefined; intercept: boolean },
): void {
  const report = (key: string, message: string, hint: string): void =>
    sheet.report(sheet.lastLayer(['network', key]), ['network', key], message, hint);
  if (level === 'paranoid' && mode !== 'none') {
    const key = sheet.lastLayer(['network', 'mode']) ? 'mode' : 'allow';
    report(
      key,
      'the level paranoid has no network',
      'choose level strict, or take the network out',
    );
  }
  if (allow && mode !== 'filtered') {
    report(
      'mode',
      `allowed destinations have no meaning in the mode ${mode}`,
      group === undefined
        ? 'write `mode: filtered`, or leave the mode out'
        : 'a sandbox is on the network of its group or on a filtered one: take out the destinations, or `mode` and `group`',
    );
  }
  if (mode === 'internal' && group === undefined) {
    report(
      'mode',
      'the mode internal needs a group',
      'add `group: name`; sandboxes of one group reach each other',
    );
  }
  if (mode !== 'internal' && group !== undefined) {
    report(
      'group',
      `a group has no meaning in the mode ${mode}`,
      mode === 'filtered'
        ? 'a sandbox is on the network of its group or on a filtered one: write `mode: internal` without `allow`, or take the group out'
        : 'write `mode: internal`, or take the group out',
    );
  }
  if (intercept && mode !== 'filtered') {
    report(
      'intercept',
      `there is nothing to intercept in the mode ${mode}`,
      'write `mode: filtered`, or `intercept: false`',
    );
  }
}

function allowedEntries(sheet: Sheet, intercept: boolean): Destination[] {
  return sheet.items('network', 'allow').flatMap(({ value, layer, path }): Destination[] => {
    if (typeof value === 'string')
      return [sheet.attempt(layer, path, () => parseDestination(value)) ?? []].flat();
    const { host, http } = value as { host?: unknown; http?: unknown };
    const rule = sheet.attempt(layer, [...path, 'host'], () => parseDestination(String(host)));
    const requests = (Array.isArray(http) ? http : []).map((text: unknown, i) =>
      sheet.attempt(layer, [...path, 'http', i], () => parseHttpRule(String(text))),
    );
    if (!rule) return [];
    if (http === undefined) return [rule];
    checkRequests(sheet, layer, [...path, 'http'], rule, intercept, requests.length);
    const known = requests.filter((one): one is HttpRule => one !== undefined);
    // A faulty rule must not leave an empty list that reads as "anything"; it is reported, so nothing runs.
    return [{ ...rule, http: canonicalRequests(known) }];
  });
}

function checkRequests(
  sheet: Sheet,
  layer: DocumentLayer,
  path: readonly (string | number)[],
  rule: Destination,
  intercept: boolean,
  count: number,
): void {
  if (count === 0) {
    sheet.report(
      layer,
      path,
      'no request is allowed there',
      'name some, such as "GET /**", or take the entry out',
    );
  }
  if (rule.protocol !== 'tcp') {
    sheet.report(layer, path, 'requests are made over TCP', `take /${rule.protocol} out`);
  }
  const tls = TLS_PORTS.find((port) =>
    rule.ports.some(({ from, to }) => from <= port && port <= to),
  );
  if (!intercept && tls !== undefined) {
    sheet.report(layer, path, `TLS on port ${tls} hides requests`, NEEDS_INTERCEPT);
  }
}

function resolveSecrets(
  sheet: Sheet,
  level: Level,
  allow: readonly Destination[],
  intercept: boolean,
): SecretRule[] {
  const byName = new Map<string, SecretRule>();
  for (const layer of sheet.layers) {
    for (const [name, value] of Object.entries(layer.document.network?.secrets ?? {})) {
      const path = ['network', 'secrets', name];
      const listed = Array.isArray(value) ? value : value.hosts;
      const at = Array.isArray(value) ? path : [...path, 'hosts'];
      const hosts = listed.flatMap((text, i) =>
        secretHost(sheet, layer, [...at, i], String(text), allow),
      );
      if (listed.length === 0) {
        sheet.report(
          layer,
          path,
          `${name} is sent nowhere`,
          'name hosts, such as [api.example.org]',
        );
      }
      if (!intercept)
        sheet.report(
          layer,
          path,
          'a secret is put into requests, which TLS hides',
          NEEDS_INTERCEPT,
        );
      checkNotInside(sheet, level, layer, name);
      byName.set(name, { name, hosts: [...new Set(hosts)].sort() });
    }
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function secretHost(
  sheet: Sheet,
  layer: DocumentLayer,
  path: readonly (string | number)[],
  text: string,
  allow: readonly Destination[],
): string[] {
  const bare = hostName(text.replace(/^\*\./, ''));
  if (bare === undefined) {
    sheet.report(
      layer,
      path,
      `${JSON.stringify(text.slice(0, 80))} is not a name`,
      'write a name or *.name, without a port; a secret goes to names alone',
    );
    return [];
  }
  const host = text.startsWith('*.') ? `*.${bare}` : bare;
  const reached = allow.some(
    (rule) =>
      rule.protocol === 'tcp' &&
      !parseCidr(rule.host) &&
      intersectHosts(rule.host, host) !== undefined,
  );
  if (!reached) {
    sheet.report(
      layer,
      path,
      `no rule under allow reaches ${host}`,
      `add "${host}" to network.allow`,
    );
  }
  return [host];
}

/** What the guest must not have cannot also be handed to it. */
function checkNotInside(sheet: Sheet, level: Level, layer: DocumentLayer, name: string): void {
  const pass = nameSet(
    sheet.entries('environment', 'pass')?.map(({ value }) => value) ?? levels[level].document.pass,
  );
  const path = ['network', 'secrets', name];
  if (containsName(pass, name)) {
    sheet.report(layer, path, `${name} is also passed by environment.pass`, `add "!${name}" there`);
  }
  if (sheet.layers.some(({ document }) => Object.hasOwn(document.environment?.set ?? {}, name))) {
    sheet.report(layer, path, `${name} is also set by environment.set`, 'take it out there');
  }
}
