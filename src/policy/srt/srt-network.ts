/**
 * `network` and the masked variables of srt settings as the network of a policy.
 */
import { type Fault, faultOf } from '../checked-value.ts';
import { parseDestination } from '../destination.ts';
import type { PolicyDocument } from '../document.ts';
import type { SrtReport } from './srt-context.ts';
import { isLoopback, parseSrtDomain, type SrtDomain } from './srt-domain.ts';
import type { SrtSettings } from './srt-schema.ts';

type Network = NonNullable<PolicyDocument['network']>;

/** SigV4 signs requests with these, so that a placeholder makes a signature that nobody takes. */
const SIGNED_WITH = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

export function srtNetwork(
  { network = {}, credentials = {} }: SrtSettings,
  report: SrtReport,
): { readonly network: Network; readonly hidden: readonly string[] } {
  const domains = (key: 'allowedDomains' | 'deniedDomains'): SrtDomain[] =>
    (network[key] ?? []).flatMap((text, i) => {
      const told = parseSrtDomain(text, key === 'deniedDomains');
      const fault =
        'value' in told ? destinationFault(told.value) : { message: told.fault, hint: told.hint };
      if ('value' in told && fault === undefined) return [told.value];
      if (fault) report(['network', key, i], fault.message, fault.hint);
      return [];
    });
  const allowed = domains('allowedDomains');
  for (const [i, { host }] of allowed.entries()) {
    if (!isLoopback(host)) continue;
    report(
      ['network', 'allowedDomains', i],
      `${host} is the host's own loopback in srt, and the sandbox's own here`,
      'take it out: the command reaches what it starts itself; the host is reached by an address of its network',
    );
  }
  const denied = domains('deniedDomains').filter(({ host }) => !isLoopback(host));
  const { secrets, hidden } = masked(
    credentials,
    allowed,
    network.tlsTerminate !== undefined,
    report,
  );
  if (allowed.length === 0) return { network: { mode: 'none' }, hidden };
  const intercept = network.tlsTerminate !== undefined;
  return {
    network: {
      mode: 'filtered',
      allow: [...new Set(allowed.map(destinationOf))],
      deny: [...new Set(denied.flatMap(denialsOf))],
      ...(intercept ? { intercept: true } : {}),
      ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
    },
    hidden,
  };
}

/** What a policy finds fault with, beyond what srt does: addresses in odd notations. */
function destinationFault(domain: SrtDomain): Fault {
  return faultOf(() => parseDestination(destinationOf(domain)));
}

function destinationOf({ host, port }: SrtDomain): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `*` is a name to a policy: what is denied by it is denied by address, too. */
function denialsOf(domain: SrtDomain): string[] {
  if (domain.host !== '*') return [destinationOf(domain)];
  return [`*:${domain.port}`, `0.0.0.0/0:${domain.port}`, `[::]/0:${domain.port}`];
}

/** @returns the secrets, and the variables that the guest does not see at all */
function masked(
  { envVars = [] }: NonNullable<SrtSettings['credentials']>,
  allowed: readonly SrtDomain[],
  opensTls: boolean,
  report: SrtReport,
): { secrets: Record<string, string[]>; hidden: string[] } {
  const secrets: Record<string, string[]> = {};
  const hidden: string[] = [];
  for (const [i, { name, mode, injectHosts, extract, decode, maskClaims }] of envVars.entries()) {
    hidden.push(name);
    if (mode === 'deny') continue;
    const at = ['credentials', 'envVars', i];
    const parts = { extract, decode, maskClaims };
    const part = Object.entries(parts).find(([, value]) => value !== undefined);
    if (part !== undefined) {
      report(
        [...at, part[0]],
        `a part of ${name} cannot be masked`,
        'leave it out: the whole value is masked then',
      );
    }
    if (SIGNED_WITH.includes(name)) {
      report(
        [...at, 'mode'],
        `requests are signed with ${name}, which a placeholder cannot do`,
        'write mode "deny"',
      );
    }
    if (!opensTls) {
      report(
        [...at, 'mode'],
        'masking needs network.tlsTerminate',
        'add "tlsTerminate": {} to network',
      );
    }
    if (injectHosts?.length === 0) {
      report(
        [...at, 'injectHosts'],
        `${name} would be masked, and sent nowhere`,
        'leave injectHosts out, or write mode "deny"',
      );
    }
    const hosts = (injectHosts ?? allowed.map(({ host }) => host)).flatMap((text, j) => {
      const told = parseSrtDomain(text, false);
      const place = [...at, ...(injectHosts === undefined ? ['mode'] : ['injectHosts', j])];
      if (!('value' in told)) return report(place, told.fault, told.hint) ?? [];
      const { host } = told.value;
      if (told.value.port !== '*')
        report(place, `${text}: a secret is for a host, whatever the port`);
      else if (/[:]|^[\d.]+$/.test(host))
        report(
          place,
          `${host} has no name, and a secret is sent to names alone`,
          'name its hosts in injectHosts',
        );
      else if (!allowed.some((one) => covers(one.host, host)))
        report(place, `${host} is not reached by allowedDomains`, 'add it there');
      return [host];
    });
    // Where nothing is reached there is nothing to send it to: the guest does not see it.
    if (hosts.length > 0) secrets[name] = [...new Set(hosts)];
  }
  return { secrets, hidden };
}

function covers(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1));
}
