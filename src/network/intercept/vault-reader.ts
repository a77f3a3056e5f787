/**
 * The end of the holder of secrets that values come out of, in the process that puts them into requests.
 */
import { Socket } from 'node:net';
import type { RawHandle } from '../../launcher/network-handles.ts';
import {
  plainMemory,
  VAULT_VALUE_MAX,
  VaultChannel,
  vaultOperation,
} from '../../launcher/vault-channel.ts';
import type { SecretHolder } from './sealed-head.ts';

export class VaultReader implements SecretHolder {
  readonly #channel: VaultChannel;

  constructor(handle: RawHandle) {
    // Read into memory of ours: what Node reads into by itself it copies and gives back as it is.
    const buffer = plainMemory(VAULT_VALUE_MAX);
    const take = (length: number): boolean => {
      this.#channel.take(buffer.subarray(0, length));
      buffer.fill(0, 0, length);
      return true;
    };
    const socket = new Socket({ handle, onread: { buffer, callback: take } } as never);
    this.#channel = new VaultChannel((bytes, done) => socket.write(bytes, done));
    socket.on('error', () => {});
    socket.once('close', () => this.#channel.end('it has ended'));
  }

  async take(id: number): Promise<Buffer> {
    return (await this.#channel.request(vaultOperation.get, id)).bytes;
  }
}
