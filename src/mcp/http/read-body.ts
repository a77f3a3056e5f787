/** The JSON of a request, up to a bound. */
import type { IncomingMessage } from 'node:http';
import { CaissonError } from '../../core/error.ts';
import type { BodyShare } from './body-room.ts';

/** A file of 1 MiB in base64 fits with room to spare. */
export const BODY_MAX = 4 * 1024 * 1024;

/** @throws TOO_LARGE, RATE_LIMITED, MEDIA_TYPE_UNSUPPORTED, REQUEST_INVALID */
export async function readBody(request: IncomingMessage, share: BodyShare): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new CaissonError('MEDIA_TYPE_UNSUPPORTED', {
      layer: 'mcp',
      message: 'a message is application/json',
    });
  }
  if (Number(request.headers['content-length'] ?? 0) > BODY_MAX) throw tooLarge();
  const bytes = await bytesOf(request, share);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'mcp',
      message: 'the message is no JSON',
      cause,
    });
  }
}

/** Not by iterating: to leave a loop over it would end the connection before it is answered. */
function bytesOf(request: IncomingMessage, share: BodyShare): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    const take = (part: Buffer): void => {
      length += part.length;
      const isShort = length <= BODY_MAX;
      if (isShort && share.grow(length)) return void parts.push(part);
      request.off('data', take);
      parts.length = 0;
      reject(isShort ? tooMany() : tooLarge());
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(parts)));
    request.once('error', reject);
    request.once('close', () => reject(cutOff()));
  });
}

function cutOff(): CaissonError {
  return new CaissonError('ABORTED', { layer: 'mcp', message: 'the message was cut off' });
}

function tooMany(): CaissonError {
  return new CaissonError('RATE_LIMITED', {
    layer: 'mcp',
    message: 'too many long messages are being sent at once',
    hint: 'send one after the other',
  });
}

function tooLarge(): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'mcp',
    message: `a message has at most ${BODY_MAX} bytes`,
    hint: 'write long files in pieces (append)',
  });
}
