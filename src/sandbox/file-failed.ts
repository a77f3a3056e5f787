/** What was asked of a file inside, and came to nothing. */
import { CaissonError } from '../core/error.ts';

/** @param errno its name, such as `ENOENT`, where the kernel said so */
export function fileFailed(op: string, path: string, reason: string, errno?: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'sandbox',
    message: `${op} ${path}: ${reason}`,
    details: { op, path, ...(errno === undefined ? {} : { errno }) },
  });
}
