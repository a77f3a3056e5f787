/**
 * Analyses on other threads, each with a hard limit of time and memory: a thread that overruns is ended and another one
 * started. The analyzer has limits of its own; these hold where it does not keep them.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CaissonError } from '../../core/error.ts';
import type { Analysis, AnalysisOptions } from '../threat/analyzer.ts';
import type { AnalysisAnswer, AnalysisTask } from './analysis-worker.ts';
import { SUSPICIOUS, type Unanalysed, unanalysedFinding } from './own-findings.ts';

export interface AnalysisThreadsOptions {
  /** Default: as many as there are cores. */
  readonly threads?: number;
  /** Of one analysis, ms; default 10,000. */
  readonly timeLimitMs?: number;
  /** Of one thread's heap, MiB; default 1024. */
  readonly memoryMb?: number;
  /** The module that the threads run; default `analysis-worker`. It speaks as that one does. */
  readonly worker?: URL;
}

/** An answer of the analyzer, or what stands for it where it was ended. */
export type ThreadAnalysis = Omit<Analysis, 'measures'> & {
  readonly measures?: Analysis['measures'];
  /** The analysis was ended: the score says nothing but that. */
  readonly unanalysed?: Unanalysed;
};

interface Job {
  readonly task: AnalysisTask;
  readonly resolve: (analysis: ThreadAnalysis) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
  job: Job | undefined;
  timer: NodeJS.Timeout | undefined;
}

const TIME_LIMIT_MS = 10_000;
const MEMORY_MB = 1024;
/** Of starting: grammars and the model are loaded. */
const START_LIMIT_MS = 60_000;

export class AnalysisThreads {
  readonly #most: number;
  readonly #timeLimitMs: number;
  readonly #memoryMb: number;
  readonly #url: URL;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor({ threads, timeLimitMs, memoryMb, worker }: AnalysisThreadsOptions = {}) {
    this.#most = Math.max(1, threads ?? availableParallelism());
    this.#timeLimitMs = timeLimitMs ?? TIME_LIMIT_MS;
    this.#memoryMb = memoryMb ?? MEMORY_MB;
    this.#url = worker ?? workerFile();
  }

  get threads(): number {
    return this.#most;
  }

  /**
   * Rejects only where no thread can be started, or when it is closed: whatever the source does to an analysis is an
   * answer.
   *
   * @param source copied to the thread
   */
  analyze(source: Uint8Array, options: AnalysisOptions): Promise<ThreadAnalysis> {
    if (this.#closed) return Promise.reject(failed('the threads of the analysis are closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task: { source, options }, resolve, reject });
      this.#dispatch();
    });
  }

  /** Idempotent; what is under way is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = failed('the threads of the analysis are closed');
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, error)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#threads].find(({ job, ready }) => ready && job === undefined);
      if (idle === undefined) break;
      this.#give(idle, this.#waiting.shift() as Job);
    }
    const starting = [...this.#threads].filter(({ ready }) => !ready).length;
    if (this.#waiting.length > starting && this.#threads.size < this.#most) this.#start();
  }

  #give(thread: Thread, job: Job): void {
    thread.job = job;
    thread.timer = setTimeout(() => this.#overrun(thread, 'time-limit'), this.#timeLimitMs);
    thread.worker.postMessage(job.task);
  }

  #start(): void {
    const worker = new Worker(this.#url, {
      resourceLimits: { maxOldGenerationSizeMb: this.#memoryMb, stackSizeMb: 4 },
      // What an analysis prints is nobody's business, and what runs it has no say in ours.
      stdout: true,
      stderr: true,
      execArgv: [],
      env: {},
    });
    const timer = setTimeout(
      () => this.#broken(thread, 'it did not start in time'),
      START_LIMIT_MS,
    );
    const thread: Thread = { worker, ready: false, job: undefined, timer };
    this.#threads.add(thread);
    worker.on('message', (answer: AnalysisAnswer) => this.#answered(thread, answer));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (!thread.ready) this.#broken(thread, error.message, error);
      else this.#overrun(thread, isOutOfMemory(error) ? 'out-of-memory' : 'crashed');
    });
    worker.on('exit', () => {
      if (!this.#threads.has(thread)) return;
      if (thread.ready) this.#overrun(thread, 'crashed');
      else this.#broken(thread, 'it ended while it was started');
    });
  }

  #answered(thread: Thread, answer: AnalysisAnswer): void {
    clearTimeout(thread.timer);
    if ('ready' in answer) thread.ready = true;
    else {
      const { job } = thread;
      thread.job = undefined;
      job?.resolve(answer.analysis);
    }
    this.#dispatch();
  }

  #overrun(thread: Thread, why: Unanalysed): void {
    const { job } = thread;
    thread.job = undefined;
    void this.#end(thread);
    job?.resolve(unanalysed(job.task.options, why, this.#timeLimitMs));
    this.#dispatch();
  }

  /** A thread that does not start will not the next time: nobody waits for it any longer. */
  #broken(thread: Thread, reason: string, cause?: Error): void {
    const error = failed(`a thread of the analysis cannot be started: ${reason}`, cause);
    void this.#end(thread, error);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async #end(thread: Thread, error?: Error): Promise<void> {
    if (!this.#threads.delete(thread)) return;
    clearTimeout(thread.timer);
    thread.job?.reject(error);
    thread.job = undefined;
    await thread.worker.terminate();
  }
}

/** What stands for an analysis that was never made. */
export function unanalysed(
  { language }: AnalysisOptions,
  why: Unanalysed,
  elapsedMs = 0,
): ThreadAnalysis {
  return {
    language,
    score: SUSPICIOUS,
    findings: [unanalysedFinding(why)],
    notes: [why === 'too-large' ? 'too-large' : 'time-limit'],
    elapsedMs,
    unanalysed: why,
  };
}

function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./analysis-worker.${extension}`, import.meta.url);
}

function isOutOfMemory({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ERR_WORKER_OUT_OF_MEMORY';
}

function failed(message: string, cause?: Error): CaissonError {
  return new CaissonError('INTERNAL', { layer: 'admission', message, cause });
}
