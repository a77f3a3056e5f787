/** A body that is taken piece by piece: no larger than it may be, and no slower. */
import type { Readable } from 'node:stream';
import { CaissonError } from '../../core/error.ts';

export interface UploadLimits {
  /** `Content-Length`, where it was told. */
  readonly declared: string | undefined;
  /** `limits.uploadBytes` */
  readonly mostBytes: number;
  /** So long without a byte; then it is given up. */
  readonly idleMs: number;
  /** Told how many there are so far; throws where they are too many. */
  readonly count?: (bytes: number) => void;
}

/**
 * Hands the body to whoever takes it. Where that fails, what is still to come is thrown away for a while, so that the
 * client, which may still be sending, hears why.
 *
 * @throws TOO_LARGE; REQUEST_TIMEOUT where nothing more came; ABORTED where its client went away; what `count` throws
 */
export async function takeUpload<T>(
  body: NodeJS.ReadableStream,
  limits: UploadLimits,
  take: (chunks: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const stream = body as Readable;
  try {
    if (Number(limits.declared ?? 0) > limits.mostBytes) throw tooLarge(limits.mostBytes);
    return await take(chunksOf(stream, limits));
  } catch (error) {
    stream.resume();
    const timer = setTimeout(() => stream.destroy(), limits.idleMs);
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    // Its own error, which nobody waits for any more.
    stream.on('error', () => {});
    throw error;
  }
}

async function* chunksOf(
  body: Readable,
  { mostBytes, idleMs, count }: UploadLimits,
): AsyncGenerator<Buffer> {
  // Neither left early nor late it is destroyed: with it its connection would go, and the answer.
  const chunks = body.iterator({ destroyOnReturn: false });
  let total = 0;
  try {
    for (;;) {
      const next = await within(chunks.next(), idleMs);
      if (next.done === true) return;
      total += next.value.length;
      if (total > mostBytes) throw tooLarge(mostBytes);
      count?.(total);
      yield next.value;
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? goneAway(error) : error;
  } finally {
    // Not waited for: behind a piece that never comes it would never be done.
    chunks.return?.().catch(() => {});
  }
}

/** @throws REQUEST_TIMEOUT */
async function within<T>(next: Promise<T>, idleMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(stalled(idleMs)), idleMs);
  // What comes of it when nobody waits any more.
  next.catch(() => {});
  try {
    return await Promise.race([next, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLarge(mostBytes: number): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'server',
    message: `an upload has at most ${mostBytes} bytes`,
    hint: 'the operator sets limits.uploadBytes',
    details: { limit: mostBytes },
  });
}

function stalled(idleMs: number): CaissonError {
  return new CaissonError('REQUEST_TIMEOUT', {
    layer: 'server',
    message: `nothing more of the body came for ${idleMs} ms`,
  });
}

function goneAway(cause: unknown): CaissonError {
  return new CaissonError('ABORTED', { layer: 'server', message: 'its client went away', cause });
}
