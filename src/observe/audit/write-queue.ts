/**
 * What waits to be written, and how it gets to the disk: batch by batch, tried again while the disk is full, refused
 * for good where it cannot be. Whoever must not go on before there is room waits here, too.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';
import type { AuditSettings } from './audit-options.ts';
import { auditUnavailable } from './audit-unavailable.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Batch, LogFileWriter } from './log-file-writer.ts';
import { pipeLine } from './pipe-line.ts';
import { parseRecord } from './record.ts';

/** A full disk may have room again; anything else does not go away. */
const PASSING = new Set([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EAGAIN',
  'EINTR',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
]);
const RETRY_MS = 100;

/** Between two batches that nobody waits for: under load each then holds the records of several runs, for one sync. */
const PACE_MS = 2;

/** Whoever is told what became of a record, or that there is room. */
export interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: CaissonError) => void;
}

/** What goes into one file. */
interface Segment extends Batch {
  readonly waiters: Waiter[];
  /** Whoever goes on when the kernel has it, or does not take it now. */
  readonly tellers: (() => void)[];
  readonly checkpoints: Checkpoint[];
  records: number;
}

/** Events that were not taken. */
export interface Lost {
  readonly events: number;
  /** Time of the first of them, nanoseconds. */
  readonly since: string;
}

const NONE_LOST: Lost = { events: 0, since: '' };

export class WriteQueue {
  readonly #settings: AuditSettings;
  /** Told after each batch that is on the disk, with the checkpoints in it. */
  readonly #onWritten: (checkpoints: readonly Checkpoint[]) => void;
  readonly #writer = new LogFileWriter();
  /** Not yet given to the writer, a segment for each file. */
  readonly #segments: Segment[] = [];
  /** Given to the writer, and not taken by the kernel yet. */
  #inHand: Segment | undefined;
  #waiting = 0;
  #draining: Promise<void> | undefined;
  #stalled: CaissonError | undefined;
  #failed: CaissonError | undefined;
  #givesUp = false;
  #closed = false;
  #lost = NONE_LOST;
  readonly #gates: Waiter[] = [];
  /** Ends the pause between two batches. */
  #hurry: (() => void) | undefined;

  constructor(settings: AuditSettings, onWritten: (checkpoints: readonly Checkpoint[]) => void) {
    this.#settings = settings;
    this.#onWritten = onWritten;
  }

  get state(): 'writing' | 'stalled' | 'failed' | 'closed' {
    if (this.#closed) return 'closed';
    if (this.#failed !== undefined) return 'failed';
    return this.#stalled === undefined ? 'writing' : 'stalled';
  }

  /** Of the file that is written into, which may be behind the one that records are put into; undefined: none is. */
  get path(): string | undefined {
    return this.#writer.path;
  }

  /** Records that are not written yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether it takes records. Twice what closes the gates: those that passed them still have something to say. */
  get isOpen(): boolean {
    const isFull = this.#waiting >= this.#settings.queue.records * 2;
    return !isFull && this.#failed === undefined && !this.#closed;
  }

  /** Events that were lost since {@link takeLost}. */
  get lost(): number {
    return this.#lost.events;
  }

  /** Why a record is not taken. */
  get refusal(): CaissonError {
    const known = this.#failed ?? this.#stalled;
    if (known !== undefined) return known;
    const message = this.#closed
      ? 'the audit log is closed'
      : 'too many records wait to be written';
    return new CaissonError('AUDIT_UNAVAILABLE', { layer: 'observe', message });
  }

  /** Goes on with a file that is there. */
  async resume(path: string, bytes: number): Promise<void> {
    await this.#writer.resume(path, bytes);
  }

  /** A line that nobody waits for and nobody misses: a file's header. */
  putHeader(path: string, line: string): void {
    this.#put(path, line);
  }

  putRecord(path: string, line: string, waiter: Waiter | undefined): void {
    const segment = this.#put(path, line);
    segment.records++;
    this.#waiting++;
    if (waiter === undefined) return;
    segment.waiters.push(waiter);
    this.#hurry?.();
  }

  putCheckpoint(path: string, line: string, checkpoint: Checkpoint): void {
    this.#put(path, line).checkpoints.push(checkpoint);
  }

  /** @param now nanoseconds */
  lose(now: bigint): void {
    const { events, since } = this.#lost;
    this.#lost = { events: events + 1, since: events === 0 ? String(now) : since };
  }

  /** What was lost, to be recorded now; undefined where nothing was. */
  takeLost(): Lost | undefined {
    const lost = this.#lost;
    this.#lost = NONE_LOST;
    return lost.events === 0 ? undefined : lost;
  }

  /** Resolves when there is room, as `queue.whenFull` says. @throws AUDIT_UNAVAILABLE */
  room(): Promise<void> {
    const { records, whenFull } = this.#settings.queue;
    if (this.#stalled === undefined && this.#waiting < records) return Promise.resolve();
    if (whenFull === 'fail') return Promise.reject(this.refusal);
    this.#hurry?.();
    return new Promise((resolve, reject) => this.#gates.push({ resolve, reject }));
  }

  /** Settles when the kernel has what was put here before, or does not take it now. */
  written(): Promise<void> {
    const segment = this.#segments.at(-1) ?? this.#inHand;
    if (segment === undefined || this.state !== 'writing') return Promise.resolve();
    this.#hurry?.();
    return new Promise((resolve) => segment.tellers.push(resolve));
  }

  /** From now on a full disk is not waited for. */
  giveUp(): void {
    this.#givesUp = true;
  }

  /** Resolves when nothing waits any more. @throws AUDIT_UNAVAILABLE */
  async drained(): Promise<void> {
    this.#hurry?.();
    while (this.#draining !== undefined) await this.#draining;
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** What was written is on the disk, whatever `fsync` says. @throws AUDIT_UNAVAILABLE */
  async sync(): Promise<void> {
    await this.#writer.sync().catch((cause) => {
      throw this.fail(cause);
    });
  }

  /** Fails where its file is not in its place any more. */
  async checkPlace(): Promise<void> {
    await this.#writer.checkPlace().catch((cause) => this.fail(cause));
  }

  /** For good: whoever waits is told, and nothing is taken any more. @returns what it is refused with */
  fail(cause: unknown): CaissonError {
    this.#failed ??= auditUnavailable(cause, 'the audit log cannot be written any more');
    this.#refuseAll();
    return this.#failed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#refuseAll();
    await this.#writer.close().catch(() => {});
  }

  #put(path: string, line: string): Segment {
    let segment = this.#segments.at(-1);
    if (segment?.path !== path) {
      segment = {
        path,
        lines: [],
        columns: [],
        waiters: [],
        tellers: [],
        checkpoints: [],
        records: 0,
      };
      this.#segments.push(segment);
    }
    segment.lines.push(line);
    if (this.#settings.lines) segment.columns.push(columnsOf(line));
    this.#draining ??= this.#drain();
    return segment;
  }

  async #drain(): Promise<void> {
    // Whatever is given in this turn of the event loop goes into one batch.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#failed === undefined) {
        const segment = this.#segments.shift();
        if (segment === undefined) break;
        await this.#write(segment);
        await this.#pause();
      }
    } finally {
      this.#draining = undefined;
    }
  }

  /** Until the next batch, or somebody waits. */
  async #pause(): Promise<void> {
    if (this.#gates.length > 0 || this.#segments.some(isAwaited)) return;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, PACE_MS);
    this.#hurry = () => setImmediate(over.resolve);
    await over.promise;
    clearTimeout(timer);
    this.#hurry = undefined;
  }

  async #write(segment: Segment): Promise<void> {
    const { fsync, queue, ship } = this.#settings;
    const sync = fsync === 'always';
    this.#inHand = segment;
    const onWritten = (): void => {
      this.#inHand = undefined;
      goOn(segment);
    };
    for (;;) {
      try {
        await this.#writer.write(segment, sync, onWritten);
        break;
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code ?? '';
        this.#stalled = auditUnavailable(cause, 'the audit log cannot be written');
        for (const each of [segment, ...this.#segments]) goOn(each);
        if (!PASSING.has(code) || this.#givesUp) {
          this.#segments.unshift(segment);
          this.fail(cause);
          return;
        }
        if (queue.whenFull === 'fail') this.#shut(this.#stalled);
        await delay(RETRY_MS, undefined, { ref: this.#waiting > 0 });
      }
    }
    this.#stalled = undefined;
    this.#waiting -= segment.records;
    // What is shipped must not be lost here: it would look like a tail that was cut off.
    if (!sync && segment.checkpoints.length > 0 && ship.length > 0) {
      await this.#writer.sync().catch((cause) => this.fail(cause));
    }
    for (const { resolve } of segment.waiters) resolve();
    if (this.#waiting < queue.records) for (const { resolve } of this.#gates.splice(0)) resolve();
    this.#onWritten(segment.checkpoints);
  }

  #refuseAll(): void {
    for (const segment of this.#segments.splice(0)) {
      const { waiters, records } = segment;
      goOn(segment);
      // One that is refused to its giver is not lost: the giver knows.
      const { events, since } = this.#lost;
      this.#lost = { events: events + records - waiters.length, since };
      for (const { reject } of waiters) reject(this.refusal);
    }
    this.#waiting = 0;
    this.#shut(this.refusal);
  }

  #shut(error: CaissonError): void {
    for (const { reject } of this.#gates.splice(0)) reject(error);
  }
}

function isAwaited({ waiters, tellers }: Segment): boolean {
  return waiters.length > 0 || tellers.length > 0;
}

function goOn({ tellers }: Segment): void {
  for (const tell of tellers.splice(0)) tell();
}

function columnsOf(line: string): string {
  const record = parseRecord(line);
  return record === undefined ? '' : `${pipeLine(record)}\n`;
}
