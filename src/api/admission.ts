/** Code that is looked at, signed and verified without being run; and whom the service trusts. */
import * as z from 'zod/mini';
import { SIGNED_KINDS } from '../admission/signing/statement.ts';
import { signerFields } from '../admission/signing/trust-document.ts';
import { CAPABILITIES } from '../core/admission.ts';
import { defineRoute } from './route.ts';
import { statedLimits } from './sandboxes.ts';

const tag = 'admission';

const declares = z
  .optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(CAPABILITIES.length)))
  .check(z.describe('Effects that it says it has'));

export const MOST_FILES = 10_000;

export const scanCode = defineRoute({
  id: 'scan',
  method: 'POST',
  path: '/api/scan',
  tag,
  summary: 'Look for dangerous code; nothing of it is run',
  scope: 'admission:scan',
  body: z.strictObject({
    files: z
      .record(
        z.string().check(z.minLength(1), z.maxLength(512)),
        z.union([
          z.string(),
          z.strictObject({ base64: z.base64().check(z.describe('Bytes; archives too')) }),
        ]),
      )
      .check(
        z.refine((files) => Object.keys(files).length <= MOST_FILES, {
          error: `at most ${MOST_FILES} files`,
        }),
        z.describe('By path, /-separated; the ending of its name says what it is'),
      ),
    profile: z
      .optional(z.enum(['effect', 'package']))
      .check(
        z.describe('effect: declares nothing; package: what a package does; default by content'),
      ),
    declares,
    threshold: z
      .optional(z.int().check(z.gte(1), z.lte(100)))
      .check(z.describe('From this score on it is refused; default 80')),
    listFrom: z
      .optional(z.int().check(z.gte(0), z.lte(100)))
      .check(z.describe('Files of this score and more are listed; default 40')),
    model: z
      .optional(z.boolean())
      .check(z.describe('Whether the trained model adds; default true')),
  }),
  answers: {
    200: {
      description: 'As caisson scan --json',
      schema: z.looseObject({
        decision: z
          .enum(['passed', 'suspicious', 'incomplete', 'refused'])
          .check(z.describe('By the highest score')),
        score: z.number().check(z.describe('The highest of all')),
        threshold: z.number().check(z.describe('That was asked for')),
      }),
    },
  },
  errors: ['STORE_UNUSABLE'],
  executes: true,
  long: true,
});

const subject = {
  id: z.string().check(z.maxLength(64), z.describe('What it is called')),
  version: z
    .optional(z.string().check(z.maxLength(64)))
    .check(z.describe('Of a module; default: none, it is a program')),
  kind: z.enum(SIGNED_KINDS).check(z.describe('What it is')),
  code: z
    .optional(z.string())
    .check(z.describe('As text; of a command its words as JSON; or codeBase64')),
  codeBase64: z.optional(z.base64()).check(z.describe('As bytes')),
  declares,
  limits: z.optional(statedLimits).check(z.describe('Of its executions')),
};

export const signSource = defineRoute({
  id: 'sign',
  method: 'POST',
  path: '/api/sign',
  tag,
  summary: 'Sign code with the key of the service',
  scope: 'admission:sign',
  body: z.strictObject(subject),
  answers: {
    200: {
      description: 'What vouches for it',
      schema: z.object({
        name: z.string().check(z.describe('What it is signed as')),
        digest: z.string().check(z.describe('SHA-256 of the code')),
        keyId: z.string().check(z.describe('SHA-256 of the public key')),
        envelope: z
          .record(z.string(), z.unknown())
          .check(z.describe('DSSE envelope: docs/signing.md')),
      }),
    },
  },
  errors: ['KEY_INVALID'],
  idempotent: true,
});

export const verifySource = defineRoute({
  id: 'verify',
  method: 'POST',
  path: '/api/verify',
  tag,
  summary: 'Whether code is signed by those whom the service trusts for it',
  scope: 'admission:scan',
  body: z.strictObject({
    ...subject,
    signatures: z
      .array(z.string().check(z.maxLength(2 ** 20)))
      .check(z.maxLength(16), z.describe('DSSE envelopes or Sigstore bundles, JSON')),
    by: z
      .optional(z.array(z.string().check(z.maxLength(64))).check(z.maxLength(64)))
      .check(z.describe('Signers or groups of which one must have signed')),
  }),
  answers: {
    200: {
      description: 'The verdict; also where it is no',
      schema: z.looseObject({
        ok: z.boolean().check(z.describe('Whether it is')),
        digest: z.string().check(z.describe('SHA-256 of the code')),
        reason: z.optional(z.string()).check(z.describe('Why not')),
      }),
    },
  },
  errors: ['TRUST_INVALID'],
});

const shownSigner = z.looseObject({
  name: z.string().check(z.describe('What policies call it')),
  key: z.string().check(z.describe('Id of its key, or its identity')),
  state: z
    .enum(['trusted', 'not yet', 'expired', 'revoked'])
    .check(z.describe('Whether its signatures count now')),
});

export const listSigners = defineRoute({
  id: 'listSigners',
  method: 'GET',
  path: '/api/trust/signers',
  tag,
  summary: 'Whom the service trusts, for what',
  scope: 'trust:read',
  answers: {
    200: {
      description: 'All of them',
      schema: z.object({
        signers: z.array(shownSigner).check(z.describe('By name')),
        groups: z.array(z.looseObject({})).check(z.describe('Of which several must sign')),
      }),
    },
  },
  errors: ['TRUST_INVALID'],
});

export const trustSigner = defineRoute({
  id: 'trustSigner',
  method: 'POST',
  path: '/api/trust/signers',
  tag,
  summary: 'Trust a signer',
  description: 'For operators: what is trusted counts for every tenant.',
  scope: 'trust:write',
  body: z.strictObject({
    name: signerFields.name,
    key: z
      .string()
      .check(z.maxLength(4096), z.describe('Public key of Ed25519: PEM (SPKI), or a JWK as JSON')),
    scope: signerFields.scope,
    from: signerFields.from,
    until: signerFields.until,
    replace: z.optional(z.boolean()).check(z.describe('Another entry of that name may be there')),
  }),
  answers: { 201: { description: 'It is trusted', schema: shownSigner } },
  errors: ['KEY_INVALID', 'TRUST_INVALID', 'AUDIT_UNAVAILABLE'],
});

export const revokeSigner = defineRoute({
  id: 'revokeSigner',
  method: 'POST',
  path: '/api/trust/signers/{name}/revoke',
  tag,
  summary: 'None of its signatures counts any more',
  description: 'For operators.',
  scope: 'trust:write',
  params: z.strictObject({
    name: z.string().check(z.minLength(1), z.maxLength(64), z.describe('Name, or id of the key')),
  }),
  body: z.strictObject({
    reason: z.string().check(z.minLength(1), z.maxLength(500), z.describe('Why')),
  }),
  answers: { 200: { description: 'As it is now', schema: shownSigner } },
  errors: ['TRUST_INVALID'],
});
