/** One connection to a port of a sandbox, on one WebSocket. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';
import type { SocketAsked } from './http/implement.ts';
import { InputQueue } from './http/input-queue.ts';
import { parseJson } from './http/parse.ts';
import { SocketChannel } from './http/socket-channel.ts';

const WINDOW = 1024 * 1024;
const control = z.strictObject({ type: z.literal('end') });

export function servePort(
  app: ConstructorParameters<typeof SocketChannel>[1],
  asked: Pick<SocketAsked, 'id' | 'reader'>,
  socket: WebSocket,
  connect: () => Promise<Socket>,
): void {
  let isGone = false;
  let inside: Socket | undefined;
  const channel: SocketChannel = new SocketChannel(socket, app, asked, {
    text: (message) => {
      parseJson(control, message, 'the message');
      input.end();
    },
    binary: (message) => {
      if (input.isEnded) {
        throw new CaissonError('REQUEST_INVALID', {
          layer: 'server',
          message: 'this direction has been ended',
        });
      }
      input.add(message);
    },
  });
  const input = new InputQueue(channel, { window: WINDOW });
  channel.ended.then(() => {
    isGone = true;
    inside?.destroy();
  });
  connect()
    .then(async (connected) => {
      inside = connected;
      if (isGone) {
        connected.destroy();
        return;
      }
      connected.allowHalfOpen = true;
      channel.json({ type: 'open' });
      input.lead(connected);
      for await (const chunk of connected.iterator({ destroyOnReturn: false })) {
        const behind = channel.binary(chunk as Buffer);
        if (behind !== undefined) await behind;
      }
      channel.json({ type: 'end' });
      if (connected.writableFinished) channel.close();
      else connected.once('finish', () => channel.close());
    })
    .catch((error) => channel.fail(error));
}
