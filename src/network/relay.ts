/**
 * Two sockets made one: bytes both ways with back-pressure, each end of stream passed on by itself (half-close), an
 * abort of one side an abort of the other.
 */
import type { Socket } from 'node:net';

/** After one side ended, the other may be silent for this long. */
const HALF_CLOSED_MS = 10 * 60_000;

/** @param idleMs Neither side has sent anything for this long. */
export function relay(guest: Socket, server: Socket, idleMs: number): void {
  relayOneWay(guest, server, idleMs);
  relayOneWay(server, guest, idleMs);
}

/** From one to the other alone; both are reset when either fails. */
export function relayOneWay(from: Socket, to: Socket, idleMs: number): void {
  from.pipe(to);
  from.setTimeout(idleMs, () => abort(from, to));
  from.once('end', () => to.setTimeout(Math.min(idleMs, HALF_CLOSED_MS)));
  from.on('error', () => abort(from, to));
  from.once('close', (failed) => {
    if (failed || !from.readableEnded) abort(from, to);
  });
}

function abort(...sockets: readonly Socket[]): void {
  for (const socket of sockets) if (!socket.destroyed) socket.resetAndDestroy();
}
