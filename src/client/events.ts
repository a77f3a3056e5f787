/** Server-sent events of a service, one after the other; the next one is read when somebody asks for it. */

import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { errorOf, problemSchema } from '../api/problem.ts';
import type { Route } from '../api/route.ts';
import { safeParse } from '../core/safe-parse.ts';
import { cut, parsedJson, remoteFailed } from './remote-answer.ts';
import type { AskOptions, Transport } from './transport.ts';

export interface RemoteEvent {
  readonly event: string;
  readonly data: unknown;
  readonly id?: string | undefined;
}

/** Of one event. */
const MOST_BYTES = 8 * 2 ** 20;

/**
 * Ends when the service ends them.
 *
 * @throws what the event `problem` tells of, REMOTE_FAILED, ABORTED
 */
export async function* eventsOf<R extends Route>(
  transport: Transport,
  route: R,
  options: AskOptions<R>,
): AsyncGenerator<RemoteEvent> {
  const { signal } = options;
  const response = await transport.open(route, {
    ...options,
    headers: { accept: 'text/event-stream', ...options.headers },
  });
  if (!/^text\/event-stream\b/.test(response.headers['content-type'] ?? '')) {
    response.destroy();
    throw remoteFailed('it did not answer with events');
  }
  let ready: EventSourceMessage[] = [];
  let waiting = 0;
  const parser = createParser({
    onEvent: (event) => {
      waiting = 0;
      ready.push(event);
    },
  });
  response.setEncoding('utf8');
  try {
    for await (const text of response as AsyncIterable<string>) {
      waiting += text.length;
      parser.feed(text);
      if (waiting > MOST_BYTES) throw remoteFailed(`an event has more than ${MOST_BYTES} bytes`);
      const now = ready;
      ready = [];
      for (const each of now) yield understood(each);
    }
  } catch (cause) {
    throw cut(cause, signal);
  } finally {
    response.destroy();
  }
}

function understood({ event = 'message', data, id }: EventSourceMessage): RemoteEvent {
  const value = parsedJson(data);
  if (event !== 'problem') return { event, data: value, id };
  const parsed = safeParse(problemSchema, value);
  throw parsed.success ? errorOf(parsed.data) : remoteFailed('it failed, and does not say how');
}
