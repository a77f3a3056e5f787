/** How far a scan is: a bar on a terminal, a line now and then elsewhere. On stderr. */
import { showable } from '../admission/scan/snippet.ts';

export interface ScanProgress {
  at(done: number, total: number | undefined, path: string): void;
  /** Before something else is written. */
  clear(): void;
}

const BAR = 24;
const EVERY_MS = 100;
const PLAIN_EVERY_MS = 5000;

/** @param write to stderr */
export function scanProgress(
  isTerminal: boolean,
  columns: number,
  write: (text: string) => void,
  now: () => number = () => performance.now(),
): ScanProgress {
  let last = now();
  let isShown = false;
  const isDue = (): boolean => {
    const isNow = now() - last >= (isTerminal ? EVERY_MS : PLAIN_EVERY_MS);
    if (isNow) last = now();
    return isNow;
  };
  return {
    at(done, total, path) {
      if (!isDue()) return;
      if (!isTerminal)
        return write(`caisson: ${done}${total === undefined ? '' : ` of ${total}`} files\n`);
      isShown = true;
      write(`\r${barText(done, total, path).slice(0, columns - 1)}\u001b[K`);
    },
    clear() {
      if (isShown) write('\r\u001b[K');
      isShown = false;
    },
  };
}

/** One line, without its end. */
export function barText(done: number, total: number | undefined, path: string): string {
  const share = total === undefined || total === 0 ? 0 : Math.min(1, done / total);
  const full = Math.round(share * BAR);
  const bar = `${'#'.repeat(full)}${'.'.repeat(BAR - full)}`;
  return `[${bar}] ${done}/${total ?? '?'}  ${showable(path)}`;
}
