/**
 * The library's side of the holder of secrets: started with the first network that has any, beside the proxy process that
 * gets them out again, and ended with it.
 */
import type { RawHandle } from '../launcher/network-handles.ts';
import type { VaultMemory, VaultProcess } from '../launcher/vault-process.ts';
import type { Secret } from './intercept/secrets.ts';
import type { NetworkOptions } from './network-client.ts';

export interface KeptSecrets {
  /** What the proxy gets: names, placeholders, hosts, and what the values are called at the holder. */
  readonly secrets: readonly Secret[];
  /** The holder has overwritten them when this resolves. */
  readonly drop: () => Promise<void>;
}

export class SecretKeeper {
  readonly #start: (memory: VaultMemory) => VaultProcess;
  readonly #passOn: (reader: RawHandle) => void;
  #vault: VaultProcess | undefined;

  /** @param passOn gives the reader's end to the proxy, before it hears of anything that is held there */
  constructor(start: (memory: VaultMemory) => VaultProcess, passOn: (reader: RawHandle) => void) {
    this.#start = start;
    this.#passOn = passOn;
  }

  /** While one runs. */
  get vault(): VaultProcess | undefined {
    return this.#vault?.isGone === false ? this.#vault : undefined;
  }

  /** @throws NETWORK_FAILED where not all of them could be given to the holder; then it has none of them */
  async give({
    secrets = [],
    secretMemory = 'secret',
  }: Pick<NetworkOptions, 'secrets' | 'secretMemory'>): Promise<KeptSecrets> {
    if (secrets.length === 0) return { secrets: [], drop: async () => {} };
    const vault = this.#live(secretMemory);
    const held: Secret[] = [];
    const drop = async (): Promise<void> => {
      await Promise.all(held.map(({ id }) => vault.drop(id)));
    };
    try {
      for (const { name, placeholder, hosts, value } of secrets) {
        held.push({ name, placeholder, hosts, id: await vault.put(value) });
      }
    } catch (error) {
      await drop();
      throw error;
    }
    return { secrets: held, drop };
  }

  async end(): Promise<void> {
    await this.#vault?.end();
  }

  /** A new one where the last one ended: what that held is gone, and its networks send no secrets any more. */
  #live(memory: VaultMemory): VaultProcess {
    if (this.vault !== undefined) return this.vault;
    const vault = this.#start(memory);
    this.#vault = vault;
    this.#passOn(vault.takeReader());
    return vault;
  }
}
