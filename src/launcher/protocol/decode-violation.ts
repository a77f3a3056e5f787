/**
 * A refused system call, from bytes (protocol/PROTOCOL.md, "Result", tag 23); written in C by native/launcher/notify.c.
 */
import { malformed, readAmount, readFields, readI32, readU32, readU64 } from './fields.ts';

/** A system call that was refused and recorded: equal ones of one program, in one. */
export interface RawViolation {
  /** Undefined: calls beyond the 64 different ones that are kept apart. */
  number: number | undefined;
  count: number;
  /** Of the first, in the host's name space. */
  pid: number | undefined;
  /** Its comm, the guest's own to choose: control characters are replaced. */
  program: string;
  /** Registers of the first; what a pointer among them led to nobody has looked at. */
  args: readonly bigint[];
  /** The run was ended for it. */
  ended: boolean;
}

export function decodeViolation(body: Buffer): RawViolation {
  const out: RawViolation & { args: bigint[] } = {
    number: undefined,
    count: 1,
    pid: undefined,
    program: '',
    args: [],
    ended: false,
  };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.number = readU32(field);
    else if (field.tag === 2) out.count = readAmount(field);
    else if (field.tag === 3) out.pid = readI32(field);
    else if (field.tag === 4) out.program = printable(field.body.toString('utf8'));
    else if (field.tag >= 5 && field.tag <= 10) out.args[field.tag - 5] = readU64(field);
    else if (field.tag === 11) out.ended = readU32(field) !== 0;
    else throw malformed(`a violation has an unknown field ${field.tag}`);
  }
  return out;
}

/** It is printed on terminals, too. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\ufffd]/gu, '?');
}
