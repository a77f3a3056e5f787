/**
 * A sandbox that stays open in the launcher: executions in it, files as the guest, freezing, usage.
 */
import { CaissonError } from '../core/error.ts';
import type { Job } from '../plan/plan.ts';
import type { Channel, Connection } from './channel.ts';
import type { Execution } from './execution.ts';
import { launcherError } from './launcher-error.ts';
import { decodeResult, type RawResult, type RawUsage } from './protocol/decode-result.ts';
import { encodeUsage } from './protocol/encode-freeze.ts';
import {
  decodeFilesReply,
  encodeFiles,
  type FilesReply,
  type FilesRequest,
} from './protocol/files-message.ts';
import { decodeNumber, frameType, rawFrame } from './protocol/frame.ts';
import { explain, type Ties } from './ties.ts';

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export class LauncherSandbox implements Channel {
  /** Settles with the host's process id of the sandbox's init. */
  readonly opened: Promise<number>;
  /** Settles when the sandbox is gone, with what it used. */
  readonly closed: Promise<RawUsage>;

  readonly #connection: Connection;
  readonly #id: number;
  readonly #planned: Promise<void>;
  readonly #open = Promise.withResolvers<number>();
  readonly #close = Promise.withResolvers<RawUsage>();
  readonly #files = new Map<number, Waiting<FilesReply>>();
  readonly #usage: Waiting<RawUsage>[] = [];
  #lastFile = 0;
  #isOpen = false;
  #ended: unknown;
  #closing = false;

  /** @param planned rejects where the launcher has not taken its plan */
  constructor(connection: Connection, id: number, planned: Promise<void>) {
    this.#connection = connection;
    this.#id = id;
    this.#planned = planned;
    this.opened = this.#open.promise;
    this.closed = this.#close.promise;
    this.opened.catch(() => {});
    this.closed.catch(() => {});
    connection.hold();
  }

  run(job: Job, ties?: Ties): Promise<RawResult> {
    this.#needOpen();
    return this.#connection.capture({ sandbox: this.#id }, job, { ...ties, inSandbox: true });
  }

  spawn(job: Job, ties?: Ties): Execution {
    this.#needOpen();
    return this.#connection.stream({ sandbox: this.#id }, job, { ...ties, inSandbox: true });
  }

  files(request: FilesRequest): Promise<FilesReply> {
    return new Promise((resolve, reject) => {
      this.#needOpen();
      this.#lastFile = (this.#lastFile % 0xffff_ffff) + 1;
      const number = this.#lastFile;
      const frame = encodeFiles(this.#id, number, request);
      this.#files.set(number, { resolve, reject });
      this.#connection.hold();
      this.#connection.send(frame);
    });
  }

  usage(): Promise<RawUsage> {
    return new Promise((resolve, reject) => {
      this.#needOpen();
      this.#usage.push({ resolve, reject });
      this.#connection.hold();
      this.#connection.send(encodeUsage(this.#id));
    });
  }

  /**
   * Settles once everything inside stands, or goes on.
   *
   * @throws SANDBOX_CLOSED; LAUNCHER_FAILED without a cgroup, or where it does not come to stand (details.errno ETIMEDOUT):
   * thaw it then
   */
  async freeze(frozen: boolean): Promise<void> {
    await this.#connection.freezeOf(() => {
      this.#needOpen();
      return this.#id;
    }, frozen);
  }

  /** Ends everything inside. Idempotent; never rejects because the launcher is already gone. */
  async close(): Promise<void> {
    if (this.#ended === undefined && !this.#closing) {
      // The launcher kills and thaws then, in that order: what stands still runs no further before it ends.
      this.#closing = true;
      this.#connection.hold();
      this.#connection.send(rawFrame(frameType.CLOSE, this.#id));
      this.closed.finally(() => this.#connection.release()).catch(() => {});
    }
    await this.closed.catch(() => {});
  }

  frame(type: number, body: Buffer): void {
    switch (type) {
      case frameType.OPENED:
        this.#open.resolve(decodeNumber(body));
        this.#settleOpen();
        break;
      case frameType.FILES_REPLY: {
        const reply = decodeFilesReply(body);
        const waiting = this.#files.get(reply.request);
        this.#files.delete(reply.request);
        if (waiting === undefined) break;
        this.#connection.release();
        waiting.resolve(reply);
        break;
      }
      case frameType.USAGE_REPLY: {
        const usage = decodeResult(body);
        const waiting = this.#usage.shift();
        if (waiting === undefined) break;
        this.#connection.release();
        waiting.resolve(usage);
        break;
      }
      case frameType.CLOSED:
        this.#close.resolve(decodeResult(body));
        this.#finish(closedError());
        break;
      case frameType.ERROR: {
        const error = launcherError(body, { inSandbox: this.#isOpen });
        if (this.#isOpen) this.#rejectWaiting(error);
        else explain(error, this.#planned, (why) => this.gone(why));
        break;
      }
      default:
        break;
    }
  }

  gone(error: Error): void {
    this.#close.reject(error);
    this.#finish(error);
  }

  #finish(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#connection.detach(this.#id);
    this.#settleOpen();
    this.#open.reject(reason);
    this.#rejectWaiting(reason);
  }

  /** Opening keeps Node alive; an open sandbox in which nothing runs does not. */
  #settleOpen(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#connection.release();
  }

  #rejectWaiting(error: Error): void {
    for (const waiting of [...this.#files.values(), ...this.#usage.splice(0)]) {
      this.#connection.release();
      waiting.reject(error);
    }
    this.#files.clear();
  }

  #needOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closing) throw closedError();
  }
}

function closedError(): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', { layer: 'launcher' });
}
