/**
 * A sandbox that a session keeps: what it is over, when it was last used, and what was granted to it.
 */
import type { NetworkPolicy } from '../policy/policy.ts';
import type { McpSandbox } from './mcp-sandbox.ts';
import type { SandboxPlace } from './sandbox-places.ts';

export interface KeptSetup {
  /** What the model calls it; counts in its session. */
  readonly id: string;
  readonly sandbox: McpSandbox;
  readonly place: SandboxPlace;
  readonly idleMs: number;
  /** Told once, before it closes. */
  readonly onEnd: (kept: KeptSandbox, why: string) => void;
}

export class KeptSandbox {
  readonly id: string;
  readonly sandbox: McpSandbox;
  readonly place: SandboxPlace;
  /** Destinations that were granted while it was open, as they would be written in a policy. */
  readonly granted: string[] = [];
  readonly openedAt = Date.now();
  readonly #setup: KeptSetup;
  #lastUsed = performance.now();
  #busy = 0;
  #idle: NodeJS.Timeout | undefined;
  #network: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(setup: KeptSetup) {
    this.#setup = setup;
    this.id = setup.id;
    this.sandbox = setup.sandbox;
    this.place = setup.place;
    const ended = (): void => {
      this.close('it ended by itself').catch(() => {});
    };
    setup.sandbox.gone.then(ended, ended);
    this.#rest();
  }

  get isBusy(): boolean {
    return this.#busy > 0;
  }

  get idleForMs(): number {
    return this.isBusy ? 0 : performance.now() - this.#lastUsed;
  }

  get network(): NetworkPolicy {
    return this.sandbox.network ?? this.place.policy.network;
  }

  /** Not idle until it is disposed of. */
  use(): Disposable {
    this.#busy++;
    clearTimeout(this.#idle);
    let isDone = false;
    return {
      [Symbol.dispose]: () => {
        if (isDone) return;
        isDone = true;
        this.#busy--;
        this.#lastUsed = performance.now();
        this.#rest();
      },
    };
  }

  /** One change of its network after the other, so that none is lost. */
  changeNetwork(change: (network: NetworkPolicy) => NetworkPolicy): Promise<void> {
    const turn = this.#network.then(() => this.sandbox.updateNetwork(change(this.network)));
    this.#network = turn.catch(() => {});
    return turn;
  }

  /** Settles when nothing of it is left. Idempotent. */
  close(why: string): Promise<void> {
    if (this.#closing === undefined) {
      clearTimeout(this.#idle);
      this.#setup.onEnd(this, why);
      this.#closing = this.sandbox.close();
    }
    return this.#closing;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.isBusy || this.#closing !== undefined) return;
    const { idleMs } = this.#setup;
    this.#idle = setTimeout(() => {
      this.close(`nothing was asked of it for ${Math.round(idleMs / 1000)} s`).catch(() => {});
    }, idleMs);
    this.#idle.unref();
  }
}
