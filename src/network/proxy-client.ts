/**
 * The library's side of the proxy process: starts it with the first network, speaks with it, and says when it is gone.
 *
 * A network whose proxy is gone stays shut: its listening sockets closed with the process. The next network gets a new
 * process.
 */
import { fileURLToPath } from 'node:url';
import type { Dial } from '../launcher/dials.ts';
import { locateLauncher } from '../launcher/locate.ts';
import { type NodeProcess, startNodeProcess } from '../launcher/node-process.ts';
import { type VaultMemory, VaultProcess } from '../launcher/vault-process.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type {
  FilteredNetworkClient,
  NetworkOptions,
  PublishedPortClient,
} from './network-client.ts';
import { networkGone } from './proxy-error.ts';
import { ProxyProcessClient } from './proxy-process-client.ts';
import type { PublishOptions } from './published-port.ts';

export class ProxyClient {
  readonly #start: () => NodeProcess;
  readonly #startVault: (memory: VaultMemory) => VaultProcess;
  #process: ProxyProcessClient | undefined;
  #closed = false;

  /** Both for tests. */
  constructor(
    start: () => NodeProcess = () => startNodeProcess(proxyProgram()),
    startVault = (memory: VaultMemory) => new VaultProcess(locateLauncher().path, memory),
  ) {
    this.#start = start;
    this.#startVault = startVault;
  }

  /** The proxy's process id, while one runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The holder of secrets, while one runs. */
  get vault(): VaultProcess | undefined {
    return this.#process?.vault;
  }

  /** Takes a policy in; connections are served from {@link FilteredNetworkClient.attach} on. @throws NETWORK_GONE */
  async open(options: NetworkOptions): Promise<FilteredNetworkClient> {
    return await this.#live().open(options);
  }

  /** As {@link open}, without waiting, where nothing comes back: neither an authority nor a place in a group. */
  begin(options: NetworkOptions): FilteredNetworkClient {
    return this.#live().begin(options).network;
  }

  /** Starts the process ahead of need, and makes what the first network of such a policy would wait for. */
  warm(policy: NetworkPolicy): void {
    if (!this.#closed) this.#live().warm(policy);
  }

  /** Listens on the host for a port inside. @throws REQUEST_INVALID where its port is taken, NETWORK_GONE */
  async publish(options: PublishOptions, dial: Dial): Promise<PublishedPortClient> {
    return await this.#live().publish(options, dial);
  }

  /** Ends the process; networks that are open are shut. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#process?.end();
  }

  #live(): ProxyProcessClient {
    if (this.#closed) throw networkGone('it was closed');
    if (this.#process === undefined || this.#process.isGone) {
      this.#process = new ProxyProcessClient(this.#start(), this.#startVault);
    }
    return this.#process;
  }
}

/** Beside this file: as a source, or bundled (`packaging/build.ts`). */
function proxyProgram(): string {
  const here = import.meta.url;
  return fileURLToPath(
    new URL(here.endsWith('.ts') ? 'proxy-process.ts' : 'proxy-process.js', here),
  );
}
