/**
 * A request that waits for room: for how long, and until its caller gives up.
 */
import type { Entry } from './entry.ts';

/** Settles when it has room. @throws RESOURCE_EXHAUSTED when its patience is over, ABORTED when it was ended */
export async function waitForRoom(entry: Entry, queueTimeoutMs: number | undefined): Promise<void> {
  if (!entry.isWaiting || queueTimeoutMs === undefined) return await entry.room;
  const timer = setTimeout(() => {
    if (!entry.isWaiting) return;
    entry.end({ state: 'TimedOut', reason: `it waited ${queueTimeoutMs} ms for room` });
  }, queueTimeoutMs);
  try {
    await entry.room;
  } finally {
    clearTimeout(timer);
  }
}

/** The caller's signal ends it, waiting or not. @returns stops listening */
export function whileItWants(signal: AbortSignal | undefined, entry: Entry): () => void {
  const onAbort = (): void => {
    entry.end({ state: 'Killed', reason: 'its caller gave up' });
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => signal?.removeEventListener('abort', onAbort);
}
