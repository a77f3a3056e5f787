/**
 * Results on a time grid: what a caller learns of how long something took is the cell of the grid, no more.
 *
 * The grid of a run begins when the run is asked for. One grid for all, at whatever phase, would tell more: who chooses
 * when to ask could move the same run across a line of it, step by step, and read off the exact time.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome, Usage } from '../core/outcome.ts';

/** Kept for a line of the grid; then the guest waits. */
const STREAM_BYTES = 4 * 1024 * 1024;

export class ResultGrid {
  readonly #cellMs: number;
  readonly #begin = performance.now();

  /** Begins now. @param cellMs at least 1 */
  constructor(cellMs: number) {
    this.#cellMs = cellMs;
  }

  /** Settles at the next line of the grid, the first one after a whole cell. */
  async line(): Promise<void> {
    const cells = Math.floor((performance.now() - this.#begin) / this.#cellMs) + 1;
    const at = this.#begin + cells * this.#cellMs;
    // Timers may fire up to a millisecond early.
    for (let left = at - performance.now(); left > 0; left = at - performance.now()) {
      await sleep(Math.ceil(left));
    }
  }

  /** With its times rounded up to the grid. */
  outcome(outcome: Outcome): Outcome {
    const { launchMs, runMs, teardownMs } = outcome.timing;
    return {
      ...outcome,
      usage: this.usage(outcome.usage),
      timing: {
        launchMs: this.#up(launchMs),
        runMs: this.#up(runMs),
        teardownMs: this.#up(teardownMs),
      },
    };
  }

  usage(usage: Usage): Usage {
    return {
      ...usage,
      wallMs: this.#up(usage.wallMs),
      cpuUserMs: this.#up(usage.cpuUserMs),
      cpuSystemMs: this.#up(usage.cpuSystemMs),
    };
  }

  /** Passes on at lines of the grid what has come until then, the end too. */
  stream(): Transform {
    return new GridStream(this);
  }

  /** Nothing at all is a cell too: whether a clock ticked tells more than the cell. */
  #up(ms: number): number {
    return Math.max(1, Math.ceil(ms / this.#cellMs)) * this.#cellMs;
  }
}

class GridStream extends Transform {
  readonly #grid: ResultGrid;
  #held: Buffer[] = [];
  #bytes = 0;
  #line: Promise<void> | undefined;

  constructor(grid: ResultGrid) {
    super({ readableHighWaterMark: STREAM_BYTES });
    this.#grid = grid;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#held.push(chunk);
    this.#bytes += chunk.length;
    this.#line ??= this.#grid.line().then(() => this.#release());
    if (this.#bytes < STREAM_BYTES) done();
    else void this.#line.then(() => done());
  }

  override _flush(done: TransformCallback): void {
    void (this.#line ?? this.#grid.line()).then(() => done());
  }

  #release(): void {
    this.#line = undefined;
    this.#bytes = 0;
    const held = this.#held;
    this.#held = [];
    if (!this.destroyed && held.length > 0) this.push(Buffer.concat(held));
  }
}
