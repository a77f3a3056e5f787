/**
 * What a policy says about one name, one connection, one request. Pure; the egress proxy asks here and decides nothing
 * by itself. A policy is compiled once ({@link compileRules}) and asked for each connection. Over 300 lines: one meaning
 * of the rules, seen from names, connections and requests.
 *
 * - A rule with a name (`pypi.org`, `*.x.org`, `*`) allows connections that carry the name. `*` is any name, not any
 *   address: a connection without a name needs a rule with an address or block.
 * - A rule with an address or block allows connections to it, whatever name they carry.
 * - A name that leads to a special address (private, loopback, metadata …: `special-address.ts`), or to one of this
 *   host's own, is refused, unless a block of `allow` covers that address and port; then the block's rule is the one
 *   that holds.
 * - `deny` wins, by the name, by the address, and by an IPv4 address that an IPv6 address carries. A denied name cannot
 *   be told where a connection carries none.
 */
import { parseAddress } from './address.ts';
import { CompiledRule, type ParsedAddress } from './compiled-rule.ts';
import { ALL_PORTS } from './destination.ts';
import { hostName } from './host-name.ts';
import { matchesRequest, requestPath } from './http-rule.ts';
import type { NetworkPolicy } from './policy.ts';
import { isPacketRule } from './protocol.ts';
import { carriedAddresses, plainAddress, specialAddress } from './special-address.ts';

/** What is known of a connection when it is decided upon. */
export interface ConnectionFacts {
  /** Where the guest connected to, 1–65535. */
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /**
   * For `tls` the SNI, for `http` the Host header without its port, else the name that the resolver gave `address`
   * for. Any case, one dot at the end, and brackets around an IPv6 literal are understood. `undefined`: it carries
   * none. The caller has made sure that `address` is one that this name resolved to; nothing here can.
   */
  readonly name: string | undefined;
  /** The address that will be dialled. `::ffff:1.2.3.4` is taken as 1.2.3.4. */
  readonly address: string;
  /** The address is one of this host's own. Default: it is not. */
  readonly own?: boolean;
  /** `tls` also where the ClientHello has no SNI or is encrypted (then without `name`). */
  readonly speaks: 'tls' | 'http' | 'other';
}

export interface ConnectionDecision {
  readonly allowed: boolean;
  /** `network.allow: pypi.org:443`, `network.deny: 10.0.0.0/8:*`; the clause alone where no rule of it matched. */
  readonly rule: string;
  /** One line for a person or a model: what, why, and where refused what to ask for instead. */
  readonly reason: string;
  /** By what the rule was told: `name` where SNI or Host was checked, else `address`. */
  readonly by: 'name' | 'address';
  /** Allowed for some requests alone: ask {@link decideRequest} for each. Absent: for all that it carries. */
  readonly requests?: true;
}

export interface RequestFacts {
  /** As in the request line or in `:method`. Case counts (RFC 9110 section 9.1). */
  readonly method: string;
  /** As in the request line or in `:path`, with its query: `/a%20b?x=1`. */
  readonly target: string;
}

/** What is said of a name, or of an address that it leads to. */
export type NameDecision = Omit<ConnectionDecision, 'by' | 'requests'>;

/** Reads every rule of a policy once; what is asked of it then costs microseconds. */
export function compileRules(network: NetworkPolicy): NetworkRules {
  return new NetworkRules(network);
}

/** The rules of one policy. See {@link compileRules}. */
export class NetworkRules {
  readonly #mode: NetworkPolicy['mode'];
  readonly #intercepts: boolean;
  readonly #blocks: readonly CompiledRule[];
  readonly #names: readonly CompiledRule[];
  readonly #deny: readonly CompiledRule[];

  constructor({ mode, intercept, allow, deny }: NetworkPolicy) {
    // Packets pass no proxy.
    const rules = allow
      .filter((rule) => !isPacketRule(rule))
      .map((rule) => new CompiledRule('allow', rule));
    this.#mode = mode;
    this.#intercepts = intercept === true;
    this.#blocks = rules.filter(({ isBlock }) => isBlock);
    this.#names = rules.filter(({ isBlock }) => !isBlock);
    this.#deny = deny
      .filter((rule) => !isPacketRule(rule))
      .map((rule) => new CompiledRule('deny', rule));
  }

  /** May this connection be made? Never throws: what cannot be understood is refused. */
  decideConnection(facts: ConnectionFacts): ConnectionDecision {
    const weighed = this.#weigh(facts);
    return 'decision' in weighed ? weighed.decision : this.#decide(facts, weighed.connection);
  }

  /**
   * May this request be made on this connection? Decides upon the connection, too, so that one call is enough for each
   * request: `facts.name` is then the name that this request names (Host, `:authority`).
   */
  decideRequest(facts: ConnectionFacts, request: RequestFacts): ConnectionDecision {
    const weighed = this.#weigh(facts);
    if ('decision' in weighed) return weighed.decision;
    const decision = this.#decide(facts, weighed.connection);
    if (!decision.allowed || decision.requests !== true) return decision;
    const { rules, told: where } = weighed.connection;
    const rule = rules.find(({ http }) =>
      http?.some((allowed) => matchesRequest(allowed, request)),
    );
    const { requests: _, ...rest } = decision;
    const target = request.target.split(/[?#]/, 1)[0] ?? '';
    const told = `${request.method} ${JSON.stringify(target.slice(0, 200)).slice(1, -1)} at ${where}`;
    if (rule) return { ...rest, rule: rule.told, reason: `${told} is allowed` };
    const reason =
      requestPath(request.target) === undefined
        ? `${told}: servers may read this path in different ways`
        : `${told} is not allowed: no rule under http covers it`;
    return { ...rest, allowed: false, reason };
  }

  /**
   * May an allowed connection go to another address of its name instead? Its requests are decided by where the guest
   * connected to, so that where rules hold for them they must be the same ones there.
   */
  mayGoInstead(facts: ConnectionFacts, other: ConnectionFacts): boolean {
    const decision = this.decideConnection(other);
    if (!decision.allowed || decision.requests !== true) return decision.allowed;
    const [here, there] = [facts, other].map((each) => this.#weigh(each));
    const rules = (weighed: Weighed | undefined): readonly CompiledRule[] =>
      weighed !== undefined && 'connection' in weighed ? weighed.connection.rules : [];
    const [first, second] = [rules(here), rules(there)];
    return first.length === second.length && first.every((rule, index) => rule === second[index]);
  }

  /**
   * Should this name be resolved for the guest? Where some connection to it could be allowed. Names under blocks alone
   * are not: a policy of addresses is used by address, and a resolver that asks for any name is a way out.
   */
  decideName(text: string): NameDecision {
    const name = hostName(text);
    if (name === undefined) {
      const shown = JSON.stringify(text.slice(0, 253)).slice(1, -1);
      return { allowed: false, rule: 'network.allow', reason: `${shown} is not a host name` };
    }
    if (this.#mode !== 'filtered' && this.#mode !== 'full') {
      return {
        allowed: false,
        rule: 'network.mode',
        reason: `${name}: there is no network beyond the sandbox`,
      };
    }
    const allow = this.#mode === 'full' ? [EVERY_NAME] : this.#names;
    let denied: CompiledRule | undefined;
    for (const rule of allow.filter((one) => one.coversName(name))) {
      const [open, by] = portLeft(
        rule,
        this.#deny.filter((one) => !one.isBlock && one.coversName(name)),
      );
      if (open) return { allowed: true, rule: rule.told, reason: `${name} is allowed` };
      denied ??= by;
    }
    if (denied) return { allowed: false, rule: denied.told, reason: `${name} is denied` };
    return {
      allowed: false,
      rule: 'network.allow',
      reason: `${name} is not allowed: no rule under allow names it`,
    };
  }

  /**
   * May a name that {@link decideName} allows lead to this address, as the answer says it? No where the address is
   * special or denied and no connection to it could follow. An IPv4 address in IPv6 form is no answer that a host gives.
   */
  decideAnswer(name: string, address: string, own = false): NameDecision {
    const plain = plainAddress(address);
    if (plain === undefined) {
      return {
        allowed: false,
        rule: 'network.allow',
        reason: `${name} leads to what is no address`,
      };
    }
    const what = specialTo(address, own);
    const given = what === undefined ? undefined : parseAddress(address);
    const covered = given !== undefined && this.#blocks.some((one) => one.coversAddress(given));
    if (what !== undefined && !covered && this.#mode !== 'full') {
      return { allowed: false, rule: 'network.allow', reason: leadsAstray(name, plain, what) };
    }
    const heads = this.#deny.length === 0 ? [] : headsOf(plain, address);
    const denied = this.#deny.find(
      (one) => one.coversAllTcp && one.isBlock && heads.some((each) => one.coversAddress(each)),
    );
    if (denied) {
      return {
        allowed: false,
        rule: denied.told,
        reason: `${name} leads to ${plain}, which is denied`,
      };
    }
    return { allowed: true, rule: 'network.allow', reason: `${name} may lead to ${plain}` };
  }

  #decide(facts: ConnectionFacts, { rules, by, told }: Weighable): ConnectionDecision {
    const open = rules.find(({ http }) => http === undefined);
    if (open) {
      const how = open.isBlock ? 'address' : by;
      return { allowed: true, rule: open.told, reason: `${told} is allowed`, by: how };
    }
    const [first] = rules;
    if (facts.speaks === 'http' || (facts.speaks === 'tls' && this.#intercepts)) {
      const reason = `${told} is allowed for some requests`;
      return { allowed: true, rule: first.told, reason, by, requests: true };
    }
    return refuse(
      first.told,
      facts.speaks === 'tls'
        ? `${told} is allowed for some requests, and TLS hides them: set network.intercept`
        : `${told} is allowed for some HTTP requests, and this is no HTTP`,
      by,
    );
  }

  #weigh(facts: ConnectionFacts): Weighed {
    const { port, protocol, speaks } = facts;
    const address = plainAddress(facts.address);
    if (address === undefined || !Number.isInteger(port) || port < 1 || port > 65535) {
      return {
        decision: refuse('network.allow', 'its destination is no address and port', 'address'),
      };
    }
    const literal =
      facts.name === undefined ? undefined : plainAddress(facts.name.replace(/^\[(.*)\]$/, '$1'));
    const name =
      facts.name === undefined || literal !== undefined ? undefined : hostName(facts.name);
    const by = name !== undefined && speaks !== 'other' ? 'name' : 'address';
    const at = `${address.includes(':') ? `[${address}]` : address}:${port}${protocol === 'udp' ? '/udp' : ''}`;
    const told = name === undefined ? at : `${name}:${port}${protocol === 'udp' ? '/udp' : ''}`;
    const no = (rule: string, reason: string): Weighed => ({ decision: refuse(rule, reason, by) });
    if (literal !== undefined && literal !== address) {
      return no('network.allow', `it names ${literal} and goes to ${at}`);
    }
    if (facts.name !== undefined && literal === undefined && name === undefined) {
      return no('network.allow', `${JSON.stringify(facts.name.slice(0, 253))} is not a host name`);
    }
    if (this.#mode === 'none' || this.#mode === 'internal') {
      return no('network.mode', `${told}: there is no network beyond the sandbox`);
    }

    const heads = headsOf(address);
    const coversNamed = (rule: CompiledRule): boolean =>
      name !== undefined && rule.coversName(name);
    const denied = this.#deny.find(
      (rule) =>
        rule.coversPort(port, protocol) &&
        (coversNamed(rule) || heads.some((head) => rule.coversAddress(head))),
    );
    if (denied) {
      const whither = name !== undefined && !coversNamed(denied) ? ` (it leads to ${address})` : '';
      return no(denied.told, `${told} is denied${whither}`);
    }
    if (this.#mode === 'full') {
      const reason = `${told} is allowed: nothing is filtered`;
      return { decision: { allowed: true, rule: 'network.mode', reason, by } };
    }

    const [head] = heads;
    const blocks = this.#blocks.filter(
      (rule) => rule.coversPort(port, protocol) && head !== undefined && rule.coversAddress(head),
    );
    const names = this.#names.filter(
      (rule) => rule.coversPort(port, protocol) && coversNamed(rule),
    );
    const what = specialTo(address, facts.own === true);
    if (what !== undefined && blocks.length === 0 && names.length > 0 && name !== undefined) {
      return no('network.allow', leadsAstray(name, address, what, at));
    }
    if (isSome(names) && what === undefined) {
      const rules = names.some(({ http }) => http === undefined)
        ? names
        : ([...names, ...blocks] as const);
      return { connection: { rules: rules as Some<CompiledRule>, by, told } };
    }
    if (isSome(blocks)) return { connection: { rules: blocks, by: 'address', told: at } };
    if (name !== undefined)
      return no('network.allow', `${told} is not allowed: no rule under allow covers it`);
    return no(
      'network.allow',
      `${at} is not allowed: ${nameless[speaks]}, and no rule under allow covers the address`,
    );
  }
}

type Some<T> = readonly [T, ...T[]];

function isSome<T>(list: readonly T[]): list is Some<T> {
  return list.length > 0;
}

interface Weighable {
  /** Rules of `allow` that cover it. */
  readonly rules: Some<CompiledRule>;
  readonly by: 'name' | 'address';
  readonly told: string;
}

type Weighed =
  /** Refused already, or allowed whatever the rules. */
  { readonly decision: ConnectionDecision } | { readonly connection: Weighable };

/** The address, then those that a gateway on the way would make of it as it was written. */
function headsOf(plain: string, written = plain): readonly ParsedAddress[] {
  return [plain, ...carriedAddresses(written)].flatMap((text) => parseAddress(text) ?? []);
}

/** What listens on a host's public address listens for the world, or trusts who is on the host. */
function specialTo(address: string, own: boolean): string | undefined {
  return specialAddress(address) ?? (own ? 'of this host itself' : undefined);
}

const EVERY_NAME = new CompiledRule('allow', { host: '*', ports: ALL_PORTS, protocol: 'tcp' });

const nameless = {
  tls: 'TLS without a readable server name',
  http: 'a request without a host name',
  other: 'no allowed name was resolved to it',
} as const;

function leadsAstray(name: string, address: string, what: string, rule = address): string {
  return `${name} leads to ${address}, which is ${what}; only a rule for the address allows that, such as ${rule}`;
}

function refuse(rule: string, reason: string, by: 'name' | 'address'): ConnectionDecision {
  return { allowed: false, rule, reason, by };
}

/** Whether some port of `rule` is left by the denying rules, and one of these where not. */
function portLeft(
  rule: CompiledRule,
  denying: readonly CompiledRule[],
): readonly [boolean, CompiledRule | undefined] {
  const same = denying.filter(({ protocol }) => protocol === rule.protocol);
  const taken = same.flatMap(({ ports }) => ports);
  const candidates = [
    ...rule.ports.map(({ from }) => from),
    ...taken.map(({ to }) => to + 1),
  ].filter((port) => rule.ports.some(({ from, to }) => from <= port && port <= to));
  const open = candidates.some((port) => !taken.some(({ from, to }) => from <= port && port <= to));
  return [open, same[0]];
}
