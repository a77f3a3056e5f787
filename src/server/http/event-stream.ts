/**
 * Server-sent events (WHATWG HTML, 9.2): a source is asked for its next event when the client has taken the last ones,
 * comments keep the connection alive meanwhile, and the source ends when the client goes away.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { problemOf } from '../../api/problem.ts';
import type { Asked } from './implement.ts';
import { toProblemError } from './problem-reply.ts';

export interface ServerEvent {
  readonly event: string;
  /** Sent as JSON. */
  readonly data: unknown;
  /** The client brings the last one that it saw when it comes again. One line. */
  readonly id?: string;
}

/** Told by clients that come again; longer ones are none of ours. */
const LAST_ID_MAX = 256;

/**
 * For a route that answers with `text/event-stream`. What the source throws is the last event, `problem`.
 *
 * @param source is told by `asked.signal` when the client goes away, and must end then
 * @throws RATE_LIMITED
 */
export function eventStream(
  app: FastifyInstance,
  { caller, signal, id }: Pick<Asked, 'caller' | 'signal' | 'id'>,
  source: AsyncIterable<ServerEvent>,
): Readable {
  const close = app.streams.open(caller.tenant);
  const frames = framesOf(source, signal, id, app.heartbeat.everyMs);
  const stream = Readable.from(frames, { objectMode: false, highWaterMark: 64 * 1024 });
  stream.once('close', close);
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  return stream;
}

/** The `Last-Event-ID` of a client that comes again. */
export function lastEventId({ headers }: FastifyRequest): string | undefined {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' && id.length <= LAST_ID_MAX ? id : undefined;
}

async function* framesOf(
  source: AsyncIterable<ServerEvent>,
  signal: AbortSignal,
  request: string,
  everyMs: number,
): AsyncGenerator<string> {
  const iterator = source[Symbol.asyncIterator]();
  const gone = Promise.withResolvers<'gone'>();
  const onAbort = (): void => gone.resolve('gone');
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    // At once: the client learns that it was let in, proxies that something comes.
    yield ': caisson\n\n';
    for (let next = ask(iterator); ; ) {
      const won = await soonest(next, gone.promise, everyMs);
      if (won === 'gone') return;
      if (won === 'late') yield ':\n\n';
      else if (won.done === true) return;
      else {
        yield frameOf(won.value);
        next = ask(iterator);
      }
    }
  } catch (error) {
    yield frameOf({ event: 'problem', data: problemOf(toProblemError(error), request) });
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not waited for: it may be at something that ends only with its signal.
    iterator.return?.().catch(() => {});
  }
}

function ask(iterator: AsyncIterator<ServerEvent>): Promise<IteratorResult<ServerEvent>> {
  const next = iterator.next();
  next.catch(() => {});
  return next;
}

async function soonest<T>(
  next: Promise<T>,
  gone: Promise<'gone'>,
  everyMs: number,
): Promise<T | 'gone' | 'late'> {
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(late.resolve, everyMs, 'late');
  try {
    return await Promise.race([next, gone, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function frameOf({ event, data, id }: ServerEvent): string {
  const name = id === undefined ? '' : `id: ${id.replace(/[\r\n\0]/g, '')}\n`;
  // JSON has no line breaks of its own.
  return `${name}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
