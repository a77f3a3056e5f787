/** API keys and tenants of a service. */
import {
  changeTenant,
  createKey,
  createTenant,
  inspectKey,
  inspectTenant,
  listKeys,
  listTenants,
  revokeKey,
  rotateKey,
} from '../api/access.ts';
import type { BodyInputOf, ValueOf } from '../api/route.ts';
import { checkOptions } from '../policy/known-options.ts';
import { FILTERS, SENT } from './option-kinds.ts';
import { pagesOf } from './pages.ts';
import type { Transport } from './transport.ts';

export type RemoteKey = ValueOf<typeof inspectKey>;
/** The key itself is told this once. */
export type IssuedKey = ValueOf<typeof createKey>;
export type RemoteTenant = ValueOf<typeof createTenant>;

export class RemoteKeys {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Also those that have ended. @param options `tenant`: for operators */
  async list(options: { readonly tenant?: string } = {}): Promise<RemoteKey[]> {
    checkOptions(options, 'list', FILTERS.keys, 'client');
    return await pagesOf(this.#transport, listKeys, { query: { ...options } });
  }

  /** @throws QUOTA_EXCEEDED, FORBIDDEN for what the caller does not have */
  async create(key: BodyInputOf<typeof createKey> = {}): Promise<IssuedKey> {
    checkOptions(key, 'create', SENT.key, 'client');
    return await this.#transport.ask(createKey, { body: key });
  }

  /** @throws NOT_FOUND */
  async inspect(id: string): Promise<RemoteKey> {
    return await this.#transport.ask(inspectKey, { params: { id } });
  }

  /** Another secret; the one before is good for a while. @throws NOT_FOUND, CONFLICT */
  async rotate(id: string, options: { readonly overlapMs?: number } = {}): Promise<IssuedKey> {
    checkOptions(options, 'rotate', SENT.rotation, 'client');
    return await this.#transport.ask(rotateKey, { params: { id }, body: { ...options } });
  }

  /** At once, and for good. @throws NOT_FOUND */
  async revoke(id: string, reason?: string): Promise<RemoteKey> {
    const query = reason === undefined ? {} : { reason };
    return await this.#transport.ask(revokeKey, { params: { id }, query });
  }
}

/** For operators; others see their own. */
export class RemoteTenants {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(): Promise<RemoteTenant[]> {
    return await pagesOf(this.#transport, listTenants);
  }

  /** @throws CONFLICT, FORBIDDEN */
  async create(tenant: BodyInputOf<typeof createTenant>): Promise<RemoteTenant> {
    checkOptions(tenant, 'create', SENT.tenant, 'client');
    return await this.#transport.ask(createTenant, { body: tenant });
  }

  /** With how much it has of what its quotas name. @throws NOT_FOUND */
  async inspect(id: string): Promise<ValueOf<typeof inspectTenant>> {
    return await this.#transport.ask(inspectTenant, { params: { id } });
  }

  /** @throws NOT_FOUND, FORBIDDEN */
  async change(id: string, change: BodyInputOf<typeof changeTenant>): Promise<RemoteTenant> {
    checkOptions(change, 'change', SENT.tenantChange, 'client');
    return await this.#transport.ask(changeTenant, { params: { id }, body: change });
  }
}
