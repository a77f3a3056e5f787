/** A judge for tests: a policy from its written form, names of a table, decisions kept. */
import { HostResolver } from '../../src/network/host-resolver.ts';
import { Judge } from '../../src/network/judge.ts';
import { type Ask, Questions } from '../../src/network/questions.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import type { Destination, NetworkPolicy } from '../../src/policy/policy.ts';

export interface Reported {
  readonly target: string;
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function filtered(
  allow: readonly (string | Destination)[],
  deny: readonly string[] = [],
  more: Partial<NetworkPolicy> = {},
): NetworkPolicy {
  const parse = (one: string | Destination): Destination =>
    typeof one === 'string' ? parseDestination(one) : one;
  return {
    mode: 'filtered',
    allow: allow.map(parse),
    deny: deny.map(parse),
    listen: [],
    ...more,
  };
}

export function openJudge(
  policy: NetworkPolicy,
  server: string,
  ask?: Ask,
): { judge: Judge; reported: Reported[]; resolver: HostResolver } {
  const resolver = new HostResolver([server]);
  const reported: Reported[] = [];
  const judge = new Judge({
    policy,
    lookUp: (name, family) => resolver.lookUp(name, family),
    report: (decision) => reported.push(decision),
    ...(ask === undefined ? {} : { questions: new Questions(ask) }),
  });
  return { judge, reported, resolver };
}
