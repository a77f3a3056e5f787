/**
 * What a service keeps beside its sandboxes, modules and audit log, behind ports: SQLite here, a database server for many
 * machines later. So their methods are asynchronous although SQLite's are not.
 */
import type { IdempotencyStore } from './idempotency-record.ts';
import type { KeyStore } from './key-record.ts';
import type { PolicyStore } from './policy-record.ts';
import type { TenantStore } from './tenant-record.ts';

export interface ServiceStore extends AsyncDisposable {
  readonly keys: KeyStore;
  readonly tenants: TenantStore;
  readonly policies: PolicyStore;
  readonly idempotency: IdempotencyStore;
  /**
   * Another number whenever a key or a tenant was added or changed: here at once, by another process (`caisson access` works
   * on the same file) some milliseconds later. Takes a microsecond, so that it can be asked before each request.
   *
   * @throws STORE_UNUSABLE where the file was taken away
   */
  revision(): number;
  close(): Promise<void>;
}
