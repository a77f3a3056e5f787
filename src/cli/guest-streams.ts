/**
 * The guest's streams and ours: as they come, with back-pressure, in both directions.
 */
import { fstatSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

/** Linux: makedev(1, 3), /dev/null. */
const NULL_DEVICE = 0x103;

/** Whether there is anything to read: `</dev/null` and a closed descriptor need no stream. */
export function hasInput(): boolean {
  try {
    const stat = fstatSync(0);
    return !(stat.isCharacterDevice() && stat.rdev === NULL_DEVICE);
  } catch {
    return false;
  }
}

/**
 * Passes what a stream brings on to ours. process.stdout itself is made only when there is something to write.
 *
 * @param lost called once when the reader of ours has gone (EPIPE)
 * @returns settles when everything has been handed over
 */
export function passOn(from: Readable, descriptor: 1 | 2, lost: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let to: Writable | undefined;
  let gone = false;
  let unwritten = 0;
  let ended = false;
  const settle = (): void => {
    if (gone || (ended && unwritten === 0)) resolve();
  };
  const open = (): Writable => {
    const stream = descriptor === 1 ? process.stdout : process.stderr;
    stream.on('error', () => {
      if (gone) return;
      gone = true;
      lost();
      // Read on, into nothing: the guest must not hang on us while it is being ended.
      from.resume();
      settle();
    });
    return stream;
  };
  from.on('data', (chunk: Buffer) => {
    if (gone) return;
    to ??= open();
    unwritten++;
    const more = to.write(chunk, () => {
      unwritten--;
      settle();
    });
    if (!more) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  const end = (): void => {
    ended = true;
    settle();
  };
  from.once('end', end);
  from.once('close', end);
  from.once('error', end);
  return promise;
}

/** Our stdin to the guest's, as far as the guest reads. */
export function passInput(to: Writable): () => void {
  // A guest that does not read its input to the end is no error.
  to.on('error', () => {});
  process.stdin.on('error', () => to.end());
  process.stdin.pipe(to);
  return () => {
    process.stdin.unpipe(to);
    process.stdin.pause();
  };
}
