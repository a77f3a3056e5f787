/**
 * What a person decided beforehand about requests for network: hosts that are granted when a model asks for them, and
 * hosts that nobody needs to be asked about.
 */

import { CaissonError, isCaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';
import { effectiveDestinations } from '../policy/compare-network.ts';
import { parseDestination } from '../policy/destination.ts';
import {
  containsDestination,
  type DestinationPoint,
  type DestinationSet,
  destinationSet,
} from '../policy/destination-set.ts';
import { formatProblem } from '../policy/problems.ts';
import { schemaProblems } from '../policy/schema-problems.ts';

export type RuleAnswer = 'allow' | 'deny' | undefined;

export class NetworkRuleBook {
  readonly #allow: DestinationSet;
  readonly #deny: DestinationSet;
  readonly allowsAny: boolean;

  /** Destinations as in a policy: `pypi.org`, `*.example.org:80,443`. @throws POLICY_INVALID */
  constructor(allow: readonly string[] = [], deny: readonly string[] = []) {
    // As a policy means it: `*` is any name and no address.
    const network = {
      mode: 'filtered',
      allow: allow.map(parseDestination),
      deny: [],
      listen: [],
    } as const;
    this.#allow = effectiveDestinations({ network });
    this.#deny = destinationSet(deny.map(parseDestination));
    this.allowsAny = allow.length > 0;
  }

  answer(point: DestinationPoint): RuleAnswer {
    if (containsDestination(this.#deny, point)) return 'deny';
    return containsDestination(this.#allow, point) ? 'allow' : undefined;
  }
}

/**
 * A YAML or JSON document `{allow: [...], deny: [...]}`.
 *
 * @param more destinations that are allowed beside it
 * @throws CONFIG_INVALID
 */
export async function parseNetworkRules(
  text: string,
  source: string,
  more: readonly string[] = [],
): Promise<NetworkRuleBook> {
  const [{ parse }, { z }] = await Promise.all([import('yaml'), import('zod')]);
  const schema = z.strictObject({
    allow: z.array(z.string()).default([]).describe('Granted when they are asked for.'),
    deny: z.array(z.string()).default([]).describe('Refused without asking; wins over allow.'),
  });
  const document = read(source, () => parse(text, { maxAliasCount: 0 }));
  const parsed = safeParse(schema, document ?? {});
  if (!parsed.success) {
    const problems = schemaProblems(schema, parsed.error.issues);
    throw invalid(source, problems.map(formatProblem).join('; '));
  }
  const { allow, deny } = parsed.data;
  return read(source, () => new NetworkRuleBook([...more, ...allow], deny));
}

/** @throws CONFIG_INVALID */
function read<T>(source: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const hint = isCaissonError(cause) ? cause.hint : undefined;
    throw invalid(source, (cause as Error).message.trimEnd(), hint);
  }
}

function invalid(
  source: string,
  why: string,
  hint = 'write lists of destinations: {allow: [pypi.org], deny: ["*.internal.example:*"]}',
): CaissonError {
  return new CaissonError('CONFIG_INVALID', { layer: 'mcp', message: `${source}: ${why}`, hint });
}
