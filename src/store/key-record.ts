/** What is remembered of an API key, never the key itself, and the port behind which it is kept. */
import * as z from 'zod/mini';
import { TENANT_ID } from './tenant-record.ts';

export const KEY_ID = /^[a-z2-7]{16}$/;

const hash = z.strictObject({
  algorithm: z.literal('scrypt').check(z.describe('RFC 7914')),
  cost: z.int().check(z.gte(2), z.describe('N')),
  blockSize: z.int().check(z.gte(1), z.describe('r')),
  parallelization: z.int().check(z.gte(1), z.describe('p')),
  salt: z.string().check(z.describe('base64')),
  digest: z.string().check(z.describe('base64')),
});

const keySecretSchema = z.strictObject({
  hash: hash.check(z.describe('Of the whole key as its holder has it')),
  check: z
    .optional(z.string().check(z.regex(/^[0-9a-f]{8}$/)))
    .check(
      z.describe('32 bits of another hash of it, which tell most wrong ones before it is proven'),
    ),
  createdMs: z.int().check(z.describe('Wall clock, Unix ms')),
  expiresMs: z
    .optional(z.int())
    .check(z.describe('Of a secret that was replaced: until then both are good')),
});

export const apiKeyRecordSchema = z.strictObject({
  id: z.string().check(z.regex(KEY_ID), z.describe('Its public part')),
  tenant: z.string().check(z.regex(TENANT_ID), z.describe('Whose it is')),
  name: z.string().check(z.describe('What people call it; may be empty')),
  roles: z.array(z.string()).check(z.describe('Sets of scopes, by name')),
  scopes: z.array(z.string()).check(z.describe('Beside those of its roles')),
  secrets: z.array(keySecretSchema).check(z.describe('Newest first')),
  createdMs: z.int().check(z.describe('Wall clock, Unix ms')),
  createdBy: z.string().check(z.describe('Subject of who made it')),
  expiresMs: z.optional(z.int()).check(z.describe('From then on it is good for nothing')),
  revoked: z
    .optional(
      z.strictObject({
        atMs: z.int().check(z.describe('Wall clock, Unix ms')),
        by: z.string().check(z.describe('Subject of who did it')),
        reason: z.string().check(z.describe('Why; may be empty')),
      }),
    )
    .check(z.describe('It is good for nothing any more')),
});

export type KeySecret = z.infer<typeof keySecretSchema>;
export type ApiKeyRecord = z.infer<typeof apiKeyRecordSchema>;

export interface StoredKey {
  readonly record: ApiKeyRecord;
  /** Wall clock, Unix ms; may be a minute old. */
  readonly lastUsedMs?: number;
}

export interface KeyStore {
  /**
   * @param most that the tenant may have of those that are valid at `nowMs`
   * @returns `full`: it has as many
   */
  add(
    record: ApiKeyRecord,
    most?: { readonly keys: number; readonly nowMs: number },
  ): Promise<'added' | 'exists' | 'full'>;
  /** Whosever it is: for finding out who asks. */
  get(id: string): Promise<StoredKey | undefined>;
  /** By id; default: of every tenant. */
  list(filter?: {
    readonly tenant?: string;
    readonly limit?: number;
    readonly after?: string;
  }): Promise<StoredKey[]>;
  /** How many of a tenant are neither revoked nor expired. */
  count(tenant: string, nowMs: number): Promise<number>;
  /**
   * With nobody else changing it in between.
   *
   * @param tenant whose it must be
   * @param change whose id and tenant stay
   * @returns what is stored then; undefined: that tenant has none of that id
   */
  update(
    tenant: string,
    id: string,
    change: (record: ApiKeyRecord) => ApiKeyRecord,
  ): Promise<StoredKey | undefined>;
  /** Notes when keys were used; goes back for none of them. */
  touch(uses: Iterable<readonly [id: string, atMs: number]>): Promise<void>;
}
