/**
 * What is signed: an in-toto Statement v1 (https://in-toto.io/Statement/v1) about one piece of code. It binds the code's
 * digest to what it is called and how it is run, so that it says nothing about any other code, id, version or kind.
 */

import * as z from 'zod/mini';
import { CAPABILITIES, type CodeLanguage } from '../../core/admission.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { signatureInvalid } from './problem.ts';
import { JsonProblem, parseStrictJson } from './strict-json.ts';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** Of the predicate below; another meaning gets another number. */
export const PREDICATE_TYPE = 'urn:x-caisson:signed-code:v1';

const BOUNDS = { bytes: 64 * 1024, depth: 8 } as const;

export const SIGNED_KINDS = [
  'javascript',
  'typescript',
  'python',
  'shell',
  'wasm',
  'command',
] as const satisfies readonly CodeLanguage[];

/** ASCII alone: there are no two that look alike and differ, and none is a path. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/;
const quantity = z.int().check(z.positive());

export const predicateSchema = z.strictObject({
  id: z.string().check(
    z.regex(ID, {
      error: 'write 1 to 64 of A–Z, a–z, 0–9, `.`, `_` and `-`, a letter or digit first',
    }),
    z.describe('Name of the module, or of the program'),
  ),
  version: z
    .optional(
      z
        .string()
        .check(
          z.regex(VERSION, { error: 'write a version of at most 64 characters, such as 1.0.0' }),
        ),
    )
    .check(z.describe('Of a module; a program has none')),
  kind: z.enum(SIGNED_KINDS).check(z.describe('How the code is read and run')),
  declares: z
    .optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(CAPABILITIES.length)))
    .check(z.describe('The most that it may declare; default: this signer leaves that open')),
  limits: z
    .optional(
      z.strictObject({
        timeoutMs: z.optional(quantity).check(z.describe('Wall-clock time, milliseconds')),
        cpuMs: z.optional(quantity).check(z.describe('Processor time, milliseconds')),
        memoryBytes: z.optional(quantity).check(z.describe('Memory, bytes')),
      }),
    )
    .check(z.describe('The most that an execution may be given; default: left open')),
});

export type SignedPredicate = z.infer<typeof predicateSchema>;

const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE).check(z.describe('Version of the statement')),
  subject: z
    .array(
      z.strictObject({
        name: z.string().check(z.maxLength(130), z.describe('ID@VERSION, or ID')),
        digest: z.strictObject({
          sha256: z
            .string()
            .check(z.regex(/^[0-9a-f]{64}$/), z.describe('Of the code, hexadecimal')),
        }),
      }),
    )
    .check(z.length(1), z.describe('The one piece of code')),
  predicateType: z.literal(PREDICATE_TYPE).check(z.describe('What the predicate means')),
  predicate: predicateSchema.check(z.describe('What it is called, and how it is run')),
});

export type SignedStatement = z.infer<typeof statementSchema>;

/** `ID@VERSION`, or `ID` alone. */
export function subjectName({ id, version }: Pick<SignedPredicate, 'id' | 'version'>): string {
  return version === undefined ? id : `${id}@${version}`;
}

/** The bytes that are signed: the same for the same code and predicate. @throws SIGNATURE_INVALID */
export function statementBytes(digest: string, predicate: SignedPredicate): Buffer {
  const statement: SignedStatement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: subjectName(predicate), digest: { sha256: digest } }],
    predicateType: PREDICATE_TYPE,
    predicate,
  };
  return Buffer.from(JSON.stringify(checked(statement)));
}

/** @param payload that a trusted key has signed: nothing else may come here @throws SIGNATURE_INVALID */
export function parseStatement(payload: Uint8Array): SignedStatement {
  try {
    return checked(parseStrictJson(payload, BOUNDS));
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw signatureInvalid(`the statement cannot be read: ${error.message}`);
  }
}

function checked(value: unknown): SignedStatement {
  const parsed = safeParse(statementSchema, value);
  if (!parsed.success) {
    const { path = [], message } = parsed.error.issues[0] ?? {};
    throw signatureInvalid(
      `the statement is not of this kind: ${path.map(String).join('.')}: ${message}`,
    );
  }
  const [subject] = parsed.data.subject;
  if (subject?.name === subjectName(parsed.data.predicate)) return parsed.data;
  throw signatureInvalid('the statement names its subject otherwise than its predicate does');
}
