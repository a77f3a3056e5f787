/** The end of a connection that its other side sees as an abort. */
import type { Socket } from 'node:net';

/**
 * Closes it at once, with a reset where that can be had: libuv refuses one while a socket shuts down (uv_tcp_close_reset, EINVAL),
 * and Node 24 then neither closes it nor says that it has ended.
 */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
