/**
 * Tells a client that waits that its call is still under way, so that its time-out does not cut a long one.
 */
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js';

const EVERY_MS = 2000;

/** Until it is disposed of; only where the client asked for it. */
export function reportProgress(
  { _meta, sendNotification }: RequestHandlerExtra<ServerRequest, ServerNotification>,
  what: string,
): Disposable {
  const token = _meta?.progressToken;
  if (token === undefined) return { [Symbol.dispose]: () => {} };
  const began = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1000);
    sendNotification({
      method: 'notifications/progress',
      params: {
        progressToken: token,
        progress: seconds,
        message: `${what} is under way for ${seconds} s`,
      },
    }).catch(() => {});
  }, EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
