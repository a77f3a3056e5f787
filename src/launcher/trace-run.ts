/**
 * Runs a command as the caller would, with the launcher watching what it uses (native/launcher/trace.h). Nothing
 * isolates it.
 */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { CaissonError } from '../core/error.ts';
import { TraceDecoder, type TraceEnd, type TraceRecord } from './trace-record.ts';

export interface TraceOptions {
  /** Of the launcher. */
  readonly program: string;
  /** Numbers of further system calls that are to be told of. */
  readonly calls: readonly number[];
  /** Absolute. */
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the command's standard output goes; stdin and stderr are the caller's. */
  readonly stdout: 'stdout' | 'stderr';
}

/** Longest text of the launcher that an error repeats. */
const DIAGNOSTICS_MAX = 4096;

/**
 * @param onRecord told of every record but the last, in the order of the calls
 * @throws CaissonError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `LAUNCHER_FAILED` (no seccomp notification here, or
 * the command is traced already), `PROTOCOL_ERROR`
 */
export async function traceRun(
  argv: readonly string[],
  { program, calls, cwd, environment, stdout }: TraceOptions,
  onRecord: (record: TraceRecord) => void,
): Promise<TraceEnd> {
  const args = ['trace', '--out', '3', '--also', calls.join(','), '--', ...argv];
  const child = spawn(program, args, {
    cwd,
    env: environment,
    stdio: ['inherit', stdout === 'stdout' ? 1 : 2, 2, 'pipe'],
  });
  // The terminal's Ctrl-C goes to the command too; we wait for what it makes of it.
  const ignore = (): void => {};
  const end = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', end).on('SIGHUP', end);
  try {
    const closed = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    closed.catch(ignore);
    let ended: TraceEnd | undefined;
    let failed = 0;
    const decoder = new TraceDecoder();
    for await (const bytes of child.stdio[3] as Readable) {
      for (const record of decoder.push(bytes as Buffer)) {
        if (record.kind === 'end') ended = record;
        else if (record.kind === 'failed') failed = record.errnum;
        else onRecord(record);
      }
    }
    const code = await closed;
    if (failed !== 0) throw notExecuted(argv[0] ?? '', failed);
    if (ended === undefined) throw launcherFailed(`it ended with ${code} and no result`);
    return ended;
  } finally {
    process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', end).off('SIGHUP', end);
    child.kill('SIGTERM');
  }
}

const ENOENT = 2;

function notExecuted(command: string, errnum: number): CaissonError {
  const missing = errnum === ENOENT;
  return new CaissonError(missing ? 'COMMAND_NOT_FOUND' : 'COMMAND_NOT_EXECUTABLE', {
    layer: 'launcher',
    message: missing ? `${command}: there is no such command` : `${command} cannot be executed`,
    hint: 'nothing was learned; name a command that runs here',
    details: { command, errnum },
  });
}

function launcherFailed(reason: string): CaissonError {
  return new CaissonError('LAUNCHER_FAILED', {
    layer: 'launcher',
    message: `the command could not be traced: ${reason}`.slice(0, DIAGNOSTICS_MAX),
    hint: 'tracing needs Linux 5.6 with seccomp notification and pidfd_getfd, and no debugger or other tracer around',
  });
}
