/** A tree inside a sandbox, removed in turns: others come between, and a guest that fills it again does not hold us for ever. */
import type { FilesRequest } from '../backends/backend.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { AskFiles } from './file-streams.ts';

const WITHIN_MS = 60_000;

/** @throws FILE_FAILED, with EAGAIN where `withinMs` were not enough */
export async function removeWithin(
  ask: AskFiles,
  request: FilesRequest,
  withinMs: number = WITHIN_MS,
): Promise<void> {
  const until = performance.now() + withinMs;
  for (let turn = 0; ; turn++) {
    try {
      await ask(request);
      return;
    } catch (error) {
      const errno = isCaissonError(error) ? String(error.details.errno) : '';
      // Gone, and that after a turn that left some of it: somebody else took the rest.
      if (turn > 0 && errno === 'ENOENT') return;
      if (!TURN_OVER.includes(errno)) throw error;
      if (performance.now() >= until) throw notEmptied(request, withinMs, error);
    }
  }
}

/** One number has both names. */
const TURN_OVER = ['EAGAIN', 'EWOULDBLOCK'];

function notEmptied({ op, path }: FilesRequest, withinMs: number, cause: unknown): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'sandbox',
    message: `${op} ${path}: not all of it is gone after ${withinMs / 1000} s: it is large, or filled again meanwhile`,
    hint: 'end what writes there, and ask again: what is gone stays gone',
    details: { op, path, errno: 'EAGAIN' },
    cause,
  });
}
