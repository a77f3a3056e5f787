/**
 * Decides for one sandbox: the policy's own decisions (`policy/decide-connection.ts`), the check that a name really
 * leads where the connection goes, the questions that no rule decides, and the report of each.
 */
import {
  type ConnectionDecision,
  type ConnectionFacts,
  compileRules,
  type NameDecision,
  type NetworkRules,
} from '../policy/decide-connection.ts';
import { ALL_PORTS, formatDestination } from '../policy/destination.ts';
import { hostName } from '../policy/host-name.ts';
import type { Destination, NetworkPolicy } from '../policy/policy.ts';
import { plainAddress, specialAddress } from '../policy/special-address.ts';
import { CheckedNames } from './checked-names.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { LookUp } from './host-resolver.ts';
import type { Questions } from './questions.ts';

/** One connection of a guest, as far as it is known. */
export interface Connecting {
  /** Where the guest connected to: plain, IPv4 in its own form. */
  readonly address: string;
  readonly port: number;
  readonly speaks: 'tls' | 'http' | 'other';
  /** SNI or Host, as it was sent. */
  readonly name?: string;
}

export interface Judgement extends ConnectionDecision {
  /** In its one form; for `other` the allowed name that the address was given for. */
  readonly name?: string;
}

export interface JudgeOptions {
  readonly policy: NetworkPolicy;
  readonly lookUp: LookUp;
  readonly report: (decision: Omit<NetworkDecision, 'count'>) => void;
  /** Absent: what no rule decides is refused. */
  readonly questions?: Questions;
  /** Whether an address is one of this host's own. Default: none is. */
  readonly isOwn?: (address: string) => boolean;
}

export class Judge {
  readonly names: CheckedNames;
  readonly #questions: Questions | undefined;
  readonly #report: JudgeOptions['report'];
  readonly #isOwn: (address: string) => boolean;
  #policy: NetworkPolicy;
  #compiled: { readonly policy: NetworkPolicy; readonly rules: NetworkRules } | undefined;

  constructor({ policy, lookUp, report, questions, isOwn = () => false }: JudgeOptions) {
    this.#policy = policy;
    this.#isOwn = isOwn;
    this.#report = report;
    this.#questions = questions;
    this.names = new CheckedNames(lookUp, () => this.rules, isOwn);
  }

  /** As it is now, with what was answered. */
  get policy(): NetworkPolicy {
    return this.#questions?.extend(this.#policy) ?? this.#policy;
  }

  /** Of {@link policy}. */
  get rules(): NetworkRules {
    const { policy } = this;
    if (this.#compiled?.policy !== policy) this.#compiled = { policy, rules: compileRules(policy) };
    return this.#compiled.rules;
  }

  update(policy: NetworkPolicy): void {
    this.#policy = policy;
  }

  /** May this name be resolved? Reports a refusal alone: what follows an allowed name is reported itself. */
  async name(text: string): Promise<NameDecision> {
    let decision = this.rules.decideName(text);
    if (decision.allowed) return decision;
    const name = hostName(text);
    if (name !== undefined) {
      const rule: Destination = { host: name, ports: ALL_PORTS, protocol: 'tcp' };
      const decide = (rules: NetworkRules): NameDecision => rules.decideName(name);
      if (await this.#asked(name, rule, decision, decide)) decision = decide(this.rules);
    }
    if (!decision.allowed) this.reportName(name ?? text, decision);
    return decision;
  }

  reportName(name: string, decision: NameDecision): void {
    this.#report({
      target: shown(name),
      allowed: decision.allowed,
      rule: decision.rule,
      reason: withCure(decision, `${name}:443`),
      details: { kind: 'name', name: shown(name) },
    });
  }

  /** May this connection be made? Reports nothing: see {@link reportConnection}. */
  async connection(facts: Connecting): Promise<Judgement> {
    const judgement = await this.#judge(facts);
    return judgement.allowed ? judgement : await this.#askConnection(facts, judgement);
  }

  /** As {@link connection}, but nobody is asked. */
  async unasked(facts: Connecting): Promise<Judgement> {
    return await this.#judge(facts);
  }

  /** May this request be made on a connection that is allowed? `path` is decoded. Reports nothing. */
  request(
    facts: Connecting,
    { method, path }: { method: string; path: string },
  ): ConnectionDecision {
    const known = this.#known(facts, facts.name);
    return this.rules.decideRequest(known, { method, target: written(path) });
  }

  /** Whether some requests alone are allowed on such a connection. */
  restricted(facts: Connecting): boolean {
    return this.rules.decideConnection(this.#known(facts, facts.name)).requests === true;
  }

  /** What the policy says now of a connection that was allowed before. */
  again(facts: Connecting, judgement: Judgement): Judgement {
    const name = judgement.name ?? facts.name;
    const decision = this.rules.decideConnection(this.#known(facts, name));
    return name === undefined ? decision : { ...decision, name };
  }

  reportConnection(facts: Connecting, judgement: Judgement): void {
    const host = judgement.name ?? facts.name ?? facts.address;
    this.#report({
      target: `${bracketed(shown(host))}:${facts.port}/tcp`,
      allowed: judgement.allowed,
      rule: judgement.rule,
      reason: withCure(judgement, `${bracketed(host)}:${facts.port}`),
      details: detailsOf(facts, judgement),
    });
  }

  /** The addresses that a connection may be made to: the guest's own first, then others that the name led to. */
  targets(facts: Connecting, judgement: Judgement): string[] {
    const { name } = judgement;
    if (name === undefined) return [facts.address];
    const known = this.#known(facts, name);
    const others = this.names.addressesOf(name).filter((address) => {
      // The loopback of a guest is its own: this host's is never meant, whatever the rules.
      if (address === facts.address || isLoopback(address)) return false;
      return this.rules.mayGoInstead(known, this.#known({ ...facts, address }, name));
    });
    return [facts.address, ...others];
  }

  #known(facts: Connecting, name: string | undefined): ConnectionFacts {
    return { ...facts, protocol: 'tcp', name, own: this.#isOwn(facts.address) };
  }

  async #judge(facts: Connecting): Promise<Judgement> {
    const { address, port, speaks } = facts;
    const decide = (name: string | undefined): ConnectionDecision =>
      this.rules.decideConnection(this.#known(facts, name));
    if (speaks === 'other') {
      let refused: Judgement | undefined;
      for (const name of this.names.namesOf(address)) {
        const decision = { ...decide(name), name };
        if (decision.allowed) return decision;
        refused ??= decision;
      }
      const decision = decide(undefined);
      return decision.allowed ? decision : (refused ?? decision);
    }
    if (facts.name === undefined) return decide(undefined);
    const decision = decide(facts.name);
    const name = hostName(facts.name);
    if (!decision.allowed || decision.by === 'address' || name === undefined) return decision;
    // The rules may have changed while the name was looked up.
    if (await this.names.leadsTo(name, address)) return { ...decide(facts.name), name };
    // A rule for the address itself holds whatever name is carried.
    const byAddress = decide(undefined);
    if (byAddress.allowed) return byAddress;
    return {
      allowed: false,
      rule: 'network.allow',
      reason: `${name}:${port} is allowed, but ${address} is no address of it: connect to one that the resolver at 127.0.0.1 gives`,
      by: 'name',
      name,
    };
  }

  async #askConnection(facts: Connecting, refused: Judgement): Promise<Judgement> {
    const name = facts.name === undefined ? undefined : hostName(facts.name);
    const host = facts.speaks === 'other' ? facts.address : (name ?? facts.address);
    const address = plainAddress(host);
    const width = address?.includes(':') ? 128 : 32;
    const rule: Destination = {
      host: address === undefined ? host : `${address}/${width}`,
      ports: [{ from: facts.port, to: facts.port }],
      protocol: 'tcp',
    };
    // A name that is not where the connection goes is no question; and to look up what is not allowed is a way out.
    if (name !== undefined && !this.names.namesOf(facts.address).includes(name)) return refused;
    const known = this.#known(facts, facts.name);
    const target = `${bracketed(host)}:${facts.port}`;
    const decide = (rules: NetworkRules): ConnectionDecision => rules.decideConnection(known);
    return (await this.#asked(target, rule, refused, decide)) ? await this.#judge(facts) : refused;
  }

  /** Asks where the one rule more would change the decision; never where a rule denies it. */
  async #asked(
    target: string,
    rule: Destination,
    refused: NameDecision,
    decide: (rules: NetworkRules) => NameDecision,
  ): Promise<boolean> {
    if (this.#questions === undefined || this.#policy.mode !== 'filtered') return false;
    const { policy } = this;
    if (!decide(compileRules({ ...policy, allow: [...policy.allow, rule] })).allowed) return false;
    return await this.#questions.put(target, rule, refused.reason);
  }
}

/** What to write so that it is allowed next time, where a rule is what is missing. */
function withCure(decision: NameDecision, destination: string): string {
  const { allowed, rule, reason } = decision;
  if (allowed || rule !== 'network.allow' || !/no rule under allow/.test(reason)) return reason;
  return `${reason}; add \`allow: [${JSON.stringify(cleaned(destination))}]\` under network`;
}

function cleaned(destination: string): string {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(destination) ?? [];
  const name = hostName(host);
  if (name === undefined) return destination;
  const at = Number(port);
  return formatDestination({ host: name, ports: [{ from: at, to: at }], protocol: 'tcp' });
}

function detailsOf(facts: Connecting, judgement: Judgement): Record<string, unknown> {
  const { name, by } = judgement;
  return {
    kind: 'connection',
    address: facts.address,
    port: facts.port,
    speaks: facts.speaks,
    ...(facts.name === undefined ? {} : { asked: shown(facts.name) }),
    ...(name === undefined ? {} : { name }),
    by,
  };
}

function isLoopback(address: string): boolean {
  return specialAddress(address) === 'loopback';
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** A decoded path as a request line has it. */
function written(path: string): string {
  return encodeURI(path).replace(/[?#]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}

/** A guest's text in one line of a report: short, and with nothing that moves a cursor. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 253)).slice(1, -1);
}
