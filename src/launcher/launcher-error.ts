/**
 * What the launcher could not do, as the error that the library throws.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { CaissonError, type ErrorCode } from '../core/error.ts';
import { fileSystemName } from './file-system-name.ts';
import { decodeErrorBody, type ErrorBody } from './protocol/frame.ts';
import type { Ties } from './ties.ts';

const ENOENT = 2;
const E2BIG = 7;
const EBUSY = 16;

const errorClass = {
  message: 1,
  plan: 2,
  job: 3,
  unsupported: 4,
  resource: 5,
  system: 6,
  command: 7,
  unknownId: 8,
} as const;

/** The body of an ERROR frame as a CaissonError. */
export function launcherError(
  body: Buffer,
  { inSandbox = false }: Pick<Ties, 'inSandbox'> = {},
): CaissonError {
  const error = decodeErrorBody(body);
  if (inSandbox && ENDED_EARLY.has(error.step)) {
    return new CaissonError('SANDBOX_CLOSED', {
      layer: 'launcher',
      message: 'the sandbox ended before that was done',
    });
  }
  if (error.class === errorClass.unsupported && error.step === 'idmapped mount') {
    return withoutIdmap(error);
  }
  const { code, hint } = classify(error);
  const subject = error.what === undefined ? '' : ` ${error.what}`;
  return new CaissonError(code, {
    layer: 'launcher',
    message: `${error.step}${subject}: ${errnoText(error.errno)}`,
    ...(hint === undefined ? {} : { hint }),
    details: { step: error.step, errno: errnoName(error.errno), what: error.what },
  });
}

/** The one refusal that a person cures by moving a directory, so it says which and what it lies on. */
function withoutIdmap({ step, errno, what }: ErrorBody): CaissonError {
  const fileSystem = what === undefined ? undefined : fileSystemName(what);
  return new CaissonError('WORKSPACE_UNSUPPORTED', {
    layer: 'launcher',
    message: `the file system of ${what ?? 'a directory'} (${fileSystem ?? 'unknown'}) refuses idmapped mounts: ${errnoText(errno)}`,
    hint: WITHOUT_IDMAP,
    details: { step, errno: errnoName(errno), what, fileSystem },
  });
}

/** An overlay is no way out: its lower layer is idmapped, too. */
const WITHOUT_IDMAP =
  'put it on ext4, xfs, btrfs or tmpfs (in Docker: a volume, docker run -v DIR:/work …), or run as the ordinary user who owns it';

/** As native/launcher says it: sandbox.c, agent.c. */
const ENDED_EARLY: ReadonlySet<string> = new Set([
  'sandbox ended before its job',
  'files agent ended',
]);

function classify({ class: kind, errno, step }: ErrorBody): { code: ErrorCode; hint?: string } {
  switch (kind) {
    case errorClass.message:
      return {
        code: 'PROTOCOL_ERROR',
        hint: 'launcher and library differ: npm run build:launcher',
      };
    case errorClass.plan:
      return { code: 'PLAN_INVALID' };
    case errorClass.job:
      return { code: 'REQUEST_INVALID' };
    case errorClass.unsupported:
      return step.includes('overlay')
        ? {
            code: 'WORKSPACE_UNSUPPORTED',
            hint: 'put the workspace on ext4, xfs, btrfs or tmpfs; caisson doctor shows what works',
          }
        : { code: 'LAUNCHER_FAILED', hint: 'caisson doctor shows what this host offers' };
    case errorClass.resource:
      return { code: 'RESOURCE_EXHAUSTED', hint: 'fewer runs at once, or a host with more room' };
    case errorClass.command:
      if (errno === ENOENT) {
        return {
          code: 'COMMAND_NOT_FOUND',
          hint: 'the sandbox sees only what the policy names; give the full path or allow reading it',
        };
      }
      if (errno === E2BIG) {
        return { code: 'REQUEST_INVALID', hint: 'give large data through stdin or a file' };
      }
      return { code: 'COMMAND_NOT_EXECUTABLE' };
    case errorClass.unknownId:
      return { code: 'SANDBOX_CLOSED' };
    default:
      // cgroup v1 refuses a limit below what is in use already, by its first process (memory.rst, 2.1).
      if (step === 'set cgroup limit' && errno === EBUSY) {
        return { code: 'POLICY_INVALID', hint: 'raise limits.memory of the policy' };
      }
      return errno === ENOENT && step.includes('mount')
        ? { code: 'PATH_MISSING', hint: 'create the path or take it out of the policy' }
        : { code: 'LAUNCHER_FAILED', hint: 'caisson doctor shows what this host offers' };
  }
}

/** libuv's map has texts but not every number; the system's constants have every number. */
const names = new Map<number, string>(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

export function errnoText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? errnoName(errno);
}
