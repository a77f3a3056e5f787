/**
 * A run whose output comes with its result: one frame out, one frame back.
 */
import { CaissonError } from '../core/error.ts';
import type { Channel, Connection } from './channel.ts';
import { launcherError } from './launcher-error.ts';
import { decodeResult, type RawResult } from './protocol/decode-result.ts';
import { frameType, rawFrame } from './protocol/frame.ts';
import { explain, type Ties } from './ties.ts';

export class CaptureExec implements Channel {
  readonly #connection: Connection;
  readonly #id: number;
  readonly #resolve: (result: RawResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #ties: Ties;
  readonly #onAbort: () => void;
  readonly #onDenied: () => void;

  constructor(
    connection: Connection,
    id: number,
    resolve: (result: RawResult) => void,
    reject: (error: unknown) => void,
    ties: Ties,
  ) {
    this.#connection = connection;
    this.#id = id;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#ties = ties;
    this.#onAbort = () => connection.send(rawFrame(frameType.KILL, id));
    this.#onDenied = () => connection.send(rawFrame(frameType.DENY, id));
    ties.signal?.addEventListener('abort', this.#onAbort, { once: true });
    ties.denied?.addEventListener('abort', this.#onDenied, { once: true });
    connection.hold();
  }

  frame(type: number, body: Buffer): void {
    if (type === frameType.STARTED) return;
    this.#end();
    try {
      if (type === frameType.ERROR) {
        explain(launcherError(body, this.#ties), this.#ties.planned, this.#reject);
        return;
      }
      // The promise settles only now that the guest is gone: an aborted run leaves nothing behind either.
      const { signal } = this.#ties;
      if (signal?.aborted === true) throw abortedError(signal);
      this.#resolve(decodeResult(body));
    } catch (error) {
      this.#reject(error);
    }
  }

  gone(error: Error): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#connection.detach(this.#id);
    this.#connection.release();
    this.#ties.signal?.removeEventListener('abort', this.#onAbort);
    this.#ties.denied?.removeEventListener('abort', this.#onDenied);
  }
}

export function abortedError(signal: AbortSignal): CaissonError {
  return new CaissonError('ABORTED', { layer: 'launcher', cause: signal.reason });
}
