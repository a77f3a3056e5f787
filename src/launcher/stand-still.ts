/**
 * Freezing until everything stands. The launcher has others to look after, so it waits for a few milliseconds only; a busy
 * machine, or a process in the middle of a slow system call, may need longer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../core/error.ts';

const ATTEMPTS = 40;
const PAUSE_MS = 50;

/** @param freeze asks once; rejects with details.errno ETIMEDOUT while something moves yet */
export async function standStill(freeze: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await freeze();
      return;
    } catch (error) {
      const isLate = isCaissonError(error) && error.details.errno === 'ETIMEDOUT';
      if (!isLate || attempt === ATTEMPTS) throw error;
    }
    await sleep(PAUSE_MS);
  }
}
