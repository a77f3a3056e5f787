/**
 * Whose bytes are being worked on. What is thrown in an event that nobody guarded (a socket's, a timer's, a promise's)
 * is a fault of ours that somebody found: it shuts the network of the sandbox that it was met for and is told there,
 * where it would end the process, and with it every sandbox's network. What nobody can be named for still ends it.
 *
 * Work that follows from other work is known by Node's async context. Sockets that the launcher made, and what they
 * accept, come from outside of it: their events are given it ({@link ownEvents}).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import type { NetworkDecision } from './decision-log.ts';

export type OnFault = (fault: Error) => void;

const owner = new AsyncLocalStorage<OnFault>();

/** The bound of one network, which its first fault shuts. */
export class FaultBound {
  readonly #shut: (fault: string) => void;
  #met: string | undefined;

  /** @param shut Closes the network and tells; called once. */
  constructor(shut: (fault: string) => void) {
    this.#shut = shut;
  }

  /** What it was. */
  get met(): string | undefined {
    return this.#met;
  }

  /** Does work, and all that follows from it, within the bound. */
  serve(work: () => void): void {
    owner.run((fault) => this.#meet(fault), work);
  }

  #meet(fault: Error): void {
    if (this.#met !== undefined) return;
    this.#met = faultText(fault);
    this.#shut(this.#met);
  }
}

export function faultDecision(fault: string): Omit<NetworkDecision, 'count'> {
  const reason = `a fault in the proxy, met for this sandbox, shuts its network: ${fault}`;
  return { target: '*', allowed: false, rule: 'network', reason, details: { kind: 'fault' } };
}

/** Has the events of a socket or server happen for the network that is being worked for, where there is one. */
export function ownEvents<E extends EventEmitter>(emitter: E): E {
  const onFault = owner.getStore();
  if (onFault === undefined) return emitter;
  const emit = emitter.emit.bind(emitter) as EventEmitter['emit'];
  emitter.emit = (event: string | symbol, ...values: unknown[]) => {
    // Caught here: Node has left the context by the time that it tells of what was thrown.
    try {
      return owner.run(onFault, () => emit(event, ...values));
    } catch (error) {
      onFault(asError(error));
      return true;
    }
  };
  return emitter;
}

/** @param onUnbounded Told of what is nobody's, and of a fault in telling; nothing more should be done after it. */
export function boundFaults(onUnbounded: OnFault): void {
  process.on('uncaughtException', (error: unknown) => {
    const onFault = owner.getStore() ?? onUnbounded;
    try {
      onFault(asError(error));
    } catch (second) {
      onUnbounded(asError(second));
    }
  });
}

/** In one line, with the place of it: of a file of ours its name alone. */
export function faultText({ name, message, stack = '' }: Error): string {
  const [, at] = /\n\s+at .*?([\w.-]+:\d+):\d+\)?(?:\n|$)/.exec(stack) ?? [];
  const told = `${name}: ${message}`.replace(/\s+/g, ' ').slice(0, 300);
  return at === undefined ? told : `${told} (${at})`;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
