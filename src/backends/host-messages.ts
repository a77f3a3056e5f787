/**
 * What a host process may say, and nothing else: each frame's value is checked and made anew, so that only known fields of
 * known types go on. The values inside (results, arguments) stay the guest's data.
 */
import { type HostFrame, hostFrame, payloadOf } from './host-frames.ts';
import type { Evaluated, GuestError } from './program.ts';

const MiB = 2 ** 20;
/** Of one frame of a host: a result of 16 MiB, and what is beside it. */
export const HOST_FRAME_MAX = 17 * MiB;
/** One WRITE carries at most so much. */
export const WRITE_MAX = MiB;
/** Calls that a guest may have open at the same time, and how many bytes their arguments may have together. */
export const CALLS_MAX = 10_000;
export const CALL_BYTES_MAX = 16 * MiB;

/** What a host's program exits with when V8 has no heap left. */
export const OUT_OF_MEMORY_EXIT = 97;

export interface HostWrite {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

export interface HostCall {
  readonly call: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface HostResult {
  readonly evaluated: Evaluated;
  /** Whether the host takes no more. */
  readonly spent: boolean;
  readonly dropped: { readonly stdout: number; readonly stderr: number };
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws Error, as all of these, for what no host says */
export function readyOf(frame: HostFrame): { listening: boolean } {
  const { listening } = fieldsOf(payloadOf(frame));
  return { listening: listening === true };
}

export function writeOf(frame: HostFrame): HostWrite {
  const { stream, bytes } = fieldsOf(payloadOf(frame));
  const isStream = stream === 'stdout' || stream === 'stderr';
  if (!isStream || !(bytes instanceof Uint8Array) || bytes.length === 0) throw malformed('WRITE');
  return { stream, bytes };
}

export function callOf(frame: HostFrame): HostCall {
  const { call, name, args } = fieldsOf(payloadOf(frame));
  if (!isCount(call) || typeof name !== 'string' || !Array.isArray(args)) throw malformed('CALL');
  return { call, name, args };
}

/** Of a RESULT or a VALUE. */
export function resultOf(frame: HostFrame): HostResult {
  if (frame.type === hostFrame.VALUE) return shortOf(payloadOf(frame));
  const { evaluated, spent, dropped } = fieldsOf(payloadOf(frame));
  const { stdout = 0, stderr = 0 } = fieldsOf(dropped);
  if (!isCount(stdout) || !isCount(stderr)) throw malformed('RESULT');
  return {
    evaluated: evaluatedOf(fieldsOf(evaluated)),
    spent: spent === true,
    dropped: { stdout, stderr },
  };
}

function shortOf(message: unknown): HostResult {
  if (!Array.isArray(message) || message.length !== 3) throw malformed('VALUE');
  const [cpuMs, memoryBytes, value] = message;
  if (!isAmount(cpuMs) || !isAmount(memoryBytes)) throw malformed('VALUE');
  const evaluated = { kind: 'value', value, cpuMs, memoryBytes } as const;
  return { evaluated, spent: false, dropped: NOTHING };
}

const NOTHING = { stdout: 0, stderr: 0 };

function evaluatedOf(fields: Fields): Evaluated {
  const { kind, cpuMs, memoryBytes, fuel, value, error, code, clock } = fields;
  if (!isAmount(cpuMs) || !isAmount(memoryBytes)) throw malformed('RESULT');
  if (fuel !== undefined && (typeof fuel !== 'bigint' || fuel < 0n)) throw malformed('RESULT');
  const usage = { cpuMs, memoryBytes, ...(fuel === undefined ? {} : { fuel }) };
  if (kind === 'value') return { kind, value, ...usage };
  if (kind === 'out-of-memory') return { kind, ...usage };
  if (kind === 'timed-out' && (clock === 'wall' || clock === 'cpu' || clock === 'fuel')) {
    return { kind, clock, ...usage };
  }
  // 0 would be a program that came to its end.
  const isCode = isCount(code) && code > 0 && code < 256;
  if (kind !== 'error' || !isCode) throw malformed('RESULT');
  return { kind, error: guestErrorOf(fieldsOf(error)), code, ...usage };
}

function guestErrorOf({ name, message, stack, position }: Fields): GuestError {
  if (typeof name !== 'string' || typeof message !== 'string') throw malformed('error');
  if (stack !== undefined && typeof stack !== 'string') throw malformed('error');
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(position === undefined ? {} : { position: positionOf(fieldsOf(position)) }),
  };
}

function positionOf({ file, line, column, excerpt }: Fields): GuestError['position'] & object {
  if (typeof file !== 'string' || typeof excerpt !== 'string') throw malformed('position');
  if (!isCount(line) || !isCount(column)) throw malformed('position');
  return { file, line, column, excerpt };
}

/** Own ones alone: what a value inherits, nobody sent. */
function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null) throw malformed('value');
  return Object.assign(Object.create(null), value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

function malformed(what: string): Error {
  return new Error(`a malformed ${what}`);
}
