/**
 * Policies as requests write them, normalised: a level, a profile, or a document. Nothing of the service's host is read for
 * them: `~` means nothing, and no file can be extended. What was parsed lately is not parsed again.
 */
import { CaissonError } from '../../core/error.ts';
import { MAX_POLICY_BYTES, policyFromDocument } from '../../policy/parse.ts';
import type { Policy } from '../../policy/policy.ts';
import { isLevel, levelPolicy, profilePolicy } from '../../policy/presets.ts';
import { isProfileName } from '../../policy/profiles.ts';

export type WrittenPolicy = string | Readonly<Record<string, unknown>>;

/** Sets are compared pair by pair: longer lists would keep everybody waiting. */
const MOST_ENTRIES = 128;
const DEEPEST = 8;
const MOST_REMEMBERED = 1000;
/** Characters. A longer one is parsed each time: what is remembered must not fill the memory. */
const LONGEST_REMEMBERED = 16 * 1024;

export class WrittenPolicies {
  readonly #known = new Map<string, Policy>();

  /** @returns frozen, and the same one for the same text @throws POLICY_INVALID, POLICY_TOO_LARGE */
  parse(written: WrittenPolicy): Policy {
    const text = typeof written === 'string' ? written : textOf(written);
    let policy = this.#known.get(text);
    if (policy !== undefined) this.#known.delete(text);
    else
      policy = typeof written === 'string' ? named(written) : policyFromDocument(JSON.parse(text));
    if (text.length > LONGEST_REMEMBERED) return policy;
    if (this.#known.size >= MOST_REMEMBERED) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(text, policy);
    return policy;
  }
}

function named(name: string): Policy {
  if (isLevel(name)) return Object.freeze(levelPolicy(name));
  if (isProfileName(name)) return Object.freeze(profilePolicy(name));
  throw new CaissonError('POLICY_INVALID', {
    layer: 'server',
    message: `${JSON.stringify(name.slice(0, 80))} is neither a level nor a profile`,
    hint: 'levels: none, basic, moderate, strict, paranoid; profiles: agent, python, node, build, readonly; GET /api/policies lists the stored ones',
  });
}

function textOf(document: Readonly<Record<string, unknown>>): string {
  checkBounds(document, 0);
  const text = JSON.stringify(document);
  if (text.length > MAX_POLICY_BYTES) throw tooLarge(`larger than ${MAX_POLICY_BYTES} bytes`);
  return text;
}

function checkBounds(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  const inner = Array.isArray(value) ? value : Object.values(value);
  if (inner.length > MOST_ENTRIES) throw tooLarge(`a list of more than ${MOST_ENTRIES} entries`);
  if (depth >= DEEPEST) throw tooLarge('nested too deeply');
  for (const each of inner) checkBounds(each, depth + 1);
}

function tooLarge(what: string): CaissonError {
  return new CaissonError('POLICY_TOO_LARGE', {
    layer: 'server',
    message: `the policy is larger than one of a request may be: ${what}`,
    hint: 'name directories instead of files, and blocks or *.names instead of single hosts',
  });
}
