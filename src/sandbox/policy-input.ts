/** Where a policy may stand, or options that have one: which of the two it is. No code but this, so that a client loads it too. */
import type { PolicyDocument } from '../policy/document.ts';
import type { KnownOptions } from '../policy/known-options.ts';
import { suggest } from '../policy/suggest.ts';
import type { PolicyInput } from './policy-book.ts';
import { isResolved } from './resolved-policy.ts';

/** What a document has, and options have not. */
const OF_DOCUMENTS = {
  version: true,
  extends: true,
  level: true,
  walls: true,
  hermetic: true,
  filesystem: true,
  network: true,
  environment: true,
  syscalls: true,
  capabilities: true,
  devices: true,
  hostname: true,
  onViolation: true,
  fileRefusals: true,
  sideChannels: true,
  admission: true,
  limits: true,
} as const satisfies Record<Exclude<keyof PolicyDocument, 'name'>, true>;

/**
 * What is neither is options, which are refused by the name of what they do not know.
 *
 * @param options names of what else could stand there
 */
export function isPolicyInput<P extends PolicyInput | string>(
  input: P | object,
  options: KnownOptions,
): input is P {
  if (typeof input !== 'object' || input === null) return true;
  if (isResolved(input)) return true;
  return Object.keys(input).some(
    (name) => Object.hasOwn(OF_DOCUMENTS, name) || isSlipOfOne(name, options),
  );
}

/** `levl`. */
function isSlipOfOne(name: string, options: KnownOptions): boolean {
  if (Object.hasOwn(options, name) || suggest(name, Object.keys(options)) !== undefined) {
    return false;
  }
  return suggest(name, Object.keys(OF_DOCUMENTS)) !== undefined;
}
