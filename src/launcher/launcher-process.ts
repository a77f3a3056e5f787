/**
 * A launcher that we start and that ends with us: its socket on descriptor 3, the channel on which it hands sockets over
 * on descriptor 4 (Node's own), its last words, its end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

const DIAGNOSTICS_MAX = 4096;

/** How it ended, in words. */
export interface Ending {
  readonly reason: string;
  readonly cause?: unknown;
  /** It ended itself, and has cleaned up what it made. */
  readonly isOrderly: boolean;
}

export class LauncherProcess {
  readonly socket: Socket;
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #diagnostics = '';

  /**
   * Never throws: a program that cannot be started has ended. It does not keep Node alive.
   *
   * @param onHandle a socket that the launcher hands over, and what it says of it
   */
  constructor(
    program: string,
    args: readonly string[],
    onHandle: (message: unknown, handle: unknown) => void,
  ) {
    // Its own session: Ctrl-C at a terminal reaches us, and we decide what the guest hears of it.
    const child = spawn(program, args, {
      // A guest that sees the host has its network, too: no sockets to hand over.
      stdio: [
        'ignore',
        'ignore',
        'pipe',
        'pipe',
        ...(args.at(-1) === 'child' ? [] : ['ipc' as const]),
      ],
      env: {},
      cwd: '/',
      detached: true,
    });
    this.#child = child;
    this.socket = child.stdio[3] as Socket;
    child.on('message', onHandle);
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#diagnostics = (this.#diagnostics + chunk.toString()).slice(-DIAGNOSTICS_MAX);
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (cause) =>
        resolve({ reason: 'it could not be started', cause, isOrderly: true }),
      );
      child.once('exit', (code, signal) =>
        resolve({ reason: signal ?? `exit code ${code}`, isOrderly: code === 0 }),
      );
    });
    child.unref();
    child.channel?.unref();
    (child.stderr as Socket | null)?.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The end of what it wrote to standard error. */
  get diagnostics(): string {
    return this.#diagnostics;
  }

  ref(): void {
    this.#child.ref();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
