/** Opens what `caisson access` works on: the database in the state directory of a service. */
import { join, resolve } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { defaultStateDirectory, openStateDirectory } from '../sandbox/state-directory.ts';
import { parseConfig } from '../server/config/config.ts';
import { KeyRegistry } from '../server/security/key-registry.ts';
import { type TenantInfo, Tenants } from '../server/security/tenants.ts';
import type { ServiceStore } from '../store/service-store.ts';
import { SqliteServiceStore } from '../store/sqlite-service-store.ts';

export interface Access {
  readonly keys: KeyRegistry;
  readonly tenants: Tenants;
  readonly store: ServiceStore;
  /** Who does it, for what is written down. */
  readonly by: string;
}

/** @throws PATH_ESCAPES: the directory is not the caller's alone; STORE_UNUSABLE */
export async function withAccess<T>(
  { state }: { readonly state?: string },
  act: (access: Access) => Promise<T>,
): Promise<T> {
  const base = defaultStateDirectory();
  // Both are ours: nobody else may swap the inner one.
  if (state === undefined) openStateDirectory(base);
  const directory = openStateDirectory(
    state === undefined ? join(base, 'service') : resolve(state),
  );
  await using store = SqliteServiceStore.open(SqliteServiceStore.fileIn(directory));
  const tenants = await Tenants.open({
    store: store.tenants,
    revision: () => store.revision(),
    // The configuration is the service's: what is set here goes before it.
    defaults: parseConfig({}),
  });
  return await act({
    keys: new KeyRegistry(store.keys),
    tenants,
    store,
    by: `user:${process.geteuid?.() ?? ''}`,
  });
}

/** Whose a key is. @throws NOT_FOUND */
export async function tenantOfKey({ store }: Access, id: string): Promise<string> {
  const stored = await store.keys.get(id);
  if (stored !== undefined) return stored.record.tenant;
  throw new CaissonError('NOT_FOUND', {
    layer: 'cli',
    message: `there is no API key ${JSON.stringify(id.slice(0, 80))}`,
    hint: 'caisson access keys list shows which there are',
  });
}

/** One that only the configuration names may be changed, too: nobody here knows whether it does. */
export async function changeTenant(
  { tenants, by }: Access,
  id: string,
  change: Omit<Parameters<Tenants['update']>[1], 'by'>,
): Promise<TenantInfo> {
  if (!tenants.exists(id) && change.disabled === true) await tenants.create({ id, by });
  return await tenants.update(id, { ...change, by });
}
