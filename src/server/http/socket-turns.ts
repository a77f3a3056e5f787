/**
 * What comes over WebSockets is read in turns. A frame has two bytes at least, and each costs the loop: of tiny ones what
 * one read brings takes longer than most requests, and a tenant has hundreds of connections. So after a while the tenant is
 * not read from for as long as what it sent took, and then one connection after the other.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** A tenant may be so far ahead, ms of the loop. */
const MOST_MS = 4;
/** As good as nothing. */
const LITTLE_MS = 0.5;

/** Whether a WebSocket is read from: while nobody has a reason against it. */
export class SocketReader {
  readonly #socket: Pick<WebSocket, 'pause' | 'resume'>;
  readonly #reasons = new Set<string>();

  constructor(socket: Pick<WebSocket, 'pause' | 'resume'>) {
    this.#socket = socket;
  }

  hold(reason: 'full' | 'turn'): void {
    this.#reasons.add(reason);
    this.#socket.pause();
  }

  release(reason: 'full' | 'turn'): void {
    if (this.#reasons.delete(reason) && this.#reasons.size === 0) this.#socket.resume();
  }
}

export class SocketTurns {
  readonly #tenants = new Map<string, TenantTurns>();

  /**
   * @param wire what the WebSocket is spoken over; its `data` is looked at from now on
   * @returns to be called when it is closed
   */
  follow(tenant: string, wire: Duplex, reader: SocketReader): () => void {
    const turns = this.#tenants.get(tenant) ?? new TenantTurns();
    this.#tenants.set(tenant, turns);
    turns.add(reader);
    let beganMs = 0;
    // Before and after whoever reads the frames: that is done in between.
    wire.prependListener('data', () => {
      beganMs = performance.now();
    });
    wire.on('data', () => turns.took(beganMs, performance.now()));
    return () => {
      turns.remove(reader);
      if (turns.isEmpty && this.#tenants.get(tenant) === turns) this.#tenants.delete(tenant);
    };
  }
}

class TenantTurns {
  readonly #readers = new Set<SocketReader>();
  /** In the order of their turns. */
  readonly #held = new Set<SocketReader>();
  #owedMs = 0;
  #atMs = 0;
  #isWaiting = false;

  get isEmpty(): boolean {
    return this.#readers.size === 0;
  }

  add(reader: SocketReader): void {
    this.#readers.add(reader);
    if (this.#isWaiting) this.#hold(reader);
  }

  remove(reader: SocketReader): void {
    this.#readers.delete(reader);
    this.#held.delete(reader);
  }

  took(beganMs: number, endedMs: number): void {
    this.#pay(beganMs);
    this.#owedMs += endedMs - beganMs;
    this.#atMs = endedMs;
    if (this.#owedMs < MOST_MS) return;
    for (const reader of this.#readers) this.#hold(reader);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(this.#pass, this.#owedMs);
  }

  #hold(reader: SocketReader): void {
    if (this.#held.has(reader)) return;
    this.#held.add(reader);
    reader.hold('turn');
  }

  #pay(nowMs: number): void {
    this.#owedMs = Math.max(0, this.#owedMs - (nowMs - this.#atMs));
    this.#atMs = nowMs;
  }

  readonly #pass = (): void => {
    this.#pay(performance.now());
    const [next] = this.#held;
    if (next === undefined) {
      this.#isWaiting = false;
    } else if (this.#owedMs > LITTLE_MS) {
      setTimeout(this.#pass, this.#owedMs);
    } else {
      this.#held.delete(next);
      next.release('turn');
      // What has come for it is read before that.
      setImmediate(this.#pass);
    }
  };
}
