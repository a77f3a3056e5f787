/** The body of a guest's request, on its way to the server. */
import type { ClientRequest } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import type { Passed } from './upstream.ts';

/** Pipes with back-pressure; when the server goes away early, what is left of the body is read and dropped. */
export function sendBody(
  passed: Passed,
  into: ClientRequest | ClientHttp2Stream,
  end: () => void,
): void {
  if (passed.length === 'none') {
    end();
    return;
  }
  if (passed.onContinue && 'flushHeaders' in into) into.flushHeaders();
  const { body, length } = passed;
  let count = 0;
  const take = (chunk: Buffer): void => {
    count += chunk.length;
  };
  // A reset of HTTP/2 ends the body, too. The server would take what comes next for the rest of it.
  const ended = (): void => {
    if (length === 'unknown' || count === length) end();
    else into.destroy(new Error('the body of the request is not as long as its header says'));
  };
  body.on('data', take).once('end', ended);
  body.pipe(into, { end: false });
  into.once('close', () => {
    body.unpipe(into);
    body.off('data', take).off('end', ended);
    body.resume();
  });
}
