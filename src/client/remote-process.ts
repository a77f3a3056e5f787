/** A guest process of a service, with its streams: the connection is the process. src/api/spawn.ts has the protocol. */

import { constants } from 'node:os';
import { PassThrough, Writable } from 'node:stream';
import { outcomeFromWire } from '../api/outcome.ts';
import { errorOf } from '../api/problem.ts';
import { CHANNEL, STDIN_WINDOW, spawnEvent, type WireSpawnControl } from '../api/spawn.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { safeParse } from '../core/safe-parse.ts';
import { GuestProcess } from '../sandbox/guest-process.ts';
import { Channel } from './channel.ts';
import { remoteFailed } from './remote-answer.ts';
import type { Transport } from './transport.ts';

export interface RemoteSpawn {
  readonly path: string;
  readonly start: object;
  readonly signal?: AbortSignal | undefined;
  /** Where its spans belong. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly connect?: ((port: number) => Promise<never>) | undefined;
}

/** Read ahead of whoever reads a stream. */
const AHEAD_BYTES = 256 * 1024;
/** One message carries at most so much. */
const MESSAGE_BYTES = 256 * 1024;
/** Of events: others are of a newer service, and can be missed. */
const KNOWN: ReadonlySet<unknown> = new Set(['started', 'taken', 'outcome', 'problem']);

/** Errors of starting come through `outcome`, as those of a process of this machine do. */
export function spawnRemote(
  transport: Transport,
  { path, start, signal, headers = {}, connect = noConnection }: RemoteSpawn,
): GuestProcess {
  const outcome = Promise.withResolvers<Outcome>();
  const started = Promise.withResolvers<number>();
  started.promise.catch(() => {});
  const ahead = { readableHighWaterMark: AHEAD_BYTES, writableHighWaterMark: AHEAD_BYTES };
  const stdout = new PassThrough(ahead);
  const stderr = new PassThrough(ahead);
  /** What somebody reads too slowly. */
  const full = new Set<PassThrough>();
  const flow = (stream: PassThrough): void => {
    if (full.delete(stream) && full.size === 0) channel.resume();
  };
  for (const stream of [stdout, stderr]) {
    stream.on('drain', () => flow(stream));
    stream.once('close', () => flow(stream));
  }
  const channel: Channel = new Channel(
    transport,
    path,
    {
      binary: (message) => {
        const stream =
          message[0] === CHANNEL.stdout
            ? stdout
            : message[0] === CHANNEL.stderr
              ? stderr
              : undefined;
        // Whoever closed a stream wants no more of it.
        if (stream === undefined || stream.destroyed || stream.write(message.subarray(1))) return;
        full.add(stream);
        // Nothing more is read from the connection until somebody has taken this.
        channel.pause();
      },
      text: (message) => {
        if (!KNOWN.has((message as { readonly type?: unknown } | null)?.type)) return;
        const parsed = safeParse(spawnEvent, message);
        if (!parsed.success) throw remoteFailed('it sent an event that is not as it promises');
        const event = parsed.data;
        if (event.type === 'started') started.resolve(event.pid ?? 0);
        else if (event.type === 'taken') stdin.taken(event.bytes);
        else if (event.type === 'problem') throw errorOf(event.problem);
        else {
          started.resolve(0);
          outcome.resolve(outcomeFromWire(event.outcome));
          channel.close();
          end();
        }
      },
      ended: (error) => {
        outcome.reject(error);
        started.reject(error);
        end();
      },
    },
    { signal, headers },
  );
  const stdin = new Stdin(channel);
  const end = (): void => {
    stdin.destroy();
    stdout.end();
    stderr.end();
  };
  channel.json(start);
  const tell = (control: WireSpawnControl): void => channel.json(control);
  return new GuestProcess(
    {
      started: started.promise,
      result: outcome.promise as never,
      stdin,
      stdout,
      stderr,
      // Earlier it would be called off, which is no outcome.
      kill: () => {
        started.promise.then(
          () => tell({ type: 'kill' }),
          () => {},
        );
      },
      signal: (number: number) => tell({ type: 'signal', signal: nameOf(number) }),
      resize: (rows: number, columns: number) => tell({ type: 'resize', rows, columns }),
    },
    (ended) => ended as unknown as Outcome,
    connect,
  );
}

/** Never further ahead of what the guest has taken than the service allows. */
class Stdin extends Writable {
  readonly #channel: Channel;
  #sent = 0;
  #taken = 0;
  #waiting: (() => void) | undefined;

  constructor(channel: Channel) {
    super({ highWaterMark: MESSAGE_BYTES });
    this.#channel = channel;
  }

  taken(bytes: number): void {
    this.#taken = bytes;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.json({ type: 'end' });
    done();
  }

  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const room = STDIN_WINDOW - (this.#sent - this.#taken);
    const part = chunk.subarray(0, Math.max(0, Math.min(room, MESSAGE_BYTES)));
    if (part.length === 0 && chunk.length > 0) {
      this.#waiting = () => this.#send(chunk, done);
      return;
    }
    const rest = chunk.subarray(part.length);
    this.#sent += part.length;
    const message = Buffer.concat([Buffer.of(CHANNEL.stdin), part]);
    this.#channel.binary(message, (error) => {
      // What has ended takes everything: the outcome tells of it.
      const hasEnded = error !== undefined && error !== null;
      if (rest.length > 0 && !hasEnded) this.#send(rest, done);
      else done();
    });
  }
}

function nameOf(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `SIG${number}`;
}

async function noConnection(): Promise<never> {
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'client',
    message: 'the ports of a run of a service cannot be connected to',
    hint: 'make a sandbox with create, and connect to its ports',
  });
}
