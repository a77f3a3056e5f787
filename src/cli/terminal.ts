/**
 * Our terminal, lent to the guest's: raw while it runs, its size passed on, restored however the run ends.
 */
import { Transform } from 'node:stream';
import { isatty } from 'node:tty';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Two Ctrl-C within this time mean: end it. */
const TWICE_MS = 1000;
const CTRL_C = 3;

/** Whether there is a terminal to lend: it must be both where keys come from and where the screen is. */
export function hasTerminal(): boolean {
  return isatty(0) && isatty(1);
}

/** 24 × 80 where the terminal does not say (some serial lines). */
export function terminalSize(): TerminalSize {
  return { rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 };
}

/** @returns gives the terminal back; safe to call twice */
export function lendTerminal(resized: (size: TerminalSize) => void): () => void {
  const onResize = (): void => resized(terminalSize());
  process.stdout.on('resize', onResize);
  process.stdin.setRawMode?.(true);
  const restore = (): void => {
    process.stdout.off('resize', onResize);
    process.off('exit', restore);
    process.stdin.setRawMode?.(false);
  };
  // Also when an error ends us on the way.
  process.on('exit', restore);
  return restore;
}

/**
 * Keys on their way to the guest. In raw mode Ctrl-C is a byte, which the guest's terminal makes a SIGINT of; the second
 * within a second is for us.
 */
export class KeyWatch extends Transform {
  #last = Number.NEGATIVE_INFINITY;
  readonly #twice: () => void;
  readonly #now: () => number;

  constructor(twice: () => void, now: () => number = () => performance.now()) {
    super();
    this.#twice = twice;
    this.#now = now;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    for (const byte of chunk) {
      if (byte !== CTRL_C) continue;
      const now = this.#now();
      if (now - this.#last <= TWICE_MS) this.#twice();
      this.#last = now;
    }
    this.push(chunk);
    done();
  }
}
