/** The thread of changes-thread.ts: one task after the other, a part whenever it is asked for. */
import { parentPort } from 'node:worker_threads';
import { isCaissonError } from '../core/error.ts';
import { Budget } from './budget.ts';
import { type ChangesPart, type ChangesTask, workOnChanges } from './changes-work.ts';

export type ToWorker =
  | { readonly task: ChangesTask; readonly stop: Int32Array }
  | { readonly next: true }
  | { readonly end: true };

export type FromWorker =
  | { readonly part: ChangesPart }
  | { readonly done: true }
  | { readonly progress: readonly [done: number, total: number] }
  | { readonly failed: Record<string, unknown>; readonly isOurs: boolean };

const port = parentPort;
if (port === null) throw new Error('this is a thread, not a program');
let parts: AsyncGenerator<ChangesPart, void> | undefined;

const say = (message: FromWorker): void => port.postMessage(message);

port.on('message', async (message: ToWorker) => {
  try {
    if ('task' in message) {
      const { task, stop } = message;
      parts = workOnChanges(task, Budget.unlimited(), {
        isStopped: () => Atomics.load(stop, 0) !== 0,
        onProgress: (done, total) => say({ progress: [done, total] }),
      });
      return;
    }
    const result = 'next' in message ? await parts?.next() : await parts?.return();
    say(result?.done === false ? { part: result.value } : { done: true });
  } catch (error) {
    if (isCaissonError(error)) say({ failed: error.toJSON(), isOurs: true });
    else {
      const { message: said, code, stack } = error as NodeJS.ErrnoException;
      say({ failed: { message: said, code, stack }, isOurs: false });
    }
  }
});
