/**
 * Where changes are worked on: a few at once, on the thread that asks; what turns out to be more, on a thread that does nothing
 * else, so that a guest's hundred thousand files hold up nobody. Results come a part at a time, when the last was taken.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CaissonError, type CaissonErrorOptions, type ErrorCode } from '../core/error.ts';
import { BeyondBudget, Budget } from './budget.ts';
import type { ApplyProgress } from './changes.ts';
import { type ChangesPart, type ChangesTask, workOnChanges } from './changes-work.ts';
import type { FromWorker, ToWorker } from './changes-worker.ts';

/** At once, whoever asks; the others wait. */
const MOST_THREADS = 8;
/** A thread that nobody used for so long is ended. */
const IDLE_MS = 5000;

/** @throws TOO_LARGE, CHANGES_CONFLICT, ABORTED */
export async function* runChanges(
  task: ChangesTask,
  { onProgress, signal }: ApplyProgress = {},
): AsyncGenerator<ChangesPart, void> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
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

/** @returns undefined where it is more; nothing is written then */
async function atOnce(task: ChangesTask, stop: Int32Array): Promise<ChangesPart[] | undefined> {
  const parts: ChangesPart[] = [];
  const isStopped = (): boolean => Atomics.load(stop, 0) !== 0;
  try {
    for await (const part of workOnChanges(task, Budget.inline(), { isStopped })) parts.push(part);
    return parts;
  } catch (error) {
    if (error instanceof BeyondBudget) return undefined;
    throw error;
  }
}

const idle = new Map<Worker, NodeJS.Timeout>();
const waiting: (() => void)[] = [];
let running = 0;

async function* onThread(
  task: ChangesTask,
  stop: Int32Array,
  onProgress: ApplyProgress['onProgress'],
): AsyncGenerator<ChangesPart, void> {
  if (running < MOST_THREADS) running++;
  else await new Promise<void>((enter) => waiting.push(enter));
  const worker = take();
  let isReusable = false;
  try {
    post(worker, { task, stop });
    for (;;) {
      const answer = await ask(worker, { next: true }, onProgress);
      if ('part' in answer) yield answer.part;
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
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
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
