/**
 * One command, put into a job that is bound already.
 */
import { posix } from 'node:path';
import { CaissonError } from '../core/error.ts';
import type { Job } from '../plan/plan.ts';
import type { Policy } from '../policy/policy.ts';
import type { ExecOptions } from './exec-options.ts';

export type JobOptions = ExecOptions & Partial<Pick<Job, 'stdin' | 'stdout' | 'stderr' | 'pty'>>;

/** @throws REQUEST_INVALID for a time limit that is none */
export function finishJob(
  base: Job,
  argv: readonly string[],
  options: JobOptions,
  policy: Policy,
): Job {
  const { input, timeoutMs, pty } = options;
  return {
    ...base,
    argv,
    ...(options.env === undefined ? {} : { env: withVariables(base.env, options.env) }),
    ...(options.cwd === undefined ? {} : { cwd: posix.resolve(base.cwd, options.cwd) }),
    ...(timeoutMs === undefined
      ? {}
      : { limits: { ...base.limits, wallMs: wallMs(timeoutMs, policy) } }),
    ...(input === undefined ? {} : { stdin: 'inline' as const, input: bytesOf(input) }),
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    ...(options.stdout === undefined ? {} : { stdout: options.stdout }),
    ...(options.stderr === undefined
      ? {}
      : { stderr: pty === undefined ? options.stderr : 'null' }),
    ...(pty === undefined ? {} : { pty }),
  };
}

function withVariables(env: Job['env'], more: Readonly<Record<string, string>>): Job['env'] {
  return [...env.filter(([name]) => !Object.hasOwn(more, name)), ...Object.entries(more)];
}

function wallMs(timeoutMs: number, policy: Policy): number {
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs <= 0) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `a time limit of ${timeoutMs} ms is none`,
      hint: 'give a whole number of milliseconds above 0',
    });
  }
  return Math.min(timeoutMs, policy.limits.wallMs ?? timeoutMs);
}

function bytesOf(input: string | Uint8Array): Uint8Array {
  return typeof input === 'string' ? Buffer.from(input) : input;
}
