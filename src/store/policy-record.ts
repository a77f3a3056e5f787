/** What is remembered of a policy that the service keeps by name, and the port behind which it is kept. */
import * as z from 'zod/mini';
import { TENANT_ID } from './tenant-record.ts';

/** Never changes: what is changed is another version. */
export const storedPolicySchema = z.strictObject({
  tenant: z.string().check(z.regex(TENANT_ID), z.describe('Whose it is')),
  name: z.string().check(z.describe('What requests call it')),
  version: z.int().check(z.gte(1), z.describe('From 1; no number is used twice')),
  document: z.json().check(z.describe('As it was written')),
  digest: z.string().check(z.describe('Of the normalised policy')),
  createdMs: z.int().check(z.describe('Wall clock, Unix ms')),
  createdBy: z.string().check(z.describe('Subject of who wrote it')),
});

export type StoredPolicy = z.infer<typeof storedPolicySchema>;

/** `same`: the latest version is the same document already. `differs`: the latest version is another than was said. */
export interface AddedPolicy {
  readonly result: 'added' | 'same' | 'differs';
  /** The latest then; absent: there is none. */
  readonly stored?: StoredPolicy;
}

export interface PolicyStore {
  /**
   * A new version, which is the latest then.
   *
   * @param options `ifVersion`: the latest must be this one; null: there must be none
   */
  add(
    policy: Omit<StoredPolicy, 'version'>,
    options?: { readonly ifVersion?: number | null },
  ): Promise<AddedPolicy>;
  /** Default: the latest version. */
  get(tenant: string, name: string, version?: number): Promise<StoredPolicy | undefined>;
  /** The latest of each name, by name. */
  list(
    tenant: string,
    page?: { readonly limit?: number; readonly after?: string },
  ): Promise<StoredPolicy[]>;
  /** Newest first. */
  versions(
    tenant: string,
    name: string,
    page?: { readonly limit?: number; readonly before?: number },
  ): Promise<StoredPolicy[]>;
  /** All versions. @param options `ifVersion`: the latest must be this one */
  remove(
    tenant: string,
    name: string,
    options?: { readonly ifVersion?: number },
  ): Promise<'removed' | 'absent' | 'differs'>;
  /** Versions of all names. */
  count(tenant: string): Promise<number>;
}
