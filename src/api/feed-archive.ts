/** Tar archives as they pass over the wire, in either direction: made and read no faster than they are taken. */
import type { Extract, Header } from 'tar-stream';

/** What is read of an archive. */
export type ArchiveEntry = Extract extends AsyncIterable<infer E> ? E : never;
/** What is written into one. */
export type ArchiveHeader = Partial<Header> & Pick<Header, 'name'>;

/** What a stream of tar-stream has of Node's. */
interface Drains {
  once(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Until there is no more, or nobody reads the archive any longer. @throws what `chunks` throws */
export async function feedArchive(archive: Extract, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) {
    if (archive.destroyed) return;
    if (!archive.write(chunk) && !(await drained(archive))) return;
  }
  archive.end(undefined);
}

/** @returns false where it was closed instead */
export function drained(stream: Drains): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (goesOn: boolean) => (): void => {
      stream.off('drain', onDrain);
      stream.off('close', onClose);
      resolve(goesOn);
    };
    const onDrain = settle(true);
    const onClose = settle(false);
    stream.once('drain', onDrain);
    stream.once('close', onClose);
  });
}
