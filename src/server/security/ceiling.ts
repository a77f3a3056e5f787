/**
 * The most that a policy of a tenant's request may allow.
 *
 * The order on policies decides (`subsumes`), on the request's policy as it was normalised, with these exceptions:
 * - What a level leaves unlimited and the ceiling limits was not asked for: it is filled in, which only makes it stricter.
 * - Secrets are values that come with the request, to hosts that `network.allow` names: they are the caller's own.
 * - Networks between a tenant's own sandboxes are beside the ceiling's one network mode.
 * - Where a named path leads is looked at on this host: a link would lend what is behind it.
 */
import { realpathSync } from 'node:fs';
import { CaissonError } from '../../core/error.ts';
import { parseCidr } from '../../policy/address.ts';
import { coversRule, rangeCovers } from '../../policy/canonical-rules.ts';
import { type Excess, effectiveRead, excess } from '../../policy/compare.ts';
import { intersectRules } from '../../policy/destination-set.ts';
import { levels } from '../../policy/levels.ts';
import { LIMIT_ROWS } from '../../policy/limits.ts';
import { WORKSPACE } from '../../policy/path.ts';
import { isWithin, pathSet, pathWitness } from '../../policy/path-set.ts';
import type { Destination, Limits, NetworkPolicy, PathSet, Policy } from '../../policy/policy.ts';
import { SPECIAL_BLOCKS } from '../../policy/special-address.ts';
import { WrittenPolicies, type WrittenPolicy } from './written-policies.ts';

/** What the kernel gives a cgroup that nobody has said anything about (cgroup-v2.rst, "cpu.weight"). */
const USUAL_CPU_WEIGHT = 100;
/** Rules that no rule of the ceiling covers alone are compared exactly, so many at a time: each costs the square of that. */
const COMPARED_AT_ONCE = 8;
/** More are taken for none, which errs towards "no". */
const MOST_DENIED_COMPARED = 16;

export interface CeilingOptions {
  /** As messages call it: `the tenant acme`. */
  readonly who: string;
  readonly policy: Policy;
  /** Networks between the tenant's own sandboxes; default false. */
  readonly internalNetworks?: boolean;
  /** Ids of what the host cannot enforce that requests may go on without; default none. */
  readonly accept?: readonly string[];
  /** Where a path of the host leads; throws where it leads nowhere. */
  readonly realPath?: (path: string) => string;
  readonly written?: WrittenPolicies;
}

export class Ceiling {
  readonly policy: Policy;
  readonly #who: string;
  readonly #internalNetworks: boolean;
  readonly #accept: readonly string[];
  readonly #realPath: (path: string) => string;
  readonly #written: WrittenPolicies;
  readonly #deniesPublicBlocks: boolean;
  readonly #admitted = new WeakMap<Policy, Policy>();

  constructor(options: CeilingOptions) {
    this.policy = options.policy;
    this.#who = options.who;
    this.#internalNetworks = options.internalNetworks ?? false;
    this.#accept = options.accept ?? [];
    this.#realPath = options.realPath ?? ((path) => realpathSync.native(path));
    this.#written = options.written ?? new WrittenPolicies();
    this.#deniesPublicBlocks = options.policy.network.deny.some(({ host }) => !isSpecial(host));
  }

  /**
   * A policy as a request names it: a level, a profile, or a document. Never a normalised one, which nobody has checked.
   *
   * @param asked `accept`: ids of what the host cannot enforce
   * @returns what may be run with
   * @throws POLICY_INVALID; POLICY_TOO_LARGE; POLICY_BEYOND_CEILING with `details {witness, clause}`
   */
  admit(written: WrittenPolicy, asked: { readonly accept?: readonly string[] } = {}): Policy {
    return this.admitPolicy(this.#written.parse(written), asked);
  }

  /** The same for one that was normalised here. @throws POLICY_BEYOND_CEILING */
  admitPolicy(
    policy: Policy,
    { accept = [] }: { readonly accept?: readonly string[] } = {},
  ): Policy {
    const unlisted = accept.find((id) => !this.#accept.includes(id));
    if (unlisted !== undefined) {
      throw this.#beyond({ clause: 'accept', may: `go on without ${JSON.stringify(unlisted)}` });
    }
    let within = this.#admitted.get(policy);
    if (within === undefined) {
      within = this.#within(policy);
      if (Object.isFrozen(policy)) this.#admitted.set(policy, within);
    }
    this.#followPaths(within);
    return within;
  }

  /** Another network for a policy that was admitted, as a request writes it. @throws as {@link admit} */
  admitNetwork(policy: Policy, network: Readonly<Record<string, unknown>>): Policy {
    const written = this.#written.parse({ version: 1, level: policy.level, network });
    return this.admitPolicy({ ...policy, network: written.network });
  }

  #within(policy: Policy): Policy {
    const filled: Policy = { ...policy, limits: this.#fillLimits(policy) };
    const compared: Policy = {
      ...filled,
      limits: asUsual(filled.limits),
      network: NO_NETWORK,
    };
    const over: Policy = { ...this.policy, limits: asUsual(this.policy.limits) };
    const [first] = [
      // Without isolation nothing of the rest holds: no ceiling opens that.
      ...(policy.level === 'none' || policy.walls.includes('none')
        ? [{ clause: 'level', may: 'run without isolation' }]
        : []),
      // It writes into the log of the host, where a guest can make as many records as it likes.
      ...(policy.fileRefusals === 'audit' && this.policy.fileRefusals !== 'audit'
        ? [{ clause: 'fileRefusals', may: 'have refusals recorded in the audit log of the host' }]
        : []),
      ...excess(compared, over),
      ...this.#networkExcess(policy.network, compared, over),
    ];
    if (first !== undefined) throw this.#beyond(first);
    return Object.freeze(filled);
  }

  /** Only where the level says nothing: a limit that was lifted by name is refused, not mended. */
  #fillLimits({ level, limits }: Policy): Limits {
    const preset = levels[level].limits;
    const filled = LIMIT_ROWS.flatMap(({ name }) => {
      const most = this.policy.limits[name];
      const isUnsaid = limits[name] === null && preset[name] === null;
      const isImplied = name === 'cpuWeight' || name === 'memoryHighBytes';
      return isUnsaid && !isImplied && most !== null ? [[name, most] as const] : [];
    });
    return filled.length === 0
      ? limits
      : Object.freeze({ ...limits, ...Object.fromEntries(filled) });
  }

  /** Exact, and bounded: what single rules of the ceiling cover needs no look at every combination. */
  #networkExcess(
    { secrets, ...network }: NetworkPolicy,
    of: Policy,
    over: Policy,
  ): readonly Excess[] {
    if (network.mode === 'internal' && this.#internalNetworks) {
      return excess({ ...of, network: { ...NO_NETWORK, listen: network.listen } }, over);
    }
    if (network.mode !== 'filtered') return excess({ ...of, network }, over);
    const rest = network.allow.filter((rule) => !this.#covers(rule));
    const deny = network.deny.length > MOST_DENIED_COMPARED ? [] : network.deny;
    for (let at = 0; at === 0 || at < rest.length; at += COMPARED_AT_ONCE) {
      const allow = rest.slice(at, at + COMPARED_AT_ONCE);
      const found = excess({ ...of, network: { ...network, allow, deny } }, over);
      if (found.length > 0) return found;
    }
    return [];
  }

  /**
   * Whether one rule of the ceiling covers it, and none of those that deny touches it. A denied block of the public touches
   * every name, which may lead there.
   */
  #covers(rule: Destination): boolean {
    const { mode, allow, deny } = this.policy.network;
    const isName = parseCidr(rule.host) === undefined;
    if (mode !== 'filtered' || (isName && this.#deniesPublicBlocks)) return false;
    // `*` allows names alone.
    const covers = ({ host }: Destination): boolean => host !== '*' || isName;
    return (
      allow.some((wide) => covers(wide) && coversRule(wide, rule)) &&
      intersectRules([rule], deny).length === 0
    );
  }

  #followPaths({ read, write }: Policy): void {
    this.#follow('filesystem.write', 'write', write, this.policy.write);
    this.#follow('filesystem.read', 'read', read, effectiveRead(this.policy));
  }

  #follow(clause: string, verb: string, set: PathSet, most: PathSet): void {
    for (const { path, include } of set.rules) {
      if (!include || isWithin(path, WORKSPACE)) continue;
      const real = this.#real(path);
      if (real === undefined || real === path) continue;
      const further = pathWitness(most, pathSet([{ path: real, include: true }]));
      if (further === undefined) continue;
      throw this.#beyond({ clause, may: `${verb} ${path}, which leads to ${real}` });
    }
  }

  /** What is not there is told by whoever looks for it. */
  #real(path: string): string | undefined {
    try {
      return this.#realPath(path);
    } catch {
      return undefined;
    }
  }

  #beyond({ clause, may }: Excess): CaissonError {
    const witness = `the policy may ${may}, ${this.#who} may not`;
    return new CaissonError('POLICY_BEYOND_CEILING', {
      layer: 'server',
      message: witness,
      hint:
        clause === 'accept'
          ? 'ask for it without accept, or ask the operator to list it under accept of the configuration'
          : `ask for less under ${clause}, or ask the operator for a higher ceiling`,
      details: { witness, clause },
    });
  }
}

const NO_NETWORK: NetworkPolicy = { mode: 'none', allow: [], deny: [], listen: [] };

/** What stands for nothing said, so that saying nothing is no excess. */
function asUsual(limits: Limits): Limits {
  return {
    ...limits,
    cpuWeight: limits.cpuWeight ?? USUAL_CPU_WEIGHT,
    memoryHighBytes: limits.memoryHighBytes ?? limits.memoryBytes,
  };
}

/** Names, too: those are compared with the rules of the ceiling by themselves, and lead to special addresses only where a rule of the request names the block. */
function isSpecial(host: string): boolean {
  const block = parseCidr(host);
  return block === undefined || SPECIAL.some((wide) => rangeCovers(wide, block));
}

const SPECIAL = SPECIAL_BLOCKS.flatMap(([block]) => parseCidr(block) ?? []);
