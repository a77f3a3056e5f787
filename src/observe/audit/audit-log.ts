/**
 * The audit log: records in, lines on a disk out, chained and signed. docs/audit.md is its guide.
 *
 * A record gets its number, time and hash when it is given; a batch is whatever was given while the last one was being
 * written (group commit). Nothing is dropped silently: what cannot be taken is refused to `append`, counted for
 * `observer`, and recorded as `lost` as soon as the log can be written again.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ObservedEvent, Observer } from '../../core/ports.ts';
import { checkKind } from '../../policy/known-options.ts';
import { AUDIT_CLOCK } from '../option-kinds.ts';
import { AuditClock, type ClockSource, type ClockStep } from './audit-clock.ts';
import { type AuditOptions, type AuditSettings, parseAuditOptions } from './audit-options.ts';
import { auditUnavailable } from './audit-unavailable.ts';
import { canonicalJson } from './canonical-json.ts';
import { Chain, emptyChain } from './chain.ts';
import { CheckpointShipper } from './checkpoint-shipper.ts';
import { LogVanished } from './log-file-writer.ts';
import { logFileName } from './log-files.ts';
import { LogLock } from './log-lock.ts';
import { checkpointsFrom } from './read-log.ts';
import type { RecordDraft } from './record.ts';
import { type Recovered, recoverLog } from './recover-log.ts';
import { reduceEvent } from './reduce-event.ts';
import { Retention } from './retention.ts';
import { keyFingerprint, openSigningKey } from './signing-key.ts';
import { type Waiter, WriteQueue } from './write-queue.ts';

const CLOSE_SHIP_MS = 5000;

/** Where a record stands. */
export interface Recorded {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditStatus {
  /** `stalled`: full disk, tried again; `failed`: for good. */
  readonly state: WriteQueue['state'];
  readonly waiting: number;
  /** Events that were not taken since the log could be written last. */
  readonly lost: number;
  /** What went wrong in shipping checkpoints, by target. */
  readonly shipping: Readonly<Record<string, string>>;
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
  readonly #queue: WriteQueue;
  readonly #shipper: CheckpointShipper;
  readonly #retention: Retention;
  readonly #timers: NodeJS.Timeout[] = [];
  #path = '';
  #fileBytes = 0;
  #fileSince = 0n;

  /** Where it lies, absolute. */
  get directory(): string {
    return this.#settings.directory;
  }

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
    this.#queue = new WriteQueue(settings, (checkpoints) => {
      if (checkpoints.length > 0) shipper.add(checkpoints);
      const lost = this.#queue.takeLost();
      if (lost !== undefined) this.#add({ event: 'lost', details: canonicalJson(lost) });
    });
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
    if (source !== undefined)
      checkKind(source, AUDIT_CLOCK, 'the clock of an audit log', 'observe');
    const settings = { ...parsed, directory: resolve(parsed.directory) };
    const { directory } = settings;
    let lock: LogLock | undefined;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      lock = await LogLock.wait(directory, settings.lockSeconds);
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
      throw auditUnavailable(cause, `the audit log ${directory} cannot be opened`);
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
    const { state, waiting, lost } = this.#queue;
    return { state, waiting, lost, shipping: this.#shipper.failures };
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
        (recorded) => ({ resolve: () => resolve(recorded), reject }),
      );
      if (!taken) reject(this.#queue.refusal);
    });
  }

  /**
   * To be awaited before anything runs: no audit, no new run. While the log cannot be written, or too much waits, it
   * throws, or where `queue.whenFull` is `block` it waits.
   *
   * @throws AUDIT_UNAVAILABLE
   */
  ready(): Promise<void> {
    const { state } = this.#queue;
    if (state === 'failed' || state === 'closed') return Promise.reject(this.#queue.refusal);
    // What vanished is not told by a write into it. The next file, where one is begun, is not there yet.
    const { path } = this.#queue;
    const there = path === undefined || statSync(path, { throwIfNoEntry: false }) !== undefined;
    if (there) return this.#queue.room();
    return Promise.reject(this.#queue.fail(new LogVanished(`${path} is gone`)));
  }

  /**
   * To be awaited before anybody outside is told of what was recorded: the kernel has it then, and the end of this process
   * does not take it back (that of the machine may: {@link append} and {@link flush} wait for the disk). While the log
   * cannot be written it settles at once: what was done is told all the same, and nothing new runs.
   */
  written(): Promise<void> {
    return this.#queue.written();
  }

  /** Signs what there is, and waits until all of it is on the disk, whatever `fsync` says. @throws AUDIT_UNAVAILABLE */
  async flush(): Promise<void> {
    if (this.#chain.unsigned > 0) this.#sign();
    await this.#queue.drained();
    await this.#queue.sync();
  }

  /** Flushes, ships for some seconds, and lets go of the log. @throws AUDIT_UNAVAILABLE for what was not written */
  async close(): Promise<void> {
    if (this.#queue.state === 'closed') return;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      if (this.#queue.state === 'stalled') {
        // Once more, and then what was not written is said.
        this.#queue.giveUp();
        await this.#queue.drained();
      }
      await this.flush();
    } finally {
      await this.#queue.close();
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
      await this.#queue.resume(recovered.file.path, recovered.bytes);
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
      this.#every(fsyncSeconds, () => void this.#queue.sync().catch(() => {}));
    }
  }

  #every(seconds: number, act: () => void): void {
    this.#timers.push(setInterval(act, seconds * 1000).unref());
  }

  #tick(): void {
    if (this.#queue.state !== 'writing') return;
    const step = this.#clock.step();
    if (step !== undefined) this.#addClock(step);
    if (this.#chain.unsigned > 0) this.#sign();
    void this.#queue.checkPlace();
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
    if (!this.#queue.isOpen) {
      // One that is refused to its giver is not lost: the giver knows.
      if (waiter === undefined) this.#queue.lose(this.#clock.now());
      return false;
    }
    try {
      this.#add(draft(), waiter);
      return true;
    } catch (cause) {
      // An event that cannot be told, or a `secrets` that throws: what runs is not to be told of it, the log is.
      this.#queue.lose(this.#clock.now());
      this.#queue.fail(cause);
      return false;
    }
  }

  #add(draft: RecordDraft, waiter?: (recorded: Recorded) => Waiter): void {
    if (this.#mustRotate()) this.#rotate();
    const line = this.#chain.line(draft);
    this.#fileBytes += line.length;
    this.#queue.putRecord(this.#path, line, waiter?.(this.head));
    if (this.#chain.due) this.#sign();
  }

  #sign(): void {
    const { line, checkpoint } = this.#chain.checkpoint();
    this.#fileBytes += line.length;
    this.#queue.putCheckpoint(this.#path, line, checkpoint);
  }

  #mustRotate(): boolean {
    const { bytes, seconds } = this.#settings.rotate;
    if (this.#fileBytes >= bytes) return true;
    // By what the next record will say: the last one may be older than a file may become.
    return seconds !== undefined && Number(this.#clock.now() - this.#fileSince) / 1e9 >= seconds;
  }

  /** A file ends with a checkpoint, so that it can be checked, and go, by itself. */
  #rotate(): void {
    if (this.#chain.unsigned > 0) this.#sign();
    this.#openFile();
  }

  #openFile(): void {
    this.#path = join(this.#settings.directory, logFileName(this.#chain.size));
    const line = this.#chain.line(this.#chain.header());
    this.#fileBytes = line.length;
    this.#queue.putHeader(this.#path, line);
    this.#fileSince = this.#chain.time;
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
