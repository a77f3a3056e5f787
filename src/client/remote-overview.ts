/** What a service has of a tenant's, and how full it is. */

import { listSnapshots, type WireSnapshot } from '../api/lifecycle.ts';
import type { QueryInputOf, ValueOf } from '../api/route.ts';
import { inspectSandbox, killSandbox, listSandboxes, type WireSandbox } from '../api/sandboxes.ts';
import { poolStatistics, threatStatistics } from '../api/statistics.ts';
import { checkOptions } from '../policy/known-options.ts';
import { FILTERS } from './option-kinds.ts';
import { pagesOf } from './pages.ts';
import { type RemoteSnapshot, snapshotOf } from './remote-sandbox.ts';
import type { Transport } from './transport.ts';

export type RemoteSandboxFilter = Omit<
  NonNullable<QueryInputOf<typeof listSandboxes>>,
  'limit' | 'after'
>;

/** Sandboxes and runs that are there, and those that ended last. */
export class RemoteSandboxes {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Oldest first. @param filter `label`: NAME=VALUE */
  async list(filter: RemoteSandboxFilter = {}): Promise<WireSandbox[]> {
    checkOptions(filter, 'list', FILTERS.sandboxes, 'client');
    return await pagesOf(this.#transport, listSandboxes, { query: { ...filter } });
  }

  /** With what it uses. @throws NOT_FOUND */
  async inspect(id: string): Promise<WireSandbox> {
    return await this.#transport.ask(inspectSandbox, { params: { id } });
  }

  /** Nothing of it is left when this settles. @throws NOT_FOUND */
  async kill(id: string): Promise<WireSandbox> {
    return await this.#transport.ask(killSandbox, { params: { id } });
  }

  /** Snapshots that are kept, oldest first. */
  async snapshots(): Promise<WireSnapshot[]> {
    return await pagesOf(this.#transport, listSnapshots);
  }

  /** One that is kept; asked of nobody until it is used. */
  snapshot(id: string): RemoteSnapshot {
    return snapshotOf(this.#transport, id);
  }
}

export class RemoteStatistics {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What was found in the tenant's code, oldest first. @param options `days` back, default 30 */
  async threats(
    options: { readonly days?: number } = {},
  ): Promise<ValueOf<typeof threatStatistics>['occurrences']> {
    checkOptions(options, 'threats', FILTERS.threats, 'client');
    return (await this.#transport.ask(threatStatistics, { query: { ...options } })).occurrences;
  }

  /** How full the pool is, and what of it is the tenant's. */
  async pool(): Promise<ValueOf<typeof poolStatistics>> {
    return await this.#transport.ask(poolStatistics);
  }
}
