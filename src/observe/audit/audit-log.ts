/**
 * The audit log: records in, lines on a disk out, chained and signed. docs/audit.md is its guide.
 *
 * A record gets its number, time and hash when it is given; a batch is whatever was given while the last one was being
 * written (group commit). Nothing is dropped silently: what cannot be taken is refused to `append`, counted for
 * `observer`, and recorded as `lost` as soon as the log can be written again.
 *
 * Over 300 lines: the public surface, with what each method promises.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import type { ObservedEvent, Observer } from '../../core/ports.ts';
import { AuditClock, type ClockSource, type ClockStep } from './audit-clock.ts';
import { type AuditOptions, type AuditSettings, parseAuditOptions } from './audit-options.ts';
import { canonicalJson } from './canonical-json.ts';
import { Chain, emptyChain } from './chain.ts';
import type { Checkpoint } from './checkpoint.ts';
import { CheckpointShipper } from './checkpoint-shipper.ts';
import { type Batch, LogFileWriter, LogVanished } from './log-file-writer.ts';
import { logFileName } from './log-files.ts';
import { LogLock } from './log-lock.ts';
import { pipeLine } from './pipe-line.ts';
import { checkpointsFrom } from './read-log.ts';
import { parseRecord, type RecordDraft } from './record.ts';
import { type Recovered, recoverLog } from './recover-log.ts';
import { reduceEvent } from './reduce-event.ts';
import { Retention } from './retention.ts';
import { keyFingerprint, openSigningKey } from './signing-key.ts';

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
const CLOSE_SHIP_MS = 5000;
const LOCK_POLL_MS = 20;

/** Where a record stands. */
export interface Recorded {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditStatus {
  /** `stalled`: full disk, tried again; `failed`: for good. */
  readonly state: 'writing' | 'stalled' | 'failed' | 'closed';
  readonly waiting: number;
  /** Events that were not taken since the log could be written last. */
  readonly lost: number;
  /** What went wrong in shipping checkpoints, by target. */
  readonly shipping: Readonly<Record<string, string>>;
}

interface Waiter {
  readonly recorded: Recorded;
  readonly resolve: (recorded: Recorded) => void;
  readonly reject: (error: CaissonError) => void;
}

interface Segment extends Batch {
  readonly waiters: Waiter[];
  readonly checkpoints: Checkpoint[];
  records: number;
}

export class AuditLog implements AsyncDisposable {
  /** Records every event. Never throws and never waits; what it cannot take, {@link ready} tells of. */
  readonly observer: Observer = (event) => {
    this.#take(() => reduceEvent(event, this.#secrets()));
  };
  readonly #settings: AuditSettings;
  readonly #id: string;
  readonly #lock: LogLock;
  readonly #clock: AuditClock;
  readonly #chain: Chain;
  readonly #writer = new LogFileWriter();
  readonly #shipper: CheckpointShipper;
  readonly #retention: Retention;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Not yet given to the writer, a segment for each file. */
  #segments: Segment[] = [];
  #waiting = 0;
  #path = '';
  #fileBytes = 0;
  #fileSince = 0n;
  #draining: Promise<void> | undefined;
  #stalled: CaissonError | undefined;
  #failed: CaissonError | undefined;
  #closed = false;
  #lost = { events: 0, since: '' };
  #gates: { resolve: () => void; reject: (error: CaissonError) => void }[] = [];

  private constructor(
    settings: AuditSettings,
    parts: {
      readonly lock: LogLock;
      readonly key: KeyObject;
      readonly clock: AuditClock;
      readonly shipper: CheckpointShipper;
      readonly recovered: Recovered | undefined;
    },
  ) {
    const { lock, key, clock, shipper, recovered } = parts;
    this.#settings = settings;
    this.#lock = lock;
    this.#clock = clock;
    this.#shipper = shipper;
    this.#id = recovered?.log ?? randomBytes(16).toString('hex');
    const fingerprint = keyFingerprint(key);
    const every = settings.checkpointEvery.records;
    const identity = { log: this.#id, key, fingerprint, every };
    this.#chain = new Chain(identity, clock, recovered?.state ?? emptyChain);
    this.#retention = new Retention(settings, { key, fingerprint, log: this.#id });
  }

  /**
   * Opens a log, or begins one. What a crash left unfinished is cut off and recorded (`recovered`); where the wall clock
   * is behind the log, that is recorded too (`clock`).
   *
   * @throws AUDIT_UNAVAILABLE where the directory or the key cannot be used, another process writes the log, or its
   * last file was altered; REQUEST_INVALID for the options
   * @example
   * await using log = await AuditLog.open({ directory: '/var/log/caisson' });
   */
  static async open(options: AuditOptions, source?: ClockSource): Promise<AuditLog> {
    const parsed = parseAuditOptions(options);
    const settings = { ...parsed, directory: resolve(parsed.directory) };
    const { directory } = settings;
    let lock: LogLock | undefined;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      lock = await takeLock(directory, settings.lockSeconds);
      const key = openSigningKey(resolve(settings.key ?? `${directory}.key`));
      const recovered = recoverLog(directory, key, keyFingerprint(key));
      const clock = new AuditClock(recovered?.time, source);
      const shipper = await CheckpointShipper.open(directory, settings.ship);
      const log = new AuditLog(settings, { lock, key, clock, shipper, recovered });
      // Older ones first: what is taken counts for all before it.
      if (settings.ship.length > 0) shipper.add(checkpointsFrom(directory, shipper.through, key));
      await log.#begin(recovered);
      return log;
    } catch (cause) {
      lock?.[Symbol.dispose]();
      throw unavailable(cause, `the audit log ${directory} cannot be opened`);
    }
  }

  /** Random name of the log, which all its files and checkpoints carry. */
  get id(): string {
    return this.#id;
  }

  /** The last record that was taken: what `--expect-head` of a later verification may be given. */
  get head(): Recorded {
    return { seq: this.#chain.size - 1, hash: this.#chain.head };
  }

  get status(): AuditStatus {
    const state = this.#closed
      ? 'closed'
      : this.#failed
        ? 'failed'
        : this.#stalled
          ? 'stalled'
          : 'writing';
    const shipping = this.#shipper.failures;
    return { state, waiting: this.#waiting, lost: this.#lost.events, shipping };
  }

  /**
   * Resolves once the record is written, as `fsync` says when that is.
   *
   * @throws AUDIT_UNAVAILABLE where it is not, and will not be
   */
  append(event: ObservedEvent): Promise<Recorded> {
    return new Promise((resolve, reject) => {
      const taken = this.#take(
        () => reduceEvent(event, this.#secrets()),
        (recorded) => ({ recorded, resolve, reject }),
      );
      if (!taken) reject(this.#refusal());
    });
  }

  /**
   * To be awaited before anything runs: no audit, no new run. While the log cannot be written, or too much waits, it
   * throws, or where `queue.whenFull` is `block` it waits.
   *
   * @throws AUDIT_UNAVAILABLE
   */
  ready(): Promise<void> {
    if (this.#failed !== undefined || this.#closed) return Promise.reject(this.#refusal());
    // What vanished is not told by a write into it.
    const there =
      this.#path === '' || statSync(this.#path, { throwIfNoEntry: false }) !== undefined;
    if (!there) {
      this.#fail(new LogVanished(`${this.#path} is gone`));
      return Promise.reject(this.#refusal());
    }
    const { records, whenFull } = this.#settings.queue;
    if (this.#stalled === undefined && this.#waiting < records) return Promise.resolve();
    if (whenFull === 'fail') return Promise.reject(this.#refusal());
    return new Promise((resolve, reject) => this.#gates.push({ resolve, reject }));
  }

  /** Signs what there is, and waits until all of it is on the disk, whatever `fsync` says. @throws AUDIT_UNAVAILABLE */
  async flush(): Promise<void> {
    if (this.#chain.unsigned > 0) this.#sign();
    while (this.#draining !== undefined) await this.#draining;
    if (this.#failed !== undefined) throw this.#failed;
    await this.#writer.sync().catch((cause) => {
      throw this.#fail(cause);
    });
  }

  /** Flushes, ships for some seconds, and lets go of the log. @throws AUDIT_UNAVAILABLE for what was not written */
  async close(): Promise<void> {
    if (this.#closed) return;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      if (this.#stalled === undefined) await this.flush();
      else await this.#lastTry();
    } finally {
      this.#closed = true;
      this.#refuseAll();
      await this.#writer.close().catch(() => {});
      await this.#shipper.close(CLOSE_SHIP_MS);
      this.#lock[Symbol.dispose]();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(recovered: Recovered | undefined): Promise<void> {
    if (recovered === undefined) this.#openFile();
    else {
      this.#path = recovered.file.path;
      this.#fileBytes = recovered.bytes;
      this.#fileSince = recovered.since;
      await this.#writer.resume(recovered.file.path, recovered.bytes);
      const { torn, state } = recovered;
      if (torn.bytes > 0 || state.sinceCheckpoint > 0) {
        const details = {
          tornBytes: torn.bytes,
          tornSha256: torn.sha256,
          unsigned: state.sinceCheckpoint,
        };
        this.#add({ event: 'recovered', details: canonicalJson(details) });
      }
    }
    const behind = this.#clock.behind();
    if (behind !== undefined) this.#addClock(behind);
    this.#add({ event: 'opened', details: canonicalJson({ pid: process.pid }) });
    await this.flush();
    const { checkpointEvery, fsync, fsyncSeconds } = this.#settings;
    this.#every(checkpointEvery.seconds, () => this.#tick());
    if (fsync === 'interval') {
      this.#every(fsyncSeconds, () => {
        this.#writer.sync().catch((cause) => this.#fail(cause));
      });
    }
  }

  #every(seconds: number, act: () => void): void {
    this.#timers.push(setInterval(act, seconds * 1000).unref());
  }

  #tick(): void {
    if (this.#failed !== undefined || this.#stalled !== undefined) return;
    const step = this.#clock.step();
    if (step !== undefined) this.#addClock(step);
    if (this.#chain.unsigned > 0) this.#sign();
    this.#writer.checkPlace().catch((cause) => this.#fail(cause));
    void this.#retain();
  }

  #addClock({ wall, log }: ClockStep): void {
    this.#add({ event: 'clock', details: canonicalJson({ wall: String(wall), log: String(log) }) });
  }

  #secrets(): readonly string[] {
    return this.#settings.secrets?.() ?? [];
  }

  /** @returns false where it was not taken; counted, then */
  #take(draft: () => RecordDraft, waiter?: (recorded: Recorded) => Waiter): boolean {
    const full = this.#waiting >= this.#settings.queue.records * 2;
    if (full || this.#failed !== undefined || this.#closed) {
      // One that is refused to its giver is not lost: the giver knows.
      if (waiter === undefined) this.#lose();
      return false;
    }
    try {
      this.#add(draft(), waiter);
      return true;
    } catch (cause) {
      // An event that cannot be told, or a `secrets` that throws: what runs is not to be told of it, the log is.
      this.#lose();
      this.#fail(cause);
      return false;
    }
  }

  #lose(): void {
    if (this.#lost.events === 0) this.#lost.since = String(this.#clock.now());
    this.#lost.events++;
  }

  #add(draft: RecordDraft, waiter?: (recorded: Recorded) => Waiter): void {
    if (this.#mustRotate()) this.#rotate();
    const segment = this.#put(this.#chain.line(draft));
    segment.records++;
    this.#waiting++;
    if (waiter !== undefined) segment.waiters.push(waiter(this.head));
    if (this.#chain.due) this.#sign();
    this.#draining ??= this.#drain();
  }

  #put(line: string): Segment {
    let segment = this.#segments.at(-1);
    if (segment?.path !== this.#path) {
      segment = {
        path: this.#path,
        lines: [],
        columns: [],
        waiters: [],
        checkpoints: [],
        records: 0,
      };
      this.#segments.push(segment);
    }
    segment.lines.push(line);
    if (this.#settings.lines) segment.columns.push(columnsOf(line));
    this.#fileBytes += line.length;
    return segment;
  }

  #sign(): void {
    const { line, checkpoint } = this.#chain.checkpoint();
    this.#put(line).checkpoints.push(checkpoint);
    this.#draining ??= this.#drain();
  }

  #mustRotate(): boolean {
    const { bytes, seconds } = this.#settings.rotate;
    if (this.#fileBytes >= bytes) return true;
    const age = Number(this.#chain.time - this.#fileSince) / 1e9;
    return seconds !== undefined && age >= seconds;
  }

  /** A file ends with a checkpoint, so that it can be checked, and go, by itself. */
  #rotate(): void {
    if (this.#chain.unsigned > 0) this.#sign();
    this.#openFile();
  }

  #openFile(): void {
    this.#path = join(this.#settings.directory, logFileName(this.#chain.size));
    this.#fileBytes = 0;
    this.#put(this.#chain.line(this.#chain.header()));
    this.#fileSince = this.#chain.time;
  }

  async #drain(): Promise<void> {
    // Whatever is given in this turn of the event loop goes into one batch.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#failed === undefined) {
        const segment = this.#segments.shift();
        if (segment === undefined) break;
        await this.#write(segment);
      }
    } finally {
      this.#draining = undefined;
    }
  }

  async #write(segment: Segment): Promise<void> {
    const sync = this.#settings.fsync === 'always';
    for (;;) {
      try {
        await this.#writer.write(segment, sync);
        break;
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code ?? '';
        this.#stalled = unavailable(cause, 'the audit log cannot be written');
        if (!PASSING.has(code) || this.#giveUp) {
          this.#segments.unshift(segment);
          this.#fail(cause);
          return;
        }
        if (this.#settings.queue.whenFull === 'fail') this.#shut(this.#stalled);
        await delay(RETRY_MS, undefined, { ref: this.#waiting > 0 });
      }
    }
    this.#stalled = undefined;
    this.#waiting -= segment.records;
    // What is shipped must not be lost here: it would look like a tail that was cut off.
    if (!sync && segment.checkpoints.length > 0 && this.#settings.ship.length > 0) {
      await this.#writer.sync().catch((cause) => this.#fail(cause));
    }
    for (const { recorded, resolve } of segment.waiters) resolve(recorded);
    if (segment.checkpoints.length > 0) this.#shipper.add(segment.checkpoints);
    if (this.#waiting < this.#settings.queue.records) this.#open();
    if (this.#lost.events > 0) {
      const details = canonicalJson(this.#lost);
      this.#lost = { events: 0, since: '' };
      this.#add({ event: 'lost', details });
    }
  }

  #giveUp = false;

  /** Closing while the disk is full: once more, and then what was not written is said. */
  async #lastTry(): Promise<void> {
    this.#giveUp = true;
    while (this.#draining !== undefined) await this.#draining;
    if (this.#failed !== undefined) throw this.#failed;
    await this.flush();
  }

  #fail(cause: unknown): CaissonError {
    this.#failed ??= unavailable(cause, 'the audit log cannot be written any more');
    this.#refuseAll();
    return this.#failed;
  }

  #refuseAll(): void {
    for (const { waiters, records } of this.#segments.splice(0)) {
      const unheard = records - waiters.length;
      if (unheard > 0) this.#lost.events += unheard;
      for (const { reject } of waiters) reject(this.#refusal());
    }
    this.#waiting = 0;
    this.#shut(this.#refusal());
  }

  #open(): void {
    for (const { resolve } of this.#gates.splice(0)) resolve();
  }

  #shut(error: CaissonError): void {
    for (const { reject } of this.#gates.splice(0)) reject(error);
  }

  #refusal(): CaissonError {
    if (this.#failed ?? this.#stalled) return this.#failed ?? (this.#stalled as CaissonError);
    const message = this.#closed
      ? 'the audit log is closed'
      : 'too many records wait to be written';
    return new CaissonError('AUDIT_UNAVAILABLE', { layer: 'observe', message });
  }

  async #retain(): Promise<void> {
    await this.#retention.run({
      through: this.#shipper.through,
      record: async (event, details) => {
        this.#add({ event, details: canonicalJson(details) });
        await this.flush();
      },
    });
  }
}

function columnsOf(line: string): string {
  const record = parseRecord(line);
  return record === undefined ? '' : `${pipeLine(record)}\n`;
}

async function takeLock(directory: string, seconds: number): Promise<LogLock> {
  for (const end = performance.now() + seconds * 1000; ; ) {
    try {
      return LogLock.take(directory);
    } catch (error) {
      if (performance.now() >= end) throw error;
      await delay(LOCK_POLL_MS + Math.random() * LOCK_POLL_MS);
    }
  }
}

function unavailable(cause: unknown, what: string): CaissonError {
  if (isCaissonError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'observe',
    message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: full
      ? 'make room on the disk of the log: it goes on by itself then'
      : 'bring the directory back, or begin a log in another one',
    cause,
  });
}
