/** The registry of trusted signers as it is written, YAML or JSON: who may sign what, until when. */
import * as z from 'zod/mini';
import { WALL_NAMES } from '../../policy/policy.ts';
import { SIGNED_KINDS } from './statement.ts';

const SIGNERS_MAX = 1000;
const LIST_MAX = 200;

/** Unix ms of a date (its first moment, UTC) or a time with its offset. NaN: none. */
export function timeOf(text: string): number {
  return /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
}

const time = z.string().check(
  z.refine((text) => !Number.isNaN(timeOf(text)), {
    error: 'write 2027-01-31, or 2027-01-31T12:00:00Z',
  }),
);
const name = z.string().check(
  z.regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, {
    error: 'write 1 to 64 of A–Z, a–z, 0–9, `.`, `_`, `@` and `-`, a letter or digit first',
  }),
);
const ids = z
  .array(
    z
      .string()
      .check(
        z.regex(/^[A-Za-z0-9._*-]{1,64}$/, { error: 'write an id, or a pattern such as `pay-*`' }),
      ),
  )
  .check(z.minLength(1), z.maxLength(LIST_MAX));
const threshold = z.int().check(z.minimum(0), z.maximum(8));

const scopeSchema = z.strictObject({
  ids: z.optional(ids).check(z.describe('Ids that it may sign, as patterns; default: all')),
  kinds: z
    .optional(z.array(z.enum(SIGNED_KINDS)).check(z.minLength(1), z.maxLength(LIST_MAX)))
    .check(z.describe('Kinds of code that it may sign; default: all')),
  walls: z
    .optional(z.array(z.enum(WALL_NAMES)).check(z.minLength(1), z.maxLength(LIST_MAX)))
    .check(z.describe('Walls behind which its signature counts; default: all')),
});

const sigstoreSchema = z.strictObject({
  issuer: z
    .string()
    .check(
      z.minLength(1),
      z.maxLength(512),
      z.describe('OIDC issuer that named the signer, exactly'),
    ),
  subject: z
    .string()
    .check(
      z.minLength(1),
      z.maxLength(512),
      z.describe(
        'Subject alternative name of the certificate; `*` is anything but `/`, `**` anything',
      ),
    ),
  root: z
    .string()
    .check(
      z.minLength(1),
      z.maxLength(4096),
      z.describe('trusted_root.json, relative to this file; never fetched'),
    ),
  transparencyLog: z
    ._default(threshold, 1)
    .check(z.describe('Entries in transparency logs that there must be; default 1')),
  certificateLog: z
    ._default(threshold, 1)
    .check(z.describe('Timestamps of certificate logs that there must be; default 1')),
  timestamps: z
    ._default(z.int().check(z.minimum(1), z.maximum(8)), 1)
    .check(
      z.describe('Trusted times that there must be, of logs or timestamp authorities; default 1'),
    ),
});

export const signerFields = {
  name: name.check(z.describe('What messages, policies and groups call it')),
  key: z
    .optional(z.string().check(z.maxLength(4096)))
    .check(z.describe('Public key of Ed25519: PEM (SPKI), or a JWK as JSON')),
  sigstore: z
    .optional(sigstoreSchema)
    .check(z.describe('Instead of a key: whom a Sigstore certificate must name')),
  scope: z.optional(scopeSchema).check(z.describe('What it may sign; default: everything')),
  from: z.optional(time).check(z.describe('Not trusted before; default: always')),
  until: z.optional(time).check(z.describe('Not trusted from then on; default: for ever')),
  revoked: z
    .optional(
      z.strictObject({
        at: time.check(z.describe('When it was revoked; of all its signatures none counts')),
        reason: z.string().check(z.minLength(1), z.maxLength(512), z.describe('Why')),
      }),
    )
    .check(z.describe('Whether it is trusted no more')),
};

const signerSchema = z.strictObject(signerFields).check(
  z.refine((signer) => (signer.key === undefined) !== (signer.sigstore === undefined), {
    error: 'write either key or sigstore',
  }),
);

const groupSchema = z.strictObject({
  name: name.check(z.describe('What policies call it')),
  of: z
    .array(name)
    .check(z.minLength(1), z.maxLength(LIST_MAX), z.describe('Names of its signers, each once')),
  threshold: z
    .int()
    .check(z.minimum(1), z.maximum(LIST_MAX), z.describe('How many of them must have signed')),
  ids: z
    .optional(ids)
    .check(
      z.describe('Ids that need this group, as patterns; default: none, until a policy names it'),
    ),
});

export const trustSchema = z.strictObject({
  version: z.literal(1).check(z.describe('Of this format')),
  updated: z
    .optional(time)
    .check(z.describe('When it was written; a clock that shows an earlier time is not believed')),
  signers: z.array(signerSchema).check(z.maxLength(SIGNERS_MAX), z.describe('Who is trusted')),
  groups: z
    .optional(z.array(groupSchema).check(z.maxLength(LIST_MAX)))
    .check(z.describe('Of whom several must sign; default: none')),
});

export type TrustDocument = z.input<typeof trustSchema>;
export type SignerDocument = TrustDocument['signers'][number];
export type GroupDocument = NonNullable<TrustDocument['groups']>[number];
export type SigstorePolicy = z.output<typeof sigstoreSchema>;
