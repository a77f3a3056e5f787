/** `AUDIT_UNAVAILABLE`, from whatever kept the log from being opened or written. */
import { CaissonError, isCaissonError } from '../../core/error.ts';

/** @returns the cause itself where it says all that already */
export function auditUnavailable(cause: unknown, what: string): CaissonError {
  if (isCaissonError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'observe',
    message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: full
      ? 'make room on the disk of the log: it goes on by itself then'
      : 'bring the directory back, or begin a log in another one',
    cause,
  });
}
