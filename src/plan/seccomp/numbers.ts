/**
 * The numbers of the system calls of an architecture, and what a filter must know of it.
 */
import { aarch64Numbers } from './numbers-aarch64.ts';
import { commonNumbers } from './numbers-common.ts';
import { x8664Numbers } from './numbers-x86-64.ts';

/** Calls with consecutive numbers: the number of the first one, then their names. */
export type NumberRow = readonly [first: number, names: string];

export type SeccompArch = 'x86_64' | 'aarch64';

/** AUDIT_ARCH_* of linux/audit.h: the `arch` that the kernel shows to a filter. */
export const auditArch: Readonly<Record<SeccompArch, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** On x86-64 this bit in a number says x32, the 32-bit ABI that shares AUDIT_ARCH_X86_64. */
export const X32_BIT = 0x40000000;

/** Name of every system call by its number, in ascending order. */
export const syscallNames: Readonly<Record<SeccompArch, ReadonlyMap<number, string>>> = {
  x86_64: byNumber([...x8664Numbers, ...commonNumbers]),
  aarch64: byNumber([...aarch64Numbers, ...commonNumbers]),
};

function byNumber(rows: readonly NumberRow[]): Map<number, string> {
  return new Map(
    rows.flatMap(([first, names]) =>
      names.split(' ').map((name, offset): [number, string] => [first + offset, name]),
    ),
  );
}
