/** What was made for a client that never learns of it. */
import type { Asked } from './implement.ts';

/**
 * Does it once the client is known to have gone before its answer was sent; at once where it has gone already. Not for one
 * that comes again: with an idempotency key it gets the answer then. What has been handed to the kernel counts as sent.
 */
export function ifUndelivered(
  { request, reply }: Pick<Asked, 'request' | 'reply'>,
  undo: () => void,
): void {
  if (request.headers['idempotency-key'] !== undefined) return;
  const { raw } = reply;
  if (raw.closed || raw.destroyed) undo();
  else {
    raw.once('close', () => {
      if (!raw.writableFinished) undo();
    });
  }
}
