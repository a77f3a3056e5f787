/**
 * Where changes are worked on: a few at once, on the thread that asks; what turns out to be more, on a thread that does nothing
 * else, so that a guest's hundred thousand files hold up nobody. Results come a part at a time, when the last was taken; where
 * somebody far away takes them, no thread is held meanwhile.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CaissonError, type CaissonErrorOptions, type ErrorCode } from '../core/error.ts';
import { BeyondBudget, Budget } from './budget.ts';
import type { ApplyProgress } from './changes.ts';
import {
  type ChangesPart,
  type ChangesTask,
  type DiffTask,
  workOnChanges,
} from './changes-work.ts';
import type { FromWorker, ToWorker } from './changes-worker.ts';

/** At once, whoever asks; the others wait. */
const MOST_THREADS = 8;
/** A thread that nobody used for so long is ended. */
const IDLE_MS = 5000;
/** What a thread makes of a diff at once, whichever comes first; one change may be some times as long. */
const DIFF_PART = { changes: 256, characters: 256 * 1024, ms: 100 };

type ListOrApply = Exclude<ChangesTask, DiffTask>;

/** @throws TOO_LARGE, CHANGES_CONFLICT, ABORTED */
export async function* runChanges(
  task: ListOrApply,
  { onProgress, signal }: ApplyProgress = {},
): AsyncGenerator<ChangesPart<ListOrApply>, void> {
  const stop = notStopped();
  const onAbort = (): void => {
    Atomics.store(stop, 0, 1);
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const few = await atOnce(task, stop);
    if (few !== undefined) return yield* few;
    yield* onThread(task, stop, onProgress);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Texts of the changes, in their order, one for each.
 *
 * @param setup `most`: it ends with the change that goes beyond so many characters
 * @throws SANDBOX_CLOSED
 */
export async function* runDiff({
  layers,
  changes,
  most,
}: Pick<DiffTask, 'layers' | 'changes' | 'most'>): AsyncGenerator<readonly string[], void> {
  const stop = notStopped();
  const few = await atOnce({ kind: 'diff', layers, changes, most }, stop);
  for (const { texts } of few ?? []) yield texts;
  if (few !== undefined) return;
  let left = most;
  for (let at = 0; at < changes.length && left >= 0; ) {
    const texts: string[] = [];
    const task: DiffTask = {
      kind: 'diff',
      layers,
      changes: changes.slice(at, at + DIFF_PART.changes).map(named),
      most: Math.min(left, DIFF_PART.characters),
      forMs: DIFF_PART.ms,
    };
    // To the end of the task: whoever reads slowly, or never again, must not keep a thread from others.
    for await (const part of onThread(task, stop)) texts.push(...part.texts);
    if (texts.length === 0) throw broken(undefined);
    at += texts.length;
    left -= texts.reduce((sum, { length }) => sum + length, 0);
    yield texts;
  }
}

/** What a diff needs of it. */
function named({ path, kind, type }: DiffTask['changes'][number]): DiffTask['changes'][number] {
  return { path, kind, type };
}

function notStopped(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** @returns undefined where it is more; nothing is written then */
async function atOnce<T extends ChangesTask>(
  task: T,
  stop: Int32Array,
): Promise<ChangesPart<T>[] | undefined> {
  const parts: ChangesPart<T>[] = [];
  const isStopped = (): boolean => Atomics.load(stop, 0) !== 0;
  try {
    for await (const part of workOnChanges(task, Budget.inline(), { isStopped })) {
      parts.push(part as ChangesPart<T>);
    }
    return parts;
  } catch (error) {
    if (error instanceof BeyondBudget) return undefined;
    throw error;
  }
}

const idle = new Map<Worker, NodeJS.Timeout>();
const waiting: (() => void)[] = [];
let running = 0;

async function* onThread<T extends ChangesTask>(
  task: T,
  stop: Int32Array,
  onProgress?: ApplyProgress['onProgress'],
): AsyncGenerator<ChangesPart<T>, void> {
  if (running < MOST_THREADS) running++;
  else await new Promise<void>((enter) => waiting.push(enter));
  try {
    yield* onWorker(take(), task, stop, onProgress);
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

async function* onWorker<T extends ChangesTask>(
  worker: Worker,
  task: T,
  stop: Int32Array,
  onProgress: ApplyProgress['onProgress'],
): AsyncGenerator<ChangesPart<T>, void> {
  let isReusable = false;
  try {
    post(worker, { task, stop });
    for (;;) {
      const answer = await ask(worker, { next: true }, onProgress);
      if ('part' in answer) yield answer.part as ChangesPart<T>;
      else {
        isReusable = true;
        if ('failed' in answer) throw failure(answer);
        return;
      }
    }
  } finally {
    // Whoever took enough ends the walk, and with it the launcher that it reads from.
    if (!isReusable)
      isReusable = await ask(worker, { end: true }).then(
        () => true,
        () => false,
      );
    if (isReusable) keep(worker);
    else await worker.terminate();
  }
}

function take(): Worker {
  for (const [worker, timer] of idle) {
    clearTimeout(timer);
    idle.delete(worker);
    worker.ref();
    return worker;
  }
  const url = workerFile();
  if (!existsSync(fileURLToPath(url))) {
    throw new CaissonError('INTERNAL', {
      layer: 'sandbox',
      message: 'the program of the thread that works on changes is missing',
      hint: 'install Caisson again',
    });
  }
  const worker = new Worker(url, { env: {}, execArgv: [] });
  worker.on('error', () => forget(worker));
  worker.on('exit', () => forget(worker));
  return worker;
}

function keep(worker: Worker): void {
  worker.unref();
  const timer = setTimeout(() => {
    forget(worker);
    void worker.terminate();
  }, IDLE_MS);
  idle.set(worker, timer.unref());
}

function forget(worker: Worker): void {
  clearTimeout(idle.get(worker));
  idle.delete(worker);
}

function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./changes-worker.${extension}`, import.meta.url);
}

function post(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function ask(
  worker: Worker,
  message: ToWorker,
  onProgress?: ApplyProgress['onProgress'],
): Promise<Exclude<FromWorker, { progress: unknown }>> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    };
    const onMessage = (answer: FromWorker): void => {
      if ('progress' in answer) {
        onProgress?.(...answer.progress);
        return;
      }
      leave();
      resolve(answer);
    };
    const onError = (error: unknown): void => {
      leave();
      reject(broken(error));
    };
    const onExit = (): void => onError(undefined);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    post(worker, message);
  });
}

function broken(cause: unknown): CaissonError {
  return new CaissonError('INTERNAL', {
    layer: 'sandbox',
    message: 'the thread that works on changes ended',
    hint: 'try again; what was applied by then is applied, and the rest is pending',
    cause,
  });
}

function failure({ failed, isOurs }: Extract<FromWorker, { failed: unknown }>): Error {
  const { code, cause, ...options } = failed;
  if (!isOurs) return Object.assign(new Error(String(failed.message)), failed);
  return new CaissonError(code as ErrorCode, {
    ...(options as unknown as CaissonErrorOptions),
    ...(cause === undefined ? {} : { cause: new Error(String(cause)) }),
  });
}
