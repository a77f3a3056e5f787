/**
 * What a filter answers to a system call: plainly, or after a look at its arguments.
 */

/** Values of errno(3) that a filter answers with; the same on x86-64 and aarch64. */
export const errnos = {
  EPERM: 1,
  EBUSY: 16,
  ENOSYS: 38,
  EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94,
  EAFNOSUPPORT: 97,
} as const;
export type Errno = keyof typeof errnos;

export type PlainAction =
  /** `observed`: an observer outside looks at it first, and has nothing to decide. */
  | { readonly kind: 'allow'; readonly observed?: true }
  | { readonly kind: 'errno'; readonly errno: Errno }
  /** Handed to the launcher, which records it and answers with `errno`. */
  | { readonly kind: 'notify'; readonly errno: Errno };

/**
 * A condition on one argument. Only the low 32 bits count, because the kernel reads these arguments as 32-bit
 * values: a check of all 64 would be passed by a value with a high bit set that the kernel then drops (CVE-2019-10063).
 */
export interface Condition {
  /** From 0. */
  readonly argument: number;
  /** Applied first; all 32 bits by default. */
  readonly mask?: number;
  /** `in`: the masked value is one of these. `any`: the masked value is not 0. */
  readonly test: { readonly in: readonly number[] } | 'any';
}

/** The first clause whose conditions all hold decides; none: `otherwise`. */
export interface CheckedAction {
  readonly kind: 'check';
  /** What is checked, in words. */
  readonly says: string;
  readonly clauses: readonly {
    readonly when: readonly Condition[];
    readonly answer: PlainAction;
  }[];
  readonly otherwise: PlainAction;
}

export type Action = PlainAction | CheckedAction;

export const ALLOW: PlainAction = { kind: 'allow' };
export const EPERM: PlainAction = { kind: 'errno', errno: 'EPERM' };
export const ENOSYS: PlainAction = { kind: 'errno', errno: 'ENOSYS' };

/** What an action comes to for given arguments: the table's own reading, against which the filter is proved. */
export function decide(action: Action, args: readonly bigint[]): PlainAction {
  if (action.kind !== 'check') return action;
  const clause = action.clauses.find(({ when }) =>
    when.every((condition) => holds(condition, args)),
  );
  return clause?.answer ?? action.otherwise;
}

function holds({ argument, mask, test }: Condition, args: readonly bigint[]): boolean {
  const low = Number(BigInt.asUintN(32, args[argument] ?? 0n));
  const masked = (low & (mask ?? 0xffffffff)) >>> 0;
  return test === 'any' ? masked !== 0 : test.in.includes(masked);
}
