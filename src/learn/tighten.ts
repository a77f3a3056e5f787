/**
 * What a policy allows that a run never used, clause by clause, and how to narrow it. Pure.
 *
 * One run shows what was needed once: a finding is a question to a person, never a change.
 */

import { parseBytes, parseDuration } from '../core/units.ts';
import { parseDestination } from '../policy/destination.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { LIMIT_ROWS } from '../policy/limits.ts';
import { WORKSPACE } from '../policy/path.ts';
import { isWithin } from '../policy/path-set.ts';
import type { Destination, PathSet, Policy } from '../policy/policy.ts';
import { isPacketRule } from '../policy/protocol.ts';
import { asRule } from './learned-paths.ts';
import type { LearnedPolicy } from './learned-policy.ts';

export interface Unused {
  /** Such as `filesystem.read`. */
  readonly clause: string;
  /** As the policy has it. */
  readonly entry: string;
  /** What of it was used. */
  readonly finding: string;
  /** What would be enough; absent: leave the entry out. */
  readonly instead?: readonly string[];
}

/** As many as a person reads as a replacement. */
const INSTEAD_MAX = 16;
/** A limit that is that much above what is enough is told. */
const SLACK = 2;

export function tighten(policy: Policy, learned: LearnedPolicy): Unused[] {
  const { filesystem, limits } = learned.document;
  const written = (filesystem?.write ?? []).map(asRule);
  const read = (filesystem?.read ?? []).map(asRule);
  // What may be written may be read, except in a staged workspace: an entry that is both counts as written.
  const own = policy.write.rules.filter(({ include }) => include).map(({ path }) => path);
  const staged = policy.workspace.mode === 'staged';
  const readOnly: PathSet = {
    rules: policy.read.rules.filter(({ path }) => staged || !own.includes(path)),
  };
  return [
    ...pathFindings('filesystem.read', readOnly, read, 'read'),
    ...pathFindings('filesystem.write', policy.write, written, 'written'),
    ...networkFindings(policy, learned),
    ...policy.syscalls.allow
      .filter((name) => !learned.calls.allow.some(({ text }) => text === name))
      .map((entry): Unused => ({ clause: 'syscalls.allow', entry, finding: 'never called' })),
    ...policy.devices
      .filter((device) => learned.document.devices?.includes(device) !== true)
      .map((entry): Unused => ({ clause: 'devices', entry, finding: 'never opened' })),
    ...(policy.sys && filesystem?.sys !== true
      ? [{ clause: 'filesystem.sys', entry: 'true', finding: 'nothing of /sys was read' }]
      : []),
    ...limitFindings(policy, limits ?? {}),
  ];
}

function pathFindings(
  clause: string,
  { rules }: PathSet,
  used: readonly string[],
  verb: string,
): Unused[] {
  return rules.flatMap(({ path, include }): Unused[] => {
    if (!include) return [];
    const below = used.filter((each) => isWithin(each, path));
    const entry = shown(path);
    if (below.length === 0) {
      const above = used.some((each) => isWithin(path, each));
      return above ? [] : [{ clause, entry, finding: `nothing of it was ${verb}` }];
    }
    if (below.includes(path)) return [];
    const instead = below.map(shown);
    return [
      {
        clause,
        entry,
        finding: `of what is below it, ${below.length} ${below.length === 1 ? 'path was' : 'paths were'} ${verb}`,
        instead: instead.length <= INSTEAD_MAX ? instead : commonDirectories(instead),
      },
    ];
  });
}

/** Too many to list: the directories right below, which hold them. */
function commonDirectories(paths: readonly string[]): string[] {
  const tops = new Set(
    paths.map((path) => {
      const parts = path.split('/');
      return parts.length > 1 ? parts.slice(0, path.startsWith('/') ? -1 : 1).join('/') : path;
    }),
  );
  return [...tops].sort().slice(0, INSTEAD_MAX * 4);
}

function shown(path: string): string {
  if (path === WORKSPACE) return '.';
  return isWithin(path, WORKSPACE) ? path.slice(WORKSPACE.length + 1) : path;
}

function networkFindings({ network }: Policy, { allow, listen }: LearnedPolicy): Unused[] {
  const used = allow.map(({ text }) => parseDestination(text));
  const findings: Unused[] = [];
  if (network.mode === 'full' || network.mode === 'internal') {
    const instead = allow.map(({ text }) => text);
    findings.push({
      clause: 'network.mode',
      entry: network.mode,
      finding: used.length === 0 ? 'it connected to nothing' : `it connected to ${used.length}`,
      instead: instead.length === 0 ? ['mode: none'] : ['mode: filtered', ...instead],
    });
  }
  // Packets are not seen by whoever watches connections.
  const rules = network.allow.filter((rule) => !isPacketRule(rule));
  for (const rule of network.mode === 'filtered' ? rules : []) {
    const met = used.filter((each) => covers(rule, each));
    const entry = `${rule.host}${portsOf(rule)}`;
    if (met.length === 0) {
      findings.push({ clause: 'network.allow', entry, finding: 'never connected to' });
    } else if (rule.host.startsWith('*') || rule.ports.some(({ from, to }) => to > from)) {
      findings.push({
        clause: 'network.allow',
        entry,
        finding: `wider than what was connected to`,
        instead: met.map((each) => `${each.host}${portsOf(each)}`),
      });
    }
  }
  for (const port of network.listen) {
    if (listen.some((each) => each.port === port)) continue;
    findings.push({ clause: 'network.listen', entry: `${port}`, finding: 'never listened on' });
  }
  return findings;
}

function covers(rule: Destination, { host, ports, protocol }: Destination): boolean {
  if (rule.protocol !== protocol) return false;
  const named =
    rule.host === '*' ||
    rule.host === host ||
    (rule.host.startsWith('*.') && host.endsWith(rule.host.slice(1))) ||
    // A block: whether the address lies in it is not worth a false alarm.
    rule.host.includes('/');
  return (
    named &&
    ports.every((port) => rule.ports.some(({ from, to }) => from <= port.from && port.to <= to))
  );
}

function portsOf({ ports, protocol }: Destination): string {
  const text = ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
  return `${text === '443' ? '' : `:${text}`}${protocol === 'udp' ? '/udp' : ''}`;
}

function limitFindings(policy: Policy, learned: NonNullable<PolicyDocument['limits']>): Unused[] {
  return LIMIT_ROWS.flatMap(({ name, key, format }): Unused[] => {
    const enough = amountOf(key, (learned as Record<string, unknown>)[key]);
    const given = policy.limits[name];
    if (enough === undefined || (given !== null && given <= enough * SLACK)) return [];
    return [
      {
        clause: `limits.${key}`,
        entry: given === null ? 'no limit' : format(given),
        finding: `${format(enough)} leave head-room above what was used`,
        instead: [format(enough)],
      },
    ];
  });
}

function amountOf(key: string, value: unknown): number | undefined {
  if (typeof value === 'number') return key === 'cpu' ? value * 1000 : value;
  if (typeof value !== 'string') return undefined;
  return key === 'timeout' || key === 'cpuTime' ? parseDuration(value) : parseBytes(value);
}

export function renderUnused(unused: readonly Unused[]): string {
  if (unused.length === 0) return 'everything that the policy allows was used\n';
  return `${unused
    .flatMap(({ clause, entry, finding, instead }) => [
      `${clause}: ${entry}: ${finding}`,
      ...(instead === undefined ? [] : [`    enough: ${instead.join(', ')}`]),
    ])
    .join('\n')}\n`;
}
