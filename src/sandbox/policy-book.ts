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
import type { Runner } from './run.ts';

/** A normalised policy, a document as in a policy file, or the name of a level or profile. */
export type PolicyInput = Policy | Unchanging<PolicyDocument> | Level | ProfileName;

/** Documents are only read, so a constant will do. */
type Unchanging<T> = T extends object ? { readonly [K in keyof T]: Unchanging<T[K]> } : T;

export interface PolicyEntry {
  readonly policy: Policy;
  readonly digest: string;
  /** By workspace, tenant and what was accepted. */
  readonly runners: Map<string, Promise<Runner> | Runner>;
}

export class PolicyBook {
  readonly #byName = new Map<string, PolicyEntry>();
  readonly #byPolicy = new WeakMap<object, PolicyEntry>();
  readonly #byDigest = new Map<string, PolicyEntry>();

  /** Known already: names, and normalised policies seen before. Documents never are: their owner may change them. */
  known(input: PolicyInput): PolicyEntry | undefined {
    return typeof input === 'string' ? this.#byName.get(input) : this.#byPolicy.get(input);
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

  entries(): Iterable<PolicyEntry> {
    return this.#byDigest.values();
  }

  #add(policy: Policy): PolicyEntry {
    const digest = digestPolicy(policy);
    let entry = this.#byDigest.get(digest);
    if (entry === undefined) {
      entry = { policy, digest, runners: new Map() };
      this.#byDigest.set(digest, entry);
    }
    return entry;
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
