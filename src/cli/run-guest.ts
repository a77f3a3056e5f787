/**
 * One guest in the foreground: its streams are ours while it runs, our signals are its.
 */
import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import type { Outcome } from '../core/outcome.ts';
import { GuestSignals } from './guest-signals.ts';
import { hasInput, passInput, passOn } from './guest-streams.ts';

/** A started guest, as the library gives it. */
export interface Guest {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once the program runs. */
  readonly started: Promise<unknown>;
  readonly outcome: Promise<Outcome>;
  signal(name: NodeJS.Signals): void;
  kill(): void;
  resize(rows: number, columns: number): void;
}

export interface Foreground {
  /** The guest has a terminal of its own, ours. */
  readonly terminal: boolean;
  /** Ctrl-C twice ends it; a shell keeps Ctrl-C to itself. */
  readonly ctrlCTwice: boolean;
  /** Output goes to the outcome instead of to our streams. */
  readonly captured: boolean;
  /** Our stdin is somebody else's to read. */
  readonly noInput?: boolean;
}

export interface Ended {
  readonly outcome: Outcome;
  /** The signal of ours that ended it. */
  readonly received?: NodeJS.Signals;
}

export async function runGuest(guest: Guest, how: Foreground): Promise<Ended> {
  const signals = new GuestSignals(guest, isatty(0));
  const undo: (() => void)[] = [() => signals.close()];
  try {
    const lost = (): void => signals.lostReader();
    const output = how.captured
      ? []
      : [passOn(guest.stdout, 1, lost), passOn(guest.stderr, 2, lost)];
    // Not before: what is read of our input would be lost when the guest cannot start.
    await guest.started;
    undo.push(await connectInput(guest, how, signals));
    const outcome = await guest.outcome;
    await Promise.all(output);
    const { received } = signals;
    return { outcome, ...(received === undefined ? {} : { received }) };
  } finally {
    for (const step of undo) step();
  }
}

async function connectInput(
  guest: Guest,
  how: Foreground,
  signals: GuestSignals,
): Promise<() => void> {
  if (how.terminal) {
    const { KeyWatch, lendTerminal } = await import('./terminal.ts');
    const giveBack = lendTerminal(({ rows, columns }) => guest.resize(rows, columns));
    if (!how.ctrlCTwice) {
      const stop = passInput(guest.stdin);
      return () => {
        stop();
        giveBack();
      };
    }
    const keys = new KeyWatch(() => signals.typed());
    keys.pipe(guest.stdin);
    const stop = passInput(keys);
    return () => {
      stop();
      giveBack();
    };
  }
  if (how.noInput !== true && hasInput()) return passInput(guest.stdin);
  guest.stdin.on('error', () => {});
  guest.stdin.end();
  return () => {};
}
