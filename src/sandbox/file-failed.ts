/** What was asked of a file inside, or of one of the host that goes in or comes out, and came to nothing. */
import { getSystemErrorMap } from 'node:util';
import { CaissonError, type ErrorLayer, isCaissonError } from '../core/error.ts';

/** @param errno its name, such as `ENOENT`, where the kernel said so */
export function fileFailed(op: string, path: string, reason: string, errno?: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'sandbox',
    message: `${op} ${path}: ${reason}`,
    details: { op, path, ...(errno === undefined ? {} : { errno }) },
  });
}

/**
 * Copies between the host and a sandbox: what the host's kernel refuses is told as what the one inside refuses is.
 *
 * @param path of the host, as the caller wrote it
 * @throws FILE_FAILED, and what `work` throws otherwise
 */
export async function onHost<T>(
  op: 'upload' | 'download',
  path: string,
  layer: ErrorLayer,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const number = (error as { readonly errno?: unknown } | null)?.errno;
    const known = typeof number === 'number' ? getSystemErrorMap().get(number) : undefined;
    if (known === undefined || isCaissonError(error)) throw error;
    const [errno, reason] = known;
    // Of a tree it may be a file further down.
    const { path: where = path } = error as NodeJS.ErrnoException;
    const at = where === path || where.startsWith('/proc/') ? '' : ` (${where})`;
    throw new CaissonError('FILE_FAILED', {
      layer,
      message: `${op}: ${path} on this machine${at}: ${reason}`,
      ...hintFor(op, errno),
      details: { op, path, errno },
      cause: error,
    });
  }
}

function hintFor(op: 'upload' | 'download', errno: string): { readonly hint?: string } {
  const isThere = errno !== 'ENOENT' && errno !== 'ENOTDIR';
  if (errno === 'EACCES' || errno === 'EPERM') {
    return { hint: 'give the user of this process the right to it, or name another path' };
  }
  if (isThere) return {};
  return {
    hint:
      op === 'upload'
        ? 'upload(from, to): name a file or directory of this machine first'
        : 'download(from, to): the directory that it goes into must be there',
  };
}
