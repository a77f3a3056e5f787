/**
 * A shell that stays: directory, environment, functions and background jobs persist between its commands.
 *
 * One long-lived bash (or sh) in the sandbox reads from its input, per command,
 *
 *   eval 'COMMAND' </dev/null >&8 2>&9 8>&- 9>&-; printf MARK
 *
 * The command is one quoted word, so that nothing in it (an open quote, a lone `fi`) reaches past itself. Its input is
 * empty, so that it cannot eat the next command; its output goes to fresh copies, so that its own `exec >file` ends with
 * it. The mark holds 128 random bits that the command cannot have seen, between bytes that a trace (`set -x`) of the
 * printf does not print.
 */
import { randomBytes } from 'node:crypto';
import type { AdmissionReport } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import { LONGEST_MS, requireWhole } from './given-values.ts';
import { SHELL_COMMAND } from './option-kinds.ts';
import { OutputCapture } from './output-capture.ts';
import type { GuestExecution, Release } from './release.ts';
import { requireShellCommand } from './require-argv.ts';
import type {
  AdmitShellCommand,
  ShellCommandOptions,
  ShellOptions,
  ShellOutcome,
} from './shell-command.ts';

/** Starts the shell's program in the sandbox, in a directory where one is given. */
export type StartShell = (argv: readonly string[], cwd: string | undefined) => GuestExecution;

interface Opened {
  readonly execution: GuestExecution;
  /** Both streams have been read to their end. */
  readonly drained: Promise<unknown>;
}

interface Running {
  readonly execution: GuestExecution;
  readonly nonce: string;
  readonly stdout: OutputCapture;
  readonly stderr: OutputCapture;
  /** Both streams must show the mark: the last output of the command may still be on its way in the other. */
  marks: number;
  code: number;
  cwd: string | undefined;
  readonly done: (kind: ShellOutcome['kind']) => void;
  readonly fail: (error: unknown) => void;
}

const OUTPUT_BYTES = 16 * 1024 * 1024;
/** Characters of earlier commands that are looked at with a new one. */
const EARLIER_MAX = 64 * 1024;
/** Room behind the mark's start for status and directory. */
const MARK_MAX = 8192;

export class Shell {
  readonly #start: StartShell;
  readonly #options: ShellOptions;
  readonly #begin: () => Pick<Release, 'line' | typeof Symbol.dispose> | undefined;
  #opened: Opened | undefined;
  #running: Running | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #cwd: string | undefined;
  #status = 0;
  #closed = false;
  readonly #admit: AdmitShellCommand | undefined;
  /** What the shell has run, in which a later command may find its parts; kept where somebody looks at it. */
  #earlier = '';

  /** @param begin called for each command; its result is seen once `line` has settled */
  constructor(
    start: StartShell,
    options: ShellOptions = {},
    begin: () => Pick<Release, 'line' | typeof Symbol.dispose> | undefined = () => undefined,
    admit?: AdmitShellCommand,
  ) {
    this.#admit = admit;
    this.#start = start;
    this.#begin = begin;
    this.#options = options;
  }

  /**
   * Runs one command; a second one waits for the first.
   *
   * @throws REQUEST_INVALID for a NUL byte, ABORTED, SANDBOX_CLOSED, ADMISSION_REFUSED: the shell stays as it is
   */
  run(command: string, options: ShellCommandOptions = {}): Promise<ShellOutcome> {
    requireShellCommand(command);
    checkOptions(options, 'run', SHELL_COMMAND);
    requireWhole(options.timeoutMs, 'run: timeoutMs', { least: 1, most: LONGEST_MS });
    const release = this.#begin();
    const turn = this.#last.then(() => this.#runNow(command, options));
    this.#last = turn.catch(() => {});
    if (release === undefined) return turn;
    return turn
      .then(async (outcome) => {
        await release.line();
        return outcome;
      })
      .finally(() => release[Symbol.dispose]());
  }

  /** Ends the shell and everything it started; a command of it that runs is `killed`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#kill();
    this.#running?.done('killed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #runNow(command: string, options: ShellCommandOptions): Promise<ShellOutcome> {
    if (this.#closed) throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
    throwIfAborted(options.signal);
    const admission = await this.#admitted(command, options.signal);
    const { execution } = this.#opened ?? this.#open();
    const nonce = randomBytes(16).toString('hex');
    const limit = this.#options.outputBytes ?? OUTPUT_BYTES;
    const settled = Promise.withResolvers<ShellOutcome['kind']>();
    const running: Running = {
      execution,
      nonce,
      stdout: new OutputCapture(limit),
      stderr: new OutputCapture(limit),
      marks: 0,
      code: 0,
      cwd: undefined,
      done: settled.resolve,
      fail: settled.reject,
    };
    this.#running = running;
    const stop = (kind: 'timed-out' | 'killed') => (): void => {
      settled.resolve(kind);
      execution.kill();
    };
    const onAbort = stop('killed');
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(stop('timed-out'), options.timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      execution.stdin.write(this.#line(command, nonce));
      const kind = await settled.promise;
      if (kind !== 'exited') await this.#kill();
      throwIfAborted(options.signal);
      const outcome = this.#outcome(kind, running);
      return admission === undefined ? outcome : { ...outcome, admission };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      this.#running = undefined;
    }
  }

  async #admitted(
    command: string,
    signal: AbortSignal | undefined,
  ): Promise<AdmissionReport | undefined> {
    if (this.#admit === undefined) return undefined;
    const admission = await this.#admit(command, this.#earlier, this.#cwd);
    if (this.#closed) throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
    throwIfAborted(signal);
    this.#earlier = `${this.#earlier}${command}\n`.slice(-EARLIER_MAX);
    return admission;
  }

  #outcome(kind: ShellOutcome['kind'], running: Running): ShellOutcome {
    const known = kind === 'exited' || kind === 'ended';
    if (kind === 'exited') {
      this.#cwd = running.cwd;
      this.#status = running.code;
    } else this.#status = 0;
    return {
      kind,
      ...(known ? { code: running.code } : {}),
      stdout: running.stdout.finish(),
      stderr: running.stderr.finish(),
      ...(running.cwd === undefined ? {} : { cwd: running.cwd }),
    };
  }

  /** A new shell, in the directory that the last one was seen in. */
  #open(): Opened {
    const program = this.#options.program;
    // bash where there is one, by the sandbox's own sh; neither reads a start-up file.
    const argv =
      program === 'sh'
        ? ['/bin/sh']
        : program === 'bash'
          ? ['bash', '--noprofile', '--norc']
          : [
              '/bin/sh',
              '-c',
              'command -v bash >/dev/null && exec bash --noprofile --norc; exec /bin/sh',
            ];
    const execution = this.#start(argv, this.#cwd);
    // What was written before the end may still be on its way through the streams when the result is there.
    const drained = Promise.all([
      this.#watch(execution, execution.stdout, 'stdout'),
      this.#watch(execution, execution.stderr, 'stderr'),
    ]);
    const opened = { execution, drained };
    this.#opened = opened;
    execution.result.then(
      async (result) => {
        await drained;
        this.#ended(opened, result.status);
      },
      (error) => {
        if (this.#opened !== opened) return;
        this.#opened = undefined;
        this.#running?.fail(error);
      },
    );
    execution.stdin.write('exec 8>&1 9>&2; caisson_status() { return "$1"; }\n');
    return opened;
  }

  #line(command: string, nonce: string): string {
    const word = `'${command.replaceAll("'", `'\\''`)}'`;
    const mark = `printf '\\036%s %s %s\\035%s\\036' ${nonce} "$caisson_code" "$PWD" ${nonce}`;
    return (
      `caisson_status ${this.#status}\n` +
      `eval ${word} </dev/null >&8 2>&9 8>&- 9>&-\n` +
      `caisson_code=$?; { ${mark} >&8; ${mark} >&9; } 2>/dev/null\n`
    );
  }

  /** Splits a stream into the command's output and the mark behind it. */
  #watch(
    execution: GuestExecution,
    stream: GuestExecution['stdout'],
    name: 'stdout' | 'stderr',
  ): Promise<void> {
    let held: Buffer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      const running = this.#running;
      if (running?.execution !== execution) return;
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      held = Buffer.alloc(0);
      const start = bytes.indexOf(`\x1e${running.nonce} `);
      const end = start < 0 ? -1 : bytes.indexOf(`\x1d${running.nonce}\x1e`, start);
      if (end >= 0) {
        running[name].add(bytes.subarray(0, start));
        this.#marked(running, bytes.toString('utf8', start + running.nonce.length + 2, end));
        return;
      }
      // A mark may be cut by the chunk's end: hold back what could be the front of one.
      const from = start >= 0 ? start : Math.max(0, bytes.lastIndexOf(0x1e));
      const possible = start >= 0 || bytes[from] === 0x1e;
      if (possible && bytes.length - from < MARK_MAX) {
        held = Buffer.from(bytes.subarray(from));
        running[name].add(bytes.subarray(0, from));
      } else running[name].add(bytes);
    });
    return new Promise((resolve) => {
      stream.once('close', () => {
        if (this.#running?.execution === execution) this.#running[name].add(held);
        resolve();
      });
    });
  }

  #marked(running: Running, text: string): void {
    const space = text.indexOf(' ');
    running.code = Number(text.slice(0, space));
    running.cwd = text.slice(space + 1);
    running.marks += 1;
    if (running.marks === 2) running.done('exited');
  }

  #ended(opened: Opened, status: number): void {
    // A shell that was killed ends later, when the next command may be running in another one.
    if (this.#opened !== opened) return;
    this.#opened = undefined;
    const running = this.#running;
    if (running === undefined) return;
    const signal = status & 0x7f;
    running.code = signal === 0 ? (status >> 8) & 0xff : 128 + signal;
    running.done('ended');
  }

  async #kill(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    opened.execution.kill();
    await opened.execution.result.then(
      () => opened.drained,
      () => {},
    );
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new CaissonError('ABORTED', { layer: 'sandbox', cause: signal.reason });
  }
}
