/** One tenant of a served Caisson, as the attacks need it: sandboxes with networks, and Python in them. */
import assert from 'node:assert/strict';
import type { WireOutcome } from '../../../src/api/outcome.ts';
import { GuestSocket } from '../guest-socket.ts';
import type { Served } from '../served.ts';

export type NetworkDocument = Readonly<Record<string, unknown>>;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly outcome: WireOutcome;
}

export class Tenant {
  readonly name: string;
  readonly key: string;
  readonly #service: Served;

  private constructor(service: Served, name: string, key: string) {
    this.#service = service;
    this.name = name;
    this.key = key;
  }

  static async open(service: Served, name: string): Promise<Tenant> {
    return new Tenant(service, name, await service.key('admin', name));
  }

  ask(method: string, path: string, body?: unknown) {
    const { key } = this;
    return this.#service.ask(method, path, body === undefined ? { key } : { key, body });
  }

  /** @returns its id */
  async create(
    network: NetworkDocument,
    more: { readonly secrets?: Readonly<Record<string, string>>; readonly name?: string } = {},
  ): Promise<string> {
    const policy = { version: 1, level: 'moderate', network };
    const made = await this.ask('POST', '/api/sandboxes', {
      policy,
      workspace: 'private',
      ...more,
    });
    assert.equal(made.status, 201, made.text);
    return (made.body as { id: string }).id;
  }

  /** To its end. */
  async python(id: string, script: string): Promise<Ran> {
    const argv = ['python3', '-c', script];
    const { status, text, body } = await this.ask('POST', `/api/sandboxes/${id}/exec`, { argv });
    assert.equal(status, 200, text);
    const outcome = body as WireOutcome;
    const { stdout, stderr } = outcome;
    return { stdout: stdout.text ?? '', stderr: stderr.text ?? '', outcome };
  }

  /** While it is spoken with. */
  async spawn(id: string, script: string): Promise<GuestSocket> {
    const { address } = this.#service;
    const guest = await GuestSocket.open(address, `/api/sandboxes/${id}/spawn`, this.key);
    guest.say({ argv: ['python3', '-uc', script] });
    return guest;
  }

  async update(id: string, network: NetworkDocument): Promise<void> {
    const { status, text } = await this.ask('PUT', `/api/sandboxes/${id}/network`, { network });
    assert.equal(status, 200, text);
  }

  async end(id: string): Promise<void> {
    await this.ask('DELETE', `/api/sandboxes/${id}`);
  }
}
