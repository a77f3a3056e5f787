/**
 * Server-sent events (WHATWG HTML, 9.2): a source is asked for its next event when the client has taken the last ones,
 * comments keep the connection alive meanwhile, and the source ends when the client goes away.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { problemOf } from '../../api/problem.ts';
import { withAcceptHint } from './accept-hint.ts';
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
  { request, signal, id }: Pick<Asked, 'request' | 'signal' | 'id'>,
  source: AsyncIterable<ServerEvent>,
): Readable {
  const close = app.streams.open(request, () => stream.destroy());
  const frames = framesOf(source, signal, id, app);
  const stream: Readable = Readable.from(frames, { objectMode: false, highWaterMark: 64 * 1024 });
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
  { accept, heartbeat }: FastifyInstance,
): AsyncGenerator<string> {
  const next = new NextEvent(source, signal);
  try {
    // At once: the client learns that it was let in, proxies that something comes.
    yield ': caisson\n\n';
    for (;;) {
      const come = await next.within(heartbeat.everyMs);
      if (come === 'gone') return;
      if (come === 'late') yield ':\n\n';
      else if (come.done === true) return;
      else yield frameOf(come.value);
    }
  } catch (error) {
    yield frameOf({
      event: 'problem',
      data: problemOf(toProblemError(withAcceptHint(error, accept)), request),
    });
  } finally {
    next.leave();
  }
}

/** No race of promises: one that stays open, such as that the client goes, would hold on to every event there was. */
class NextEvent {
  readonly #iterator: AsyncIterator<ServerEvent>;
  readonly #signal: AbortSignal;
  #come: IteratorResult<ServerEvent> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isAsked = false;
  #wake = (): void => {};
  readonly #onAbort = (): void => this.#wake();

  constructor(source: AsyncIterable<ServerEvent>, signal: AbortSignal) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  /** @throws what the source throws */
  async within(ms: number): Promise<IteratorResult<ServerEvent> | 'gone' | 'late'> {
    if (!this.#isAsked) this.#ask();
    if (!this.#isSettled) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    }
    if (this.#signal.aborted) return 'gone';
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#come === undefined) return 'late';
    const come = this.#come;
    this.#come = undefined;
    this.#isAsked = false;
    return come;
  }

  leave(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    // Not waited for: it may be at something that ends only with its signal.
    this.#iterator.return?.().catch(() => {});
  }

  get #isSettled(): boolean {
    return this.#signal.aborted || this.#come !== undefined || this.#failure !== undefined;
  }

  #ask(): void {
    this.#isAsked = true;
    this.#iterator.next().then(
      (come) => {
        this.#come = come;
        this.#wake();
      },
      (error: unknown) => {
        this.#failure = { error };
        this.#wake();
      },
    );
  }
}

function frameOf({ event, data, id }: ServerEvent): string {
  const name = id === undefined ? '' : `id: ${id.replace(/[\r\n\0]/g, '')}\n`;
  // JSON has no line breaks of its own.
  return `${name}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
