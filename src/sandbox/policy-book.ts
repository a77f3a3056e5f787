/**
 * From whatever a caller gives as a policy to the normalised one and its digest, worked out once for each.
 */
import { homedir } from 'node:os';
import { CaissonError } from '../core/error.ts';
import { digestPolicy } from '../policy/digest.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { Level, Policy } from '../policy/policy.ts';
import { isLevel, levelPolicy, profilePolicy } from '../policy/presets.ts';
import { isProfileName, type ProfileName } from '../policy/profiles.ts';
import {
  isResolved,
  policyIn,
  type ResolvedPolicy,
  requirePolicyObject,
} from './resolved-policy.ts';
import type { Runner } from './run.ts';

/** A normalised policy, a document as in a policy file, the name of a level or profile, or what `Caisson.policy` gave. */
export type PolicyInput =
  | Policy
  | Unchanging<PolicyDocument>
  | Level
  | ProfileName
  | ResolvedPolicy;

/** Documents are only read, so a constant will do. */
type Unchanging<T> = T extends object ? { readonly [K in keyof T]: Unchanging<T[K]> } : T;

export interface PolicyEntry {
  readonly policy: Policy;
  readonly digest: string;
  /** By workspace, tenant and what was accepted. */
  readonly runners: Map<string, Promise<Runner> | Runner>;
}

/** Policies that are remembered; the one that was used longest ago is forgotten first. */
const MOST_POLICIES = 1000;

export class PolicyBook {
  readonly #byName = new Map<string, PolicyEntry>();
  readonly #byPolicy = new WeakMap<object, PolicyEntry>();
  readonly #byDigest = new Map<string, PolicyEntry>();
  readonly #forget: (entry: PolicyEntry) => boolean;
  readonly #most: number;

  /** @param forget lets go of what was made for it, and says whether it could: something may be running */
  constructor(forget: (entry: PolicyEntry) => boolean = () => true, most: number = MOST_POLICIES) {
    this.#forget = forget;
    this.#most = most;
  }

  /** Known already: names, and normalised policies seen before. Documents never are: their owner may change them. */
  known(input: PolicyInput): PolicyEntry | undefined {
    const entry = typeof input === 'string' ? this.#byName.get(input) : this.#byPolicy.get(input);
    if (entry === undefined || this.#byDigest.get(entry.digest) !== entry) return undefined;
    this.#touch(entry);
    return entry;
  }

  /** @throws POLICY_INVALID */
  async entry(input: PolicyInput): Promise<PolicyEntry> {
    const known = this.known(input);
    if (known !== undefined) return known;
    if (typeof input === 'string') {
      const entry = this.#add(named(input));
      this.#byName.set(input, entry);
      return entry;
    }
    requirePolicyObject(input);
    if (isResolved(input)) return await this.entry(policyIn(input));
    if (isNormalised(input)) {
      const entry = this.#add(input);
      // A policy is a value: only one that cannot change is remembered by its identity.
      if (Object.isFrozen(input)) this.#byPolicy.set(input, entry);
      return entry;
    }
    // zod and yaml are loaded only where a document has to be read.
    const { policyFromDocument } = await import('../policy/parse.ts');
    return this.#add(policyFromDocument(input, { home: homedir() }));
  }

  #add(policy: Policy): PolicyEntry {
    const digest = digestPolicy(policy);
    const known = this.#byDigest.get(digest);
    if (known !== undefined) return this.#touch(known);
    const entry: PolicyEntry = { policy, digest, runners: new Map() };
    this.#byDigest.set(digest, entry);
    if (this.#byDigest.size > this.#most) this.#makeRoom();
    return entry;
  }

  /** The one that was used last is last. */
  #touch(entry: PolicyEntry): PolicyEntry {
    this.#byDigest.delete(entry.digest);
    this.#byDigest.set(entry.digest, entry);
    return entry;
  }

  #makeRoom(): void {
    let left = this.#byDigest.size - this.#most;
    for (const entry of this.#byDigest.values()) {
      if (left === 0) return;
      if (!this.#forget(entry)) continue;
      this.#byDigest.delete(entry.digest);
      left -= 1;
    }
  }
}

function named(name: string): Policy {
  if (isLevel(name)) return levelPolicy(name);
  if (isProfileName(name)) return profilePolicy(name, { home: homedir() });
  throw new CaissonError('POLICY_INVALID', {
    layer: 'sandbox',
    message: `${JSON.stringify(name)} is neither a level nor a profile`,
    hint: 'levels: none, basic, moderate, strict, paranoid; profiles: agent, python, node, build, readonly',
  });
}

/** A normalised policy has what no document has. */
function isNormalised(input: Exclude<PolicyInput, string>): input is Policy {
  return 'view' in input && 'walls' in input && 'read' in input && 'limits' in input;
}
