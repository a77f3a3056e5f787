/**
 * What a model asked to reach, and who decided: the policy, a rule that a person wrote beforehand, or a person now.
 * Anything but a clear yes is a no, and a no is remembered for the session.
 */
import { CaissonError } from '../core/error.ts';
import { effectiveDestinations } from '../policy/compare-network.ts';
import { parseDestination } from '../policy/destination.ts';
import { containsDestination } from '../policy/destination-set.ts';
import type { Destination, NetworkPolicy } from '../policy/policy.ts';
import { specialAddress } from '../policy/special-address.ts';
import type { NetworkAsking } from './mcp-setup.ts';

/** Questions that a session puts to a person; then it is no. */
const QUESTIONS_MAX = 20;

export interface NetworkRequest {
  readonly host: string;
  readonly port: number;
  /** The model's own words. */
  readonly reason: string;
}

export interface NetworkDecision {
  readonly granted: boolean;
  readonly by: 'policy' | 'rule' | 'person' | 'nobody';
  /** Why, in a sentence. */
  readonly reason: string;
  readonly rule: Destination;
  /** It could be reached before. */
  readonly isKnown?: true;
}

export type PersonAnswer =
  | { readonly kind: 'allow' | 'refuse' }
  /** Nobody decided. */
  | { readonly kind: 'silent'; readonly why: string };

/** Puts one destination, `host:port`, to a person; undefined where the client cannot. */
export type AskPerson = (destination: string, reason: string) => Promise<PersonAnswer>;

export class NetworkRequests {
  readonly #asking: NetworkAsking;
  readonly #refused = new Set<string>();
  readonly #pending = new Map<string, Promise<PersonAnswer>>();
  #last: Promise<unknown> = Promise.resolve();
  #questions = 0;

  constructor(asking: NetworkAsking) {
    this.#asking = asking;
  }

  /**
   * @param network of the sandbox that it is for
   * @throws REQUEST_INVALID for what is not one host, or an address that is not the public internet's
   */
  async decide(
    request: NetworkRequest,
    network: NetworkPolicy,
    person: AskPerson | undefined,
  ): Promise<NetworkDecision> {
    const rule = ruleOf(request);
    const decided = (
      granted: boolean,
      by: NetworkDecision['by'],
      reason: string,
    ): NetworkDecision => ({ granted, by, reason, rule });
    const [host = ''] = rule.host.split('/');
    const point = { host, port: request.port, protocol: 'tcp' } as const;
    if (containsDestination(effectiveDestinations({ network }), point)) {
      return { ...decided(true, 'policy', 'the policy allows it already'), isKnown: true };
    }
    if (network.mode !== 'filtered') return decided(false, 'policy', unchangeable(network));
    const wider = effectiveDestinations({ network: { ...network, allow: [rule] } });
    if (!containsDestination(wider, point)) {
      return decided(false, 'policy', 'the policy denies it by name, which no request lifts');
    }
    const ruled = this.#asking.rules.answer(point);
    if (ruled === 'deny') return decided(false, 'rule', 'a rule of the person refuses it');
    if (ruled === 'allow') return decided(true, 'rule', 'a rule of the person allows it');
    const shown = `${host.includes(':') ? `[${host}]` : host}:${request.port}`;
    return await this.#put(shown, request.reason, person, decided);
  }

  async #put(
    destination: string,
    reason: string,
    person: AskPerson | undefined,
    decided: (granted: boolean, by: NetworkDecision['by'], reason: string) => NetworkDecision,
  ): Promise<NetworkDecision> {
    if (!this.#asking.person) {
      return decided(false, 'nobody', 'no rule allows it, and this server asks nobody (no --ask)');
    }
    if (person === undefined) {
      return decided(
        false,
        'nobody',
        'no rule allows it, and this client cannot ask its person (no elicitation)',
      );
    }
    if (this.#refused.has(destination)) {
      return decided(false, 'person', 'the person refused it before; it is not asked again');
    }
    const pending = this.#pending.get(destination);
    if (pending === undefined && this.#questions >= QUESTIONS_MAX) {
      const why = `this session has asked ${QUESTIONS_MAX} times, which is all that it may`;
      return decided(false, 'nobody', why);
    }
    const answer = await (pending ?? this.#ask(destination, reason, person));
    if (answer.kind === 'allow') return decided(true, 'person', 'the person allowed it');
    if (answer.kind === 'silent') return decided(false, 'nobody', answer.why);
    this.#refused.add(destination);
    return decided(false, 'person', 'the person refused it');
  }

  /** One question at a time: a person reads one, and answers that one. */
  #ask(destination: string, reason: string, person: AskPerson): Promise<PersonAnswer> {
    this.#questions++;
    const answer = this.#last
      .then(() => person(destination, reason))
      .finally(() => this.#pending.delete(destination));
    this.#last = answer.catch(() => {});
    this.#pending.set(destination, answer);
    return answer;
  }
}

function ruleOf({ host, port }: NetworkRequest): Destination {
  const shown = JSON.stringify(host.slice(0, 100));
  const isPlain = !/[\s/*,@[\]]/.test(host) && (!host.includes(':') || /^[0-9a-f:.]+$/i.test(host));
  const rule = isPlain
    ? parseDestination(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
    : undefined;
  if (rule === undefined || rule.host === '*') {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'mcp',
      message: `${shown} is not one host`,
      hint: 'write one host name, without scheme, path, port or wildcard: pypi.org',
    });
  }
  const what = specialAddress(host.toLowerCase());
  if (what !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'mcp',
      message: `${shown} is ${what}: such an address is not granted on request`,
      hint: 'a person can name it when they start this server: --net ADDRESS:PORT',
    });
  }
  return rule;
}

function unchangeable({ mode }: NetworkPolicy): string {
  return mode === 'none'
    ? 'the policy gives this sandbox no network, and this server takes no requests for it'
    : `the network of mode ${mode} is not changed while a sandbox is open`;
}
