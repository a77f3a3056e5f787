/**
 * Brings checkpoints to a second place, at least once: what was not taken is offered again, after a restart too.
 * Nobody waits for it but the retention, and the close of the log for a while.
 */
import { appendFile, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ShipTarget } from './audit-options.ts';
import type { Checkpoint } from './checkpoint.ts';
import { shippedFileName } from './shipped-checkpoints.ts';

const PROGRESS = 'shipped.json';
const AT_ONCE = 1000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
const REQUEST_MS = 10_000;
const NEWLINE = 10;

export class CheckpointShipper {
  readonly #targets: readonly Target[];
  readonly #directory: string;

  private constructor(directory: string, targets: readonly Target[]) {
    this.#directory = directory;
    this.#targets = targets;
  }

  static async open(directory: string, targets: readonly ShipTarget[]): Promise<CheckpointShipper> {
    const known = await readProgress(directory);
    const shipper: CheckpointShipper = new CheckpointShipper(
      directory,
      targets.map((target, index) => {
        const name = nameOf(target, index);
        return new Target(name, target, known[name] ?? 0, () => shipper.#remember());
      }),
    );
    return shipper;
  }

  /** Checkpoints of up to so many records were taken by everybody; all, where there is nobody. */
  get through(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#targets.map(({ through }) => through));
  }

  /** What went wrong last, by target. */
  get failures(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.#targets.flatMap(({ name, failure }) =>
        failure === undefined ? [] : [[name, failure]],
      ),
    );
  }

  add(checkpoints: readonly Checkpoint[]): void {
    for (const target of this.#targets) target.add(checkpoints);
  }

  /** Waits for what is on its way, so long at most; then stops. The rest is offered after the next open. */
  async close(ms: number): Promise<void> {
    const idle = Promise.all(this.#targets.map((target) => target.idle()));
    const enough = new AbortController();
    await Promise.race([idle, delay(ms, undefined, { signal: enough.signal }).catch(() => {})]);
    enough.abort();
    for (const target of this.#targets) target.stop();
    await this.#remembered;
  }

  #remembered: Promise<void> = Promise.resolve();

  #remember(): void {
    this.#remembered = this.#remembered
      .then(async () => {
        const known = Object.fromEntries(this.#targets.map(({ name, through }) => [name, through]));
        const path = join(this.#directory, PROGRESS);
        await writeFile(`${path}.new`, JSON.stringify(known), { mode: 0o600 });
        await rename(`${path}.new`, path);
        // Lost, it only means that some are shipped twice.
      })
      .catch(() => {});
  }
}

class Target {
  readonly name: string;
  through: number;
  failure: string | undefined;
  readonly #target: ShipTarget;
  readonly #progress: () => void;
  #waiting: Checkpoint[] = [];
  #running: Promise<void> | undefined;
  readonly #stopped = new AbortController();

  constructor(name: string, target: ShipTarget, through: number, progress: () => void) {
    this.name = name;
    this.#target = target;
    this.through = through;
    this.#progress = progress;
  }

  add(checkpoints: readonly Checkpoint[]): void {
    this.#waiting.push(...checkpoints.filter(({ size }) => size > this.through));
    if (this.#waiting.length === 0 || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    let pause = FIRST_PAUSE_MS;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const some = this.#waiting.slice(0, AT_ONCE);
      try {
        await deliver(this.#target, some, signal);
        this.#waiting.splice(0, some.length);
        this.through = some.at(-1)?.size ?? this.through;
        this.failure = undefined;
        pause = FIRST_PAUSE_MS;
        this.#progress();
      } catch (cause) {
        this.failure = cause instanceof Error ? cause.message : String(cause);
        await delay(pause, undefined, { signal, ref: false }).catch(() => {});
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }
}

async function deliver(
  target: ShipTarget,
  checkpoints: readonly Checkpoint[],
  stopped: AbortSignal,
): Promise<void> {
  if (typeof target === 'function') return await target(checkpoints);
  const lines = checkpoints.map((checkpoint) => `${JSON.stringify(checkpoint)}\n`).join('');
  if ('directory' in target) {
    // One that is missing is not made: a mount that is not there would be shipped to the same disk.
    const path = join(target.directory, shippedFileName(checkpoints[0]?.log ?? ''));
    // Behind a line that an earlier attempt did not finish.
    const begin = (await endsInLine(path)) ? '\n' : '';
    await appendFile(path, begin + lines, { mode: 0o644, flush: true });
    return;
  }
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(REQUEST_MS)]);
  const headers = { 'content-type': 'application/x-ndjson', ...target.headers };
  const answer = await fetch(target.url, { method: 'POST', headers, body: lines, signal });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`${target.url} answered ${answer.status}`);
}

async function endsInLine(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size === 0) return false;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] !== NEWLINE;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function nameOf(target: ShipTarget, index: number): string {
  if (typeof target === 'function') return `callback ${index}`;
  return 'directory' in target ? target.directory : target.url;
}

async function readProgress(directory: string): Promise<Readonly<Record<string, number>>> {
  try {
    return JSON.parse(await readFile(join(directory, PROGRESS), 'utf8'));
  } catch {
    return {};
  }
}
