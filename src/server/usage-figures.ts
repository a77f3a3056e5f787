/**
 * What all sandboxes use together, for whoever collects metrics. Several do: an exporter and any number of scrapers, who
 * would take the time of each other's rates, and ask the launchers as often as they please.
 */
import type { Monitor } from '../observe/monitor/monitor.ts';
import type { TotalSample } from '../observe/monitor/sample.ts';

const FRESH_MS = 1000;

/** The same sample for a second. */
export function usageFigures(
  monitor: Pick<Monitor, 'snapshot'>,
  now: () => number = () => performance.now(),
): () => Promise<TotalSample> {
  let asked: { readonly atMs: number; readonly total: Promise<TotalSample> } | undefined;
  return () => {
    const atMs = now();
    if (asked === undefined || atMs - asked.atMs >= FRESH_MS) {
      const total = monitor.snapshot().then((sample) => sample.total);
      asked = { atMs, total };
    }
    return asked.total;
  };
}
