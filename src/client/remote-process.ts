/** A guest process of a service, with its streams: the connection is the process. src/api/spawn.ts has the protocol. */
import { constants } from 'node:os';
import { PassThrough, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { outcomeFromWire } from '../api/outcome.ts';
import { errorOf } from '../api/problem.ts';
import { CHANNEL, STDIN_WINDOW, spawnEvent, type WireSpawnControl } from '../api/spawn.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { GuestProcess } from '../sandbox/guest-process.ts';
import { failure, problemOf, remoteFailed, type Transport } from './transport.ts';

export interface RemoteSpawn {
  readonly path: string;
  readonly start: object;
  readonly signal?: AbortSignal | undefined;
}

/** Errors of starting come through `outcome`, as those of a process of this machine do. */
export function spawnRemote(
  transport: Transport,
  { path, start, signal }: RemoteSpawn,
): GuestProcess {
  const outcome = Promise.withResolvers<Outcome>();
  const started = Promise.withResolvers<number>();
  started.promise.catch(() => {});
  const socket = connect(transport, path);
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const stdin = new Stdin(socket);
  const fail = (error: unknown): void => {
    outcome.reject(error);
    started.reject(error);
    stdin.destroy();
    for (const stream of Object.values(streams)) stream.end();
    socket.terminate();
  };
  const aborted = (): void =>
    fail(new CaissonError('ABORTED', { layer: 'client', cause: signal?.reason }));
  signal?.addEventListener('abort', aborted, { once: true });
  socket.once('open', () => socket.send(JSON.stringify(start)));
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) {
      const stream = data[0] === CHANNEL.stdout ? streams.stdout : streams.stderr;
      // Nothing more is read from the connection until somebody has taken this.
      if (!stream.write(data.subarray(1))) {
        socket.pause();
        stream.once('drain', () => socket.resume());
      }
      return;
    }
    const parsed = spawnEvent.safeParse(JSON.parse(data.toString('utf8')));
    if (!parsed.success) return fail(remoteFailed('it sent an event that is not known'));
    const event = parsed.data;
    if (event.type === 'started') started.resolve(0);
    else if (event.type === 'taken') stdin.taken(event.bytes);
    else if (event.type === 'problem') fail(errorOf(event.problem));
    else {
      for (const stream of Object.values(streams)) stream.end();
      outcome.resolve(outcomeFromWire(event.outcome));
    }
  });
  socket.once('unexpected-response', (_, response) => {
    problemOf(response).then(fail, fail);
  });
  socket.once('error', (error) => fail(failure(error, signal)));
  socket.once('close', () => {
    signal?.removeEventListener('abort', aborted);
    fail(remoteFailed('the connection ended before the outcome'));
  });
  const tell = (control: WireSpawnControl): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(control));
  };
  return new GuestProcess(
    {
      started: started.promise,
      result: outcome.promise as never,
      stdin,
      stdout: streams.stdout,
      stderr: streams.stderr,
      kill: () => tell({ type: 'kill' }),
      signal: (number: number) => tell({ type: 'signal', signal: nameOf(number) }),
      resize: (rows: number, columns: number) => tell({ type: 'resize', rows, columns }),
    },
    (ended) => ended as unknown as Outcome,
  );
}

/** One message carries at most so much. */
const MESSAGE_BYTES = 256 * 1024;

/** Never further ahead of what the guest has taken than the service allows. */
class Stdin extends Writable {
  readonly #socket: WebSocket;
  #sent = 0;
  #taken = 0;
  #waiting: (() => void) | undefined;

  constructor(socket: WebSocket) {
    super({ highWaterMark: MESSAGE_BYTES });
    this.#socket = socket;
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
    this.#whenOpen(() => this.#socket.send(JSON.stringify({ type: 'end' }), () => done()), done);
  }

  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const room = STDIN_WINDOW - (this.#sent - this.#taken);
    const part = chunk.subarray(0, Math.min(room, MESSAGE_BYTES));
    if (part.length === 0 && chunk.length > 0) {
      this.#waiting = () => this.#send(chunk, done);
      return;
    }
    const rest = chunk.subarray(part.length);
    this.#sent += part.length;
    const message = Buffer.concat([Buffer.of(CHANNEL.stdin), part]);
    const next = rest.length > 0 ? () => this.#send(rest, done) : () => done();
    this.#whenOpen(() => this.#socket.send(message, next), done);
  }

  /** A guest that has ended takes nothing: as with a pipe of this machine, that is an error of the stream. */
  #whenOpen(send: () => void, done: (error?: Error | null) => void): void {
    const { readyState } = this.#socket;
    if (readyState === WebSocket.OPEN) send();
    else if (readyState === WebSocket.CONNECTING) this.#socket.once('open', send);
    else done(new Error('the process has ended'));
  }
}

function connect(transport: Transport, path: string): WebSocket {
  const { base, socketPath, ca, headers } = transport;
  const scheme = base.protocol === 'https:' ? 'wss' : 'ws';
  const address =
    socketPath === undefined
      ? `${scheme}://${base.host}${path}`
      : `ws+unix://${socketPath}:${path}`;
  return new WebSocket(address, {
    headers,
    perMessageDeflate: false,
    ...(ca === undefined ? {} : { ca }),
  });
}

function nameOf(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `SIG${number}`;
}
