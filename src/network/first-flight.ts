/**
 * Waits for what a guest sends first on a connection, and says what it is. Nothing of it has gone anywhere by then.
 */
import type { Socket } from 'node:net';
import { type ClientHello, looksLikeTls } from './client-hello.ts';
import { FirstBytes, type FirstBytesState } from './first-bytes.ts';
import { HEAD_END, HEAD_MAX_BYTES, hostOfRequest } from './http-host.ts';

export type FirstFlight = {
  readonly bytes: Buffer;
} /** `after`: the end of `bytes`, which is no part of the hello. */ & (
  | { readonly kind: 'tls'; readonly hello: ClientHello; readonly after: Buffer }
  | { readonly kind: 'http'; readonly host?: string }
  | { readonly kind: 'other' }
  | { readonly kind: 'refused'; readonly speaks: 'tls' | 'http' | 'other'; readonly reason: string }
);

export interface FirstFlightTimes {
  /** All of it must have come by then. */
  readonly headMs: number;
  /** Nothing has come until then: a server that speaks first may be what is waited for. */
  readonly quietMs: number;
}

/** Nothing is to be told of it. */
export class ConnectionEnded extends Error {}

/**
 * Leaves the socket paused. Rejects ({@link ConnectionEnded}) when the guest closes the connection meanwhile.
 *
 * @param onQuiet Called once when nothing came for a while; the wait goes on.
 * @param mayWait Whether the wait for a first byte has no end.
 */
export function readFirstFlight(
  socket: Socket,
  { headMs, quietMs }: FirstFlightTimes,
  onQuiet: () => void,
  mayWait: () => boolean,
): Promise<FirstFlight> {
  const { promise, resolve, reject } = Promise.withResolvers<FirstFlight>();
  const first = new FirstBytes();
  let state: FirstBytesState = { kind: 'more' };
  let started = false;
  let tail = '';
  let length = 0;
  const quiet = setTimeout(onQuiet, quietMs);
  const late = setTimeout(() => {
    if (started) settle(refused('what it sends first did not come in time'));
    // The guest waits for its server, and may do so for longer.
    else if (!mayWait())
      settle(refused('it sent nothing, so that there is no name to allow it by'));
  }, headMs);
  const settle = (flight: FirstFlight): void => {
    clearTimeout(quiet);
    clearTimeout(late);
    socket.pause();
    socket.off('data', take).off('end', end).off('close', gone);
    resolve(flight);
  };
  const refused = (reason: string): FirstFlight => {
    const speaks = state.kind === 'http' ? 'http' : 'other';
    return { kind: 'refused', speaks, reason, bytes: first.bytes };
  };
  const take = (chunk: Buffer): void => {
    clearTimeout(quiet);
    if (!started) late.refresh();
    started = true;
    const known = state.kind === 'http';
    state = first.push(chunk);
    // Small pieces must not have all that came before read again with each.
    const text = tail + chunk.toString('latin1');
    tail = text.slice(-2);
    length += chunk.length;
    if (known && length <= HEAD_MAX_BYTES && !HEAD_END.test(text)) return;
    const flight = flightOf(state, first);
    if (flight !== undefined) settle(flight);
  };
  const end = (): void => {
    const { bytes } = first;
    if (state.kind === 'http') settle(refused('its request has no end'));
    else if (looksLikeTls(bytes)) settle(refused('its TLS hello is cut short'));
    else settle({ kind: 'other', bytes });
  };
  const gone = (): void => {
    clearTimeout(quiet);
    clearTimeout(late);
    reject(new ConnectionEnded('the guest closed the connection'));
  };
  socket.on('data', take).once('end', end).once('close', gone);
  return promise;
}

function flightOf(state: FirstBytesState, first: FirstBytes): FirstFlight | undefined {
  if (state.kind === 'more') return undefined;
  const { bytes } = first;
  if (state.kind === 'tls') return { ...state, bytes, after: first.afterHello };
  if (state.kind !== 'http') return { ...state, bytes };
  const found = hostOfRequest(bytes);
  if (found.kind === 'more') return undefined;
  if (found.kind === 'refused') return { ...found, speaks: 'http', bytes };
  return { kind: 'http', bytes, ...(found.host === undefined ? {} : { host: found.host }) };
}
