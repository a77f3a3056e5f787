/** A shell of a service that stays, in the shape of the library's: it is asked for with its first command. */
import { outputFromWire } from '../api/outcome.ts';
import { closeShell, openShell, runInShell } from '../api/shells.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import { SHELL_COMMAND } from '../sandbox/option-kinds.ts';
import { requireShellCommand } from '../sandbox/require-argv.ts';
import type { ShellCommandOptions, ShellOptions, ShellOutcome } from '../sandbox/shell-command.ts';
import type { SharedShell } from './shared.ts';
import type { Transport } from './transport.ts';

export class RemoteShell implements SharedShell {
  readonly #transport: Transport;
  readonly #sandbox: string;
  readonly #options: ShellOptions;
  #opening: Promise<string> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @param sandbox its id */
  constructor(transport: Transport, sandbox: string, options: ShellOptions = {}) {
    this.#transport = transport;
    this.#sandbox = sandbox;
    this.#options = options;
  }

  /** As `Shell.run`: a second command waits for the first. */
  run(command: string, options: ShellCommandOptions = {}): Promise<ShellOutcome> {
    requireShellCommand(command, 'client');
    checkOptions(options, 'run', SHELL_COMMAND, 'client');
    // In this order: requests on different connections would overtake each other.
    const turn = this.#last.then(() => this.#run(command, options));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Ends the shell and everything it started. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const shell = await this.#opening?.catch(() => undefined);
    if (shell === undefined) return;
    try {
      await this.#transport.ask(closeShell, { params: { id: this.#sandbox, shell } });
    } catch (error) {
      // It ended with its sandbox.
      if (!isCaissonError(error) || !GONE.has(error.code)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(command: string, { timeoutMs, signal }: ShellCommandOptions): Promise<ShellOutcome> {
    this.#needOpen();
    if (signal?.aborted === true) {
      throw new CaissonError('ABORTED', { layer: 'client', cause: signal.reason });
    }
    this.#opening ??= this.#open();
    const shell = await this.#opening.catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    try {
      const { stdout, stderr, admission, code, cwd, kind } = await this.#transport.ask(runInShell, {
        params: { id: this.#sandbox, shell },
        body: { command, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
        signal,
      });
      return {
        kind,
        ...(code === undefined ? {} : { code }),
        stdout: outputFromWire(stdout),
        stderr: outputFromWire(stderr),
        ...(cwd === undefined ? {} : { cwd }),
        ...(admission === undefined ? {} : { admission }),
      };
    } catch (error) {
      this.#needOpen();
      throw error;
    }
  }

  async #open(): Promise<string> {
    const { program, outputBytes } = this.#options;
    const { id } = await this.#transport.ask(openShell, {
      params: { id: this.#sandbox },
      body: {
        ...(program === undefined ? {} : { program }),
        ...(outputBytes === undefined ? {} : { outputBytes }),
      },
    });
    return id;
  }

  #needOpen(): void {
    if (this.#isClosed) throw new CaissonError('SANDBOX_CLOSED', { layer: 'client' });
  }
}

const GONE: ReadonlySet<string> = new Set(['SANDBOX_CLOSED', 'NOT_FOUND']);
