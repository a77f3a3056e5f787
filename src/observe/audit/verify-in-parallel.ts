/**
 * `verifyLog` for large logs: each file by itself, several at once, from what its header says was before; then whether
 * each file ends where the next one says that it begins. Where anything at all is wrong, the whole is verified again in
 * order, so that there is one account of what was found.
 */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Walk } from './chain-verifier.ts';
import type { Verification } from './finding.ts';
import { readHeader } from './log-files.ts';
import type { FileTask } from './verify-file-worker.ts';
import { judge, type Subject, subjectOf, type VerifyOptions, walkInOrder } from './verify-log.ts';

/** Below this a second thread costs more than it brings, bytes. */
const WORTH_IT = 32 * 1024 * 1024;
const MOST_THREADS = 8;

/** As `verifyLog`, on as many cores as there are. @throws PATH_MISSING, REQUEST_INVALID */
export async function verifyLogInParallel(options: VerifyOptions): Promise<Verification> {
  const subject = subjectOf(options);
  const threads = threadsFor(subject);
  const walks = threads < 2 ? undefined : await walkFiles(subject, threads).catch(() => undefined);
  return judge(subject, joined(subject, walks ?? []) ?? walkInOrder(subject));
}

function threadsFor({ options, files }: Subject): number {
  if (options.from !== undefined || options.onCheckpoint !== undefined) return 1;
  const bytes = files.reduce((sum, file) => sum + statSync(file.path).size, 0);
  if (bytes < WORTH_IT || !existsSync(fileURLToPath(workerFile()))) return 1;
  return Math.min(availableParallelism(), files.length, MOST_THREADS);
}

function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./verify-file-worker.${extension}`, import.meta.url);
}

async function walkFiles(subject: Subject, threads: number): Promise<Walk[]> {
  const { files, log, fingerprint, roots, options } = subject;
  const key = options.key.export({ type: 'spki', format: 'der' });
  const tasks = files.map((file, index): FileTask => {
    const last = index === files.length - 1;
    return { file, last, key, fingerprint, log, roots, expectHash: options.expectHead?.hash };
  });
  const walks: Walk[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(workerFile());
    try {
      for (let index = next++; index < tasks.length; index = next++) {
        walks[index] = await answer(worker, tasks[index] as FileTask);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return walks;
}

function answer(worker: Worker, task: FileTask): Promise<Walk> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread ended')));
    worker.postMessage(task);
  });
}

/** @returns undefined where anything is not as it should be */
function joined({ files, log }: Subject, walks: readonly Walk[]): Walk | undefined {
  let whole: Walk | undefined;
  for (const [index, walk] of walks.entries()) {
    if (walk.findings.length > 0) return undefined;
    if (whole === undefined) {
      whole = walk;
      continue;
    }
    const found = readHeader(files[index]?.path ?? '');
    if (found === undefined || found.header.log !== log) return undefined;
    if (!follows(found.record.seq, found.record.ts, found.header, whole)) return undefined;
    whole = {
      ...walk,
      first: whole.first,
      records: whole.records + walk.records,
      checkpoints: whole.checkpoints + walk.checkpoints,
      metExpected: whole.metExpected || walk.metExpected,
      retiredThrough: Math.max(whole.retiredThrough, walk.retiredThrough),
    };
  }
  return whole;
}

/** Whether a file begins where the one before it ended. */
function follows(
  seq: number,
  ts: string,
  header: { readonly prev: string; readonly checkpoint: string; readonly peaks: readonly string[] },
  { state, lastTime: [seconds, nanos] }: Walk,
): boolean {
  return (
    seq === state.size &&
    header.prev === state.head &&
    header.checkpoint === state.checkpoint &&
    header.peaks.join() === state.peaks.join() &&
    state.sinceCheckpoint === 0 &&
    BigInt(ts) > BigInt(seconds) * 1_000_000_000n + BigInt(nanos)
  );
}
