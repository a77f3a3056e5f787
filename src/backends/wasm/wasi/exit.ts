/** The signals that proc_raise knows, by number. Source: typenames.witx, `$signal`. */
const signals = [
  ['none', 'ignored'],
  ['SIGHUP', 'ends'],
  ['SIGINT', 'ends'],
  ['SIGQUIT', 'ends'],
  ['SIGILL', 'ends'],
  ['SIGTRAP', 'ends'],
  ['SIGABRT', 'ends'],
  ['SIGBUS', 'ends'],
  ['SIGFPE', 'ends'],
  ['SIGKILL', 'ends'],
  ['SIGUSR1', 'ends'],
  ['SIGSEGV', 'ends'],
  ['SIGUSR2', 'ends'],
  ['SIGPIPE', 'ignored'],
  ['SIGALRM', 'ends'],
  ['SIGTERM', 'ends'],
  ['SIGCHLD', 'ignored'],
  ['SIGCONT', 'ignored'],
  ['SIGSTOP', 'stops'],
  ['SIGTSTP', 'stops'],
  ['SIGTTIN', 'stops'],
  ['SIGTTOU', 'stops'],
  ['SIGURG', 'ignored'],
  ['SIGXCPU', 'ends'],
  ['SIGXFSZ', 'ends'],
  ['SIGVTALRM', 'ends'],
  ['SIGPROF', 'ends'],
  ['SIGWINCH', 'ignored'],
  ['SIGPOLL', 'ends'],
  ['SIGPWR', 'ends'],
  ['SIGSYS', 'ends'],
] as const;

/** How a guest ended itself. A trap is none of these: it is thrown as the engine's RuntimeError. */
export type WasiExit =
  | {
      readonly kind: 'exited';
      /** What proc_exit was given, an unsigned 32-bit number; 0 when `_start` returned. */
      readonly code: number;
    }
  | { readonly kind: 'signaled'; readonly signal: string };

export function signalByNumber(
  number: number,
): { readonly name: string; readonly action: 'ends' | 'ignored' | 'stops' } | undefined {
  const row = signals[number];
  return row && { name: row[0], action: row[1] };
}

/**
 * Unwinds the guest's stack up to the host that started it; never seen by a caller. Not an Error: it says nothing
 * went wrong, and it needs no stack trace.
 */
export class GuestUnwinding {
  readonly exit: WasiExit;

  constructor(exit: WasiExit) {
    this.exit = exit;
  }
}
