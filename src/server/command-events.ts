/** What a command writes, as events: src/api/events.ts. */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import type { WireOutputEvent } from '../api/events.ts';
import { outcomeToWire } from '../api/outcome.ts';
import { begunCharacter } from '../core/begun-character.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { ServerEvent } from './http/event-stream.ts';

export interface CommandBegun {
  readonly guest: GuestProcess;
  /** Of a run. */
  readonly id?: string;
  readonly input: string | Uint8Array | undefined;
}

/**
 * @param app whose audit log has the outcome before it is told
 * @param after is done when nothing of it runs any more, or it did not begin
 */
export async function* commandEvents(
  app: Pick<FastifyInstance, 'recorded'>,
  begin: () => Promise<CommandBegun>,
  after: () => Promise<void> = async () => {},
): AsyncGenerator<ServerEvent> {
  try {
    const begun = await begin();
    const { guest } = begun;
    try {
      yield* eventsOf(app, begun);
    } finally {
      guest.kill();
      await guest.outcome.catch(() => {});
    }
  } finally {
    await after();
  }
}

async function* eventsOf(
  app: Pick<FastifyInstance, 'recorded'>,
  { guest, id, input }: CommandBegun,
): AsyncGenerator<ServerEvent> {
  guest.stdin.end(input);
  const pid = await guest.started;
  yield { event: 'started', data: { ...(id === undefined ? {} : { id }), pid } };
  const rests = { stdout: new CharacterRest(), stderr: new CharacterRest() };
  for await (const { stream, data } of guest) {
    const whole = rests[stream].add(data);
    if (whole.length > 0) yield { event: stream, data: outputOf(whole) };
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = rests[stream].end();
    if (rest.length > 0) yield { event: stream, data: outputOf(rest) };
  }
  const ended = await guest.outcome.finally(app.recorded);
  yield { event: 'outcome', data: outcomeToWire(ended) };
}

function outputOf(bytes: Buffer): WireOutputEvent {
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') };
}

/** Keeps back the bytes of a character that the next piece goes on with. */
class CharacterRest {
  #rest: Buffer = Buffer.alloc(0);

  add(piece: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const cut = bytes.length - begunCharacter(bytes);
    this.#rest = Buffer.from(bytes.subarray(cut));
    return bytes.subarray(0, cut);
  }

  end(): Buffer {
    return this.#rest;
  }
}
