/**
 * A record's line as bytes: what verifying needs of it is read without making an object of it, which would cost more
 * than its hash does.
 */
import { HASH_DIGITS, HASH_MEMBER } from './record.ts';

const PREFIX = '{"seq":';
const TS_MEMBER = ',"ts":"';
const EVENT_MEMBER = '","event":"';
const [QUOTE, BRACE, ZERO, NINE] = [34, 125, 48, 57];
const NANOS_DIGITS = 9;
/** `{"seq":` and the longest number with its comma. */
export const SEQ_BYTES = PREFIX.length + 20;

/** Where a line lies in a buffer. */
export interface Line {
  readonly buffer: Buffer;
  readonly start: number;
  readonly hashAt: number;
  readonly newline: number;
  /** Of its beginning in the file, bytes. */
  readonly offset: number;
}

export function lineAt(buffer: Buffer, start: number, newline: number, offset: number): Line {
  return { buffer, start, hashAt: newline - 2 - HASH_DIGITS, newline, offset };
}

/** The record's number; -1 where the line is no record. */
export function seqOf(line: Line): number {
  const from = line.start + PREFIX.length;
  return line.hashAt > from && isClosed(line) ? numberAt(line.buffer, from) : -1;
}

/** The number that a line begins with; -1 for none. */
export function seqIn(text: string): number {
  return Number(/^\{"seq":(\d+),/.exec(text)?.[1] ?? -1);
}

export function storedHash({ buffer, hashAt }: Line): string {
  return buffer.toString('latin1', hashAt, hashAt + HASH_DIGITS);
}

/** Nanoseconds, as their two halves: one number does not hold them. `nanos` is -1 where there are none. */
export type Time = readonly [seconds: number, nanos: number];

/** Time of the record of that number, and where the name of its event begins. */
export function timeAndEvent({ buffer, start }: Line, seq: number): { time: Time; event: number } {
  const from = start + PREFIX.length + digits(seq) + TS_MEMBER.length;
  const to = buffer.indexOf(QUOTE, from);
  const split = Math.max(from, to - NANOS_DIGITS);
  const seconds = split > from ? numberAt(buffer, from, split) : 0;
  return { time: [seconds, numberAt(buffer, split, to)], event: to + EVENT_MEMBER.length };
}

/** Byte by byte: making a text of so few bytes costs more. */
export function startsWith(buffer: Buffer, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (buffer[from + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function isClosed({ buffer, start, hashAt, newline }: Line): boolean {
  const member = hashAt - HASH_MEMBER.length;
  return (
    buffer[newline - 1] === BRACE &&
    buffer[newline - 2] === QUOTE &&
    member > start &&
    startsWith(buffer, member, HASH_MEMBER) &&
    startsWith(buffer, start, PREFIX)
  );
}

/** Decimal digits from a place up to the first other byte; -1 for none. */
function numberAt(buffer: Buffer, from: number, to = from + 16): number {
  let number = 0;
  let at = from;
  for (; at < to; at++) {
    const byte = buffer[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    number = number * 10 + byte - ZERO;
  }
  return at === from ? -1 : number;
}

function digits(seq: number): number {
  let count = 1;
  for (let rest = seq; rest >= 10; rest /= 10) count++;
  return count;
}
