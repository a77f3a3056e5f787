/** What is remembered of a tenant of the service, and the port behind which it is kept. */
import * as z from 'zod/mini';

/** What a tenant may be called: fit for paths, records and file names. One written form: no upper case, nothing beyond ASCII. */
export const TENANT_ID = /^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

export const tenantRecordSchema = z.strictObject({
  id: z.string().check(z.regex(TENANT_ID), z.describe('What it is called')),
  description: z.string().check(z.describe('For people; may be empty')),
  createdMs: z.int().check(z.describe('Wall clock, Unix ms')),
  createdBy: z.string().check(z.describe('Subject of who made it')),
  disabledMs: z.optional(z.int()).check(z.describe('Since when nobody of it gets in')),
  settings: z
    .record(z.string(), z.json())
    .check(z.describe('As under `tenants` of the configuration: what differs from it')),
});

export type TenantRecord = z.infer<typeof tenantRecordSchema>;

export interface TenantStore {
  /** @returns false where one of that id is there already */
  add(record: TenantRecord): Promise<boolean>;
  get(id: string): Promise<TenantRecord | undefined>;
  /** By id. */
  list(page?: { readonly limit?: number; readonly after?: string }): Promise<TenantRecord[]>;
  /**
   * With nobody else changing it in between.
   *
   * @param change whose id stays
   * @returns what is stored then; undefined: there is none
   */
  update(
    id: string,
    change: (record: TenantRecord) => TenantRecord,
  ): Promise<TenantRecord | undefined>;
}
