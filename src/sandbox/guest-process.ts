/**
 * A program running in a sandbox, with its streams.
 */

import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { RawResult } from '../backends/backend.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import type { GuestExecution } from './release.ts';

/** A piece of output, in the order in which it arrived. */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/**
 * @example
 * for await (const { stream, data } of guest) process[stream].write(data);
 * const outcome = await guest.outcome;
 */
export class GuestProcess implements AsyncIterable<OutputChunk> {
  /** Settles when the program has ended; its captured output is empty, the streams had it. Rejects when it did not start. */
  readonly outcome: Promise<Outcome>;
  /** Process id in the host's name space, once the program runs. */
  readonly started: Promise<number>;
  readonly #execution: GuestExecution;
  readonly #connect: ((port: number) => Promise<Socket>) | undefined;

  /** @param connect to a port of its own loopback; absent: it has none */
  constructor(
    execution: GuestExecution,
    finish: (raw: RawResult) => Outcome | Promise<Outcome>,
    connect?: (port: number) => Promise<Socket>,
  ) {
    this.#execution = execution;
    this.#connect = connect;
    this.started = execution.started;
    this.outcome = execution.result.then(finish);
    this.outcome.catch(() => {});
  }

  get stdin(): Writable {
    return this.#execution.stdin;
  }

  get stdout(): Readable {
    return this.#execution.stdout;
  }

  get stderr(): Readable {
    return this.#execution.stderr;
  }

  /** Ends the whole tree at once; the outcome is `killed`. */
  kill(): void {
    this.#execution.kill();
  }

  /** Sends a signal to the program's process group. @throws REQUEST_INVALID for an unknown name */
  signal(name: NodeJS.Signals): void {
    const number = constants.signals[name];
    if (number === undefined) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'sandbox',
        message: `there is no signal ${name}`,
      });
    }
    this.#execution.signal(number);
  }

  /**
   * A connection to a TCP port that it listens on inside, past the network of the host.
   *
   * @throws REQUEST_INVALID for a port that the policy does not name under `listen`, NETWORK_FAILED when nobody listens
   */
  async connect(port: number): Promise<Socket> {
    if (this.#connect !== undefined) return await this.#connect(port);
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: 'the guest has no network of its own',
      hint: 'connect to the port of the host that the guest itself listens on',
    });
  }

  /** New size of the program's terminal. */
  resize(rows: number, columns: number): void {
    this.#execution.resize(rows, columns);
  }

  /** Both streams, piece by piece as they arrive. Leaving the loop early does not stop the program. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    const iterators = {
      stdout: this.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>,
      stderr: this.stderr[Symbol.asyncIterator]() as AsyncIterator<Buffer>,
    };
    const come: { name: 'stdout' | 'stderr'; next: IteratorResult<Buffer> }[] = [];
    let failure: { readonly error: unknown } | undefined;
    let wake = (): void => {};
    // No race of promises: a stream that stays silent would hold on to all that the other one ever gave.
    const ask = (name: 'stdout' | 'stderr'): void => {
      iterators[name].next().then(
        (next) => {
          come.push({ name, next });
          wake();
        },
        (error: unknown) => {
          failure ??= { error };
          wake();
        },
      );
    };
    ask('stdout');
    ask('stderr');
    let open = 2;
    try {
      while (open > 0) {
        const first = come.shift();
        if (first === undefined) {
          if (failure !== undefined) throw failure.error;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else if (first.next.done === true) open--;
        else {
          ask(first.name);
          yield { stream: first.name, data: first.next.value };
        }
      }
    } finally {
      this.stdout.destroy();
      this.stderr.destroy();
    }
  }
}
