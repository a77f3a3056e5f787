/** One guest process on one WebSocket: src/api/spawn.ts says what goes over it. */
import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import type * as z from 'zod/mini';
import { outcomeToWire } from '../api/outcome.ts';
import {
  CHANNEL,
  STDIN_WINDOW,
  spawnControl,
  type WireSpawnControl,
  type WireSpawnEvent,
} from '../api/spawn.ts';
import { CaissonError } from '../core/error.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { SocketAsked } from './http/implement.ts';
import { InputQueue } from './http/input-queue.ts';
import { parseJson } from './http/parse.ts';
import { CLOSE, SocketChannel } from './http/socket-channel.ts';

export interface Begun {
  readonly guest: GuestProcess;
  /** Of a run. */
  readonly id?: string;
}

export interface GuestSessionOptions<S extends z.ZodMiniType> {
  readonly start: S;
  /** @param signal ends it */
  readonly begin: (start: z.output<S>, signal: AbortSignal) => Begun | Promise<Begun>;
  /** The start document must be there by then. */
  readonly startWithinMs: number;
}

type App = ConstructorParameters<typeof SocketChannel>[1] & Pick<FastifyInstance, 'recorded'>;

/** Asked of it before it runs. */
const MOST_EARLY = 32;

export function serveGuest<S extends z.ZodMiniType<{ readonly detach?: boolean | undefined }>>(
  app: App,
  asked: Pick<SocketAsked, 'id' | 'reader'>,
  socket: WebSocket,
  options: GuestSessionOptions<S>,
): void {
  const ending = new AbortController();
  const early: WireSpawnControl[] = [];
  let guest: GuestProcess | undefined;
  let hasStarted = false;
  let isDetached = false;
  const late = setTimeout(
    () => channel.fail(noStart(options), CLOSE.policy),
    options.startWithinMs,
  );
  const channel: SocketChannel = new SocketChannel(socket, app, asked, {
    text: (message) => {
      if (!hasStarted) {
        hasStarted = true;
        clearTimeout(late);
        begin(parseJson(options.start, message, 'the start document'));
        return;
      }
      const control = parseJson(spawnControl, message, 'the message');
      if (guest !== undefined) obey(guest, control, stdin);
      else if (control.type === 'kill') ending.abort();
      else if (early.length < MOST_EARLY) early.push(control);
      else throw invalid('too much is asked of a command that does not run yet');
    },
    binary: (message) => {
      if (!hasStarted) throw invalid('the first message is the start document, as text');
      if (message[0] !== CHANNEL.stdin)
        throw invalid('a binary message begins with a byte 0: stdin');
      if (stdin.isEnded) throw invalid('stdin has been ended');
      stdin.add(message.subarray(1));
    },
  });
  const stdin = new InputQueue(channel, {
    window: STDIN_WINDOW,
    onTaken: (bytes) => channel.latest({ type: 'taken', bytes } satisfies WireSpawnEvent),
  });
  channel.ended.then(() => {
    clearTimeout(late);
    if (isDetached) stdin.end();
    else ending.abort();
  });

  const begin = async (start: z.output<S>): Promise<void> => {
    isDetached = start.detach === true;
    try {
      const begun = await options.begin(start, ending.signal);
      ({ guest } = begun);
      stdin.lead(guest.stdin);
      for (const control of early.splice(0)) obey(guest, control, stdin);
      await relay(app, begun, channel);
    } catch (error) {
      channel.fail(error);
    }
  };
}

async function relay(app: App, { guest, id }: Begun, channel: SocketChannel): Promise<void> {
  const tell = (event: WireSpawnEvent): void => channel.json(event);
  guest.started.then(
    (pid) => tell({ type: 'started', ...(id === undefined ? {} : { id }), pid }),
    () => {},
  );
  await Promise.all([
    pump(guest.stdout, CHANNEL.stdout, channel),
    pump(guest.stderr, CHANNEL.stderr, channel),
  ]);
  const ended = await guest.outcome.finally(app.recorded);
  tell({ type: 'outcome', outcome: outcomeToWire(ended) });
  channel.close();
}

/** The guest is read no faster than its client reads. */
async function pump(stream: Readable, number: number, channel: SocketChannel): Promise<void> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const behind = channel.channel(number, chunk);
    if (behind !== undefined) await behind;
  }
}

/** @throws REQUEST_INVALID for a signal that there is not */
function obey(guest: GuestProcess, control: WireSpawnControl, stdin: InputQueue): void {
  switch (control.type) {
    case 'signal':
      guest.signal(control.signal as NodeJS.Signals);
      break;
    case 'resize':
      guest.resize(control.rows, control.columns);
      break;
    case 'end':
      stdin.end();
      break;
    case 'kill':
      guest.kill();
      break;
  }
}

function noStart({ startWithinMs }: { readonly startWithinMs: number }): CaissonError {
  return invalid(`no start document came within ${startWithinMs} ms`);
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message,
    hint: 'docs/service-streams.md describes the messages',
  });
}
