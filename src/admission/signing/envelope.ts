/**
 * DSSE v1 envelopes (https://github.com/secure-systems-lab/dsse, protocol 1.0.2): how they are read, and the bytes that a
 * signature is over. Nothing here says that a signature is good; nothing here looks into the payload.
 */

import * as z from 'zod/mini';
import { safeParse } from '../../core/safe-parse.ts';
import { decodeBase64 } from './base64.ts';
import { signatureInvalid } from './problem.ts';
import { JsonProblem, parseStrictJson } from './strict-json.ts';

export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** Of a signature document, envelope or bundle. */
const DOCUMENT_BOUNDS = { bytes: 1024 * 1024, depth: 16 } as const;
/** Each costs a verification. */
const SIGNATURES_MAX = 16;
const KEY_ID_MAX = 128;

/** What nobody signed (fields that we do not know) is left aside, as the protocol asks. */
const envelopeSchema = z.object({
  payload: z.string().check(z.minLength(1), z.describe('Base64 of what is signed')),
  payloadType: z.string().check(z.describe('What the payload is; signed with it')),
  signatures: z
    .array(
      z.object({
        keyid: z
          .optional(z.string().check(z.maxLength(KEY_ID_MAX)))
          .check(z.describe('A hint that nobody signed; default none')),
        sig: z.string().check(z.describe('Base64 of the signature')),
      }),
    )
    .check(z.minLength(1), z.maxLength(SIGNATURES_MAX), z.describe('At least one')),
});

export type EnvelopeDocument = z.infer<typeof envelopeSchema>;

export interface EnvelopeSignature {
  /** Unsigned: narrows which keys are tried, and no more. */
  readonly keyId: string;
  readonly signature: Buffer;
}

export interface Envelope {
  /** Not verified. */
  readonly payload: Buffer;
  /** What the signatures are over. */
  readonly signed: Buffer;
  readonly signatures: readonly EnvelopeSignature[];
}

/** Pre-authentication encoding: lengths before contents, so that no two pairs give the same bytes. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}

/** @throws SIGNATURE_INVALID */
export function parseSignatureDocument(text: string | Uint8Array): unknown {
  try {
    return parseStrictJson(text, DOCUMENT_BOUNDS);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw signatureInvalid(`the signature cannot be read: ${error.message}`);
  }
}

/** @param document of {@link parseSignatureDocument} @throws SIGNATURE_INVALID */
export function parseEnvelope(document: unknown): Envelope {
  const parsed = safeParse(envelopeSchema, document);
  if (!parsed.success) {
    const { path = [], message } = parsed.error.issues[0] ?? {};
    throw signatureInvalid(`it is no DSSE envelope: ${path.map(String).join('.')}: ${message}`);
  }
  const { payload, payloadType, signatures } = parsed.data;
  if (payloadType !== PAYLOAD_TYPE) {
    throw signatureInvalid(`its payloadType is not ${PAYLOAD_TYPE}: it signs something else`);
  }
  const bytes = base64Of(payload, 'payload');
  return {
    payload: bytes,
    signed: preAuthenticationEncoding(payloadType, bytes),
    signatures: signatures.map(({ keyid = '', sig }, i) => ({
      keyId: keyid,
      signature: base64Of(sig, `signatures.${i}.sig`),
    })),
  };
}

export function envelopeDocument(
  payload: Uint8Array,
  signatures: readonly EnvelopeSignature[],
): EnvelopeDocument {
  return {
    payload: Buffer.from(payload).toString('base64'),
    payloadType: PAYLOAD_TYPE,
    signatures: signatures.map(({ keyId, signature }) => ({
      keyid: keyId,
      sig: signature.toString('base64'),
    })),
  };
}

function base64Of(text: string, where: string): Buffer {
  const bytes = decodeBase64(text);
  if (bytes !== undefined) return bytes;
  throw signatureInvalid(`${where} is not base64 with its padding and nothing else`);
}
