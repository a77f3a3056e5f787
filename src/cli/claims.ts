/** What vouches for the code of a command line, as the library takes it. */
import type { Capability } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import type { Policy } from '../policy/policy.ts';
import type { CodeClaims } from '../sandbox/place-options.ts';
import type { FlagValues } from './command.ts';
import { readWhole } from './signed-code.ts';
import type { VouchingFlags } from './vouching-flags.ts';

type Values = FlagValues<VouchingFlags>;

/** An envelope is a few KiB, a bundle a few dozen. */
const SIGNATURE_MAX = 2 ** 20;

/**
 * @param file that the code is from, by its name
 * @returns undefined where nothing is said
 * @throws REQUEST_INVALID where nobody would look at it, PATH_MISSING
 */
export function claimsOf(
  { signature = [], id, declare, trust }: Values,
  policy: Policy,
  file?: string,
): CodeClaims | undefined {
  const given = { signature: signature[0], id, declare: declare?.[0], trust };
  const [flag] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (flag === undefined) return undefined;
  if (policy.admission === undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `the policy asks nobody to look at code, so --${flag} would count for nothing`,
      hint: 'give a policy with `admission`, such as admission: { requires: signature }',
    });
  }
  const name = id ?? file;
  return {
    ...(name === undefined ? {} : { name }),
    ...(signature.length === 0
      ? {}
      : { signatures: signature.map((each) => readWhole(each, SIGNATURE_MAX).toString()) }),
    ...(declare === undefined ? {} : { declares: declare as Capability[] }),
  };
}

/** Where the registry of signers is, for a Caisson. */
export function trustOf({ trust }: Values): { readonly admission?: { readonly trust: string } } {
  return trust === undefined ? {} : { admission: { trust } };
}
