/**
 * Writes to stdout or stderr and waits until it is there, so that the process may end.
 */

/** A reader that has gone is no fault of ours: the rest is dropped. */
export function writeAll(descriptor: 1 | 2, text: string | Uint8Array): Promise<void> {
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('error', done);
      resolve();
    };
    // The callback alone is not enough: without a listener the error event ends the process.
    stream.once('error', done);
    stream.write(text, (error) => {
      // The event comes after the callback.
      if (error === undefined || error === null) done();
    });
  });
}
