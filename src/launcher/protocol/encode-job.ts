/**
 * A job as bytes (protocol/PROTOCOL.md, "Job"); read in C by native/launcher/plan.c.
 * This is the hot path: what repeats from run to run (mounts, Landlock rules) is encoded once.
 */
import { CaissonError } from '../../core/error.ts';
import type { Job, LandlockPathRule, Mount } from '../../plan/plan.ts';
import {
  writeCgroup,
  writeLandlockPath,
  writeLimits,
  writeMount,
  writeRlimit,
} from './encode-plan.ts';
import { FieldWriter } from './fields.ts';
import { FRAME_HEADER, finishFrame, frameType } from './frame.ts';

/** execve(2): MAX_ARG_STRLEN, one string with its NUL, 32 pages of 4 KiB. */
const STRING_MAX = 131_072;
/** execve(2): a quarter of the stack limit, 8 MiB where nothing else is set; less a page for name and vectors. */
const COMMAND_MAX = 2 * 1024 * 1024 - 4096;

/** native/launcher/plan.h: JOB_STRINGS_MAX, of arguments and of variables. */
const STRINGS_MAX = 32_768;

const stdinModes = { null: 0, inline: 1, stream: 2, inherit: 3 } as const;
const outputModes = { null: 0, capture: 1, stream: 2, inherit: 3 } as const;

/** What an EXEC runs in: a fresh sandbox of a plan, or one that is open. */
export type ExecTarget = { readonly plan: number } | { readonly sandbox: number };

/** One EXEC frame, in one buffer. Throws REQUEST_INVALID. */
export function encodeExec(id: number, target: ExecTarget, job: Job): Buffer {
  const writer = new FieldWriter(FRAME_HEADER, 'REQUEST_INVALID', 2048);
  if ('plan' in target) writer.u32(1, target.plan, 'plan id');
  else writer.u32(2, target.sandbox, 'sandbox id');
  const mark = writer.begin(3);
  writeJob(writer, job);
  writer.end(mark);
  return finishFrame(writer, frameType.EXEC, id);
}

/** One OPEN frame: a sandbox that stays. The job's argv, environment and streams are not sent. */
export function encodeOpen(id: number, plan: number, job: Job): Buffer {
  const writer = new FieldWriter(FRAME_HEADER);
  writer.u32(1, plan, 'plan id');
  const mark = writer.begin(2);
  writeSetting(writer, job);
  writer.end(mark);
  return finishFrame(writer, frameType.OPEN, id);
}

/** A job record by itself: the default job of a plan file. */
export function encodeJob(job: Job): Buffer {
  const writer = new FieldWriter();
  if (job.argv.length > 0) writeJob(writer, job);
  else {
    writeEnvironment(writer, job);
    writeSetting(writer, job);
    writeStreams(writer, job);
  }
  return writer.finish();
}

function writeJob(writer: FieldWriter, job: Job): void {
  if (job.argv.length === 0) throw badCommand('there is no command to run', 'name a program');
  if (job.argv[0] === '') throw badCommand('the command is an empty string', 'name a program');
  checkNumber(job.argv.length, 'arguments');
  let total = 0;
  for (const argument of job.argv) {
    total += count(writer.str(1, argument, 'an argument', true), 'an argument');
  }
  total += writeEnvironment(writer, job);
  if (total > COMMAND_MAX) {
    throw badCommand(
      `arguments and environment take ${total} bytes, and a program can be given ${COMMAND_MAX}`,
      'give large data through stdin or a file in the workspace',
    );
  }
  writeSetting(writer, job);
  writeStreams(writer, job);
}

function writeEnvironment(writer: FieldWriter, job: Job): number {
  checkNumber(job.env.length, 'environment variables');
  let total = 0;
  for (const [name, value] of job.env) {
    if (name.includes('=')) {
      throw badCommand(`the environment name ${name} holds "="`, 'write the value separately');
    }
    const size = writer.pair(2, name, value, `the environment variable ${name}`);
    total += count(size, `the environment variable ${name}`);
  }
  return total;
}

/** Where the job stands: mounts, rules, limits. */
function writeSetting(writer: FieldWriter, job: Job): void {
  if (job.cwd !== '/') writer.str(3, job.cwd, 'working directory');
  if (job.mounts.length > 0) writer.raw(fixedFields(job.mounts, writeMounts));
  if (job.landlock.length > 0) writer.raw(fixedFields(job.landlock, writeRules));
  for (const rlimit of job.rlimits ?? []) writeRlimit(writer, 5, rlimit);
  if (job.cgroup !== undefined) writeCgroup(writer, 6, job.cgroup);
  if (job.limits !== undefined) writeLimits(writer, 7, job.limits);
}

function writeStreams(writer: FieldWriter, job: Job): void {
  const stdin = job.input !== undefined && job.stdin === 'null' ? 'inline' : job.stdin;
  if (stdin !== 'null') writer.u32(9, stdinModes[stdin], 'stdin mode');
  if (job.stdout !== 'capture') writer.u32(10, outputModes[job.stdout], 'stdout mode');
  if (job.stderr !== 'capture') writer.u32(11, outputModes[job.stderr], 'stderr mode');
  if (stdin === 'inline') writer.bytes(12, job.input ?? new Uint8Array(0));
  if (job.pty !== undefined) {
    const pty = writer.begin(13);
    writer.u32(1, job.pty.rows, 'terminal rows');
    writer.u32(2, job.pty.columns, 'terminal columns');
    writer.end(pty);
  }
}

/** Lists that are the same object from run to run are the same bytes from run to run. */
const encoded = new WeakMap<object, Buffer>();

function fixedFields<T extends object>(
  list: T,
  write: (writer: FieldWriter, list: T) => void,
): Buffer {
  let bytes = encoded.get(list);
  if (bytes === undefined) {
    const writer = new FieldWriter();
    write(writer, list);
    bytes = writer.finish();
    if (Object.isFrozen(list)) encoded.set(list, bytes);
  }
  return bytes;
}

function writeMounts(writer: FieldWriter, mounts: readonly Mount[]): void {
  for (const mount of mounts) writeMount(writer, 4, mount);
}

function writeRules(writer: FieldWriter, rules: readonly LandlockPathRule[]): void {
  for (const rule of rules) writeLandlockPath(writer, 8, rule);
}

function checkNumber(number: number, of: string): void {
  if (number <= STRINGS_MAX) return;
  throw badCommand(
    `${number} ${of} are more than the ${STRINGS_MAX} that a run may have`,
    'give long lists through stdin or a file, as xargs does',
  );
}

/** What execve counts for a string: its bytes with the NUL, and a pointer. */
function count(size: number, name: string): number {
  if (size > STRING_MAX) {
    throw badCommand(
      `${name} takes ${size} bytes, and a program can be given ${STRING_MAX} in one string`,
      'give large data through stdin or a file in the workspace',
    );
  }
  return size + 8;
}

function badCommand(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'launcher', message, hint });
}
