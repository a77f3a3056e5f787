/** wasi:filesystem/types' `new-timestamp`, as preview 1 says it. */
import { type Datetime, nanosecondsOf } from './clocks-and-random.ts';

export type NewTimestamp =
  | { readonly tag: 'no-change' | 'now' }
  | { readonly tag: 'timestamp'; readonly val: Datetime };

/** Bits of preview 1's `fstflags`. */
const [ACCESSED, ACCESSED_NOW, MODIFIED, MODIFIED_NOW] = [1, 2, 4, 8] as const;

function flagOf({ tag }: NewTimestamp, given: number, now: number): number {
  if (tag === 'no-change') return 0;
  return tag === 'now' ? now : given;
}

/** Nanoseconds since 1970; 0 where the flags say that it is not used. */
export function timeOf(time: NewTimestamp): bigint {
  return time.tag === 'timestamp' ? nanosecondsOf(time.val) : 0n;
}

export function timeFlags(accessed: NewTimestamp, modified: NewTimestamp): number {
  return flagOf(accessed, ACCESSED, ACCESSED_NOW) | flagOf(modified, MODIFIED, MODIFIED_NOW);
}
