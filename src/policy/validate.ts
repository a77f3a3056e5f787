/**
 * An unknown value against the schema: the document, or every problem with its place and a suggestion.
 */
import { safeParse } from '../core/safe-parse.ts';
import { type PolicyDocument, policyDocumentSchema } from './document.ts';
import type { Locate, Problem } from './problems.ts';
import { schemaProblems } from './schema-problems.ts';

export type Validated =
  | { readonly ok: true; readonly document: PolicyDocument }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function validateDocument(value: unknown, source?: string, locate?: Locate): Validated {
  const parsed = safeParse(policyDocumentSchema, value);
  if (parsed.success) return { ok: true, document: parsed.data };
  const problems = schemaProblems(policyDocumentSchema, parsed.error.issues, { locate });
  return {
    ok: false,
    problems: problems.map((problem) => (source === undefined ? problem : { source, ...problem })),
  };
}
