/**
 * Refused file accesses, from bytes (protocol/PROTOCOL.md, "Result", tags 26 to 29); written in C by
 * native/launcher/landlock_audit.c and observe.c.
 */
import { printable } from './decode-violation.ts';
import { type Field, malformed, readAmount, readFields, readI32, readU32 } from './fields.ts';

export interface RawFileRefusals {
  logged: RawLoggedRefusal[];
  observed: RawObservedRefusal[];
  /** Refusals that there was no room for, at least. */
  dropped: number;
}

/** A refusal of Landlock's, as the kernel's audit log tells it; equal ones in one. */
export interface RawLoggedRefusal {
  /** The record's text behind its stamp. What the guest chose in it is in quotes or in hexadecimal. */
  access: string;
  /** The system call's record of the first; absent: none came. */
  call?: string;
  count: number;
}

/** What an observer saw that could not succeed, right before the kernel refused it; equal ones in one. */
export interface RawObservedRefusal {
  /** Number of the system call. */
  number: number;
  /** What the guest will have been answered: ENOENT, EACCES, EPERM, EROFS. */
  errno: number;
  /** Inside; bytes, since no encoding is prescribed for a path. */
  path: Buffer;
  /** Bits: 1 read, 2 write, 4 execute, 8 make, remove or change. */
  access: number;
  /** Of the first, in the host's name space. */
  pid: number | undefined;
  /** Its comm, the guest's own to choose: control characters are replaced. */
  program: string;
  count: number;
}

/** Takes in a field with tag 26 to 29. */
export function addFileRefusal(into: RawFileRefusals, field: Field): void {
  if (field.tag === 26) into.logged.push(decodeLogged(field.body));
  else if (field.tag === 28) into.observed.push(decodeObserved(field.body));
  else into.dropped += readAmount(field);
}

function decodeLogged(body: Buffer): RawLoggedRefusal {
  const out: RawLoggedRefusal = { access: '', count: 1 };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.access = field.body.toString('latin1');
    else if (field.tag === 2) out.call = field.body.toString('latin1');
    else if (field.tag === 3) out.count = readAmount(field);
    else throw malformed(`a logged refusal has an unknown field ${field.tag}`);
  }
  return out;
}

function decodeObserved(body: Buffer): RawObservedRefusal {
  const out: RawObservedRefusal = {
    number: 0,
    errno: 0,
    path: Buffer.alloc(0),
    access: 0,
    pid: undefined,
    program: '',
    count: 1,
  };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.number = readU32(field);
    else if (field.tag === 2) out.errno = readI32(field);
    else if (field.tag === 3) out.path = field.body;
    else if (field.tag === 4) out.access = readU32(field);
    else if (field.tag === 5) out.pid = readI32(field);
    else if (field.tag === 6) out.program = printable(field.body.toString('utf8'));
    else if (field.tag === 7) out.count = readAmount(field);
    else throw malformed(`an observed refusal has an unknown field ${field.tag}`);
  }
  return out;
}
