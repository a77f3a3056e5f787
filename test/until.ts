/** Waiting for what comes about in its own time, in another process most often. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** So long that a machine which stops now and then gets there, and a test that cannot get there says so. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 10;

/**
 * Asks every 10 ms until it is so.
 *
 * @param what what is waited for, which the failure says; a function where it says how far it had come, too
 * @throws AssertionError where it is not so within 30 s
 */
export async function until(
  what: string | (() => string),
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  while (!(await holds())) {
    if (patience.aborted) {
      const wanted = typeof what === 'string' ? what : what();
      assert.fail(`in ${PATIENCE_MS / 1000} s it never came to: ${wanted}`);
    }
    await sleep(PAUSE_MS);
  }
}
