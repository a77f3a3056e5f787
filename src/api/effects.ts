/** The two calls of plugin hosts that run small programs ("effects"): register one, execute it. */
import * as z from 'zod/mini';
import { CAPABILITIES } from '../core/admission.ts';
import { admissionReport } from './admission-report.ts';
import { executeModule, registerModule } from './modules.ts';
import { defineRoute } from './route.ts';
import { wireValue } from './value.ts';

const tag = 'effects';

export const registerEffect = defineRoute({
  id: 'registerEffect',
  method: 'POST',
  path: '/api/effects/register',
  tag,
  summary: 'Check an effect and keep it',
  description:
    'Code whose threat score is 80 or more is refused (403 MODULE_REFUSED) with its findings in details.admission.',
  scope: 'modules:write',
  body: z.strictObject({
    id: z.string().check(z.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/), z.describe('Name')),
    version: z
      .optional(z.string().check(z.maxLength(64)))
      .check(z.describe('Semantic version; default 1.0.0, or the next patch where it differs')),
    language: z
      .optional(z.enum(['javascript', 'typescript', 'wasm']))
      .check(z.describe('Default javascript')),
    code: z.string().check(z.minLength(1), z.describe('Source text; of wasm base64')),
    signature: z
      .optional(z.string())
      .check(z.describe('Ed25519 over the 32 bytes of SHA-256 of the code, base64')),
    publicKey: z.optional(z.string()).check(z.describe('PEM (SPKI) of the key')),
    signatures: z
      .optional(z.array(z.string()).check(z.maxLength(16)))
      .check(z.describe('DSSE envelopes or Sigstore bundles: docs/signing.md')),
    declares: z
      .optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(CAPABILITIES.length)))
      .check(z.describe('Effects that it says it has; default none')),
    timeoutMs: z.optional(z.int().check(z.positive())).check(z.describe('Of each execution')),
    memoryBytes: z.optional(z.int().check(z.positive())).check(z.describe('Of each execution')),
    metadata: z
      .optional(z.record(z.string(), z.unknown()))
      .check(z.describe('An object of JSON, at most 16 KiB and 8 deep')),
  }),
  answers: {
    201: {
      description: 'It is registered',
      schema: z.object({
        id: z.string().check(z.describe('Name')),
        version: z.string().check(z.describe('Under which it is kept')),
        digest: z.string().check(z.describe('SHA-256 of its code')),
        added: z.boolean().check(z.describe('false: it was there already')),
        security: z
          .object({
            score: z.optional(z.number()).check(z.describe('Threat score, 0 to 100')),
            decision: z.string().check(z.describe('What was decided')),
            findings: z.array(z.unknown()).check(z.describe('Each with its place and reason')),
            signer: z.optional(z.unknown()).check(z.describe('Whoever vouches for it')),
            signed: z
              .enum(['no', 'unverified', 'verified'])
              .check(z.describe('By the key that came with it')),
            reasons: z.array(z.string()).check(z.describe('Why it was decided so')),
          })
          .check(z.describe('What its check came to')),
      }),
    },
  },
  errors: [...registerModule.errors],
  idempotent: true,
  executes: true,
  long: true,
});

export const executeEffect = defineRoute({
  id: 'executeEffect',
  method: 'POST',
  path: '/api/effects/execute',
  tag,
  summary: 'Execute an effect',
  scope: 'modules:execute',
  body: z.strictObject({
    id: z.string().check(z.maxLength(129), z.describe('ID, or ID@VERSION')),
    input: z.optional(wireValue).check(z.describe('Its one argument')),
    args: z.optional(z.array(wireValue)).check(z.describe('Instead of input: its arguments')),
    export: z
      .optional(z.string().check(z.minLength(1), z.maxLength(256)))
      .check(z.describe('Export')),
  }),
  answers: {
    200: {
      description: 'What it came to',
      schema: z.object({
        ok: z.boolean().check(z.describe('Whether it returned')),
        result: z.optional(wireValue),
        error: z.optional(z.unknown()).check(z.describe('What it threw, or the limit it hit')),
        outcome: z.string().check(z.describe('exited, timed-out, out-of-memory …')),
        durationMs: z.number().check(z.describe('Milliseconds')),
        cpuMs: z.number().check(z.describe('Milliseconds')),
        memoryBytes: z.number().check(z.describe('Peak')),
        output: z.object({ stdout: z.string(), stderr: z.string() }),
        module: z.object({ id: z.string(), version: z.string(), digest: z.string() }),
        admission: admissionReport,
        auditId: z.string().check(z.describe('Its name in the audit log')),
      }),
    },
  },
  errors: [...executeModule.errors],
  idempotent: true,
  executes: true,
  long: true,
});
