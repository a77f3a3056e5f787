/**
 * Our terminal, lent to the guest's: raw while it runs, its size passed on, restored however the run ends.
 */
import { Transform } from 'node:stream';
import { isatty } from 'node:tty';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

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

/** Keys on their way to the guest. In raw mode Ctrl-C is a byte, which the guest's terminal makes a SIGINT of. */
export class KeyWatch extends Transform {
  readonly #typed: () => void;

  /** @param typed called for each Ctrl-C */
  constructor(typed: () => void) {
    super();
    this.#typed = typed;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    for (const byte of chunk) if (byte === CTRL_C) this.#typed();
    this.push(chunk);
    done();
  }
}
