/**
 * What a client gives to whatever has an id on its socket, and what it expects of it.
 */
import type { Job } from '../plan/plan.ts';
import type { Execution } from './execution.ts';
import type { RawResult } from './protocol/decode-result.ts';
import type { ExecTarget } from './protocol/encode-job.ts';
import type { Ties } from './ties.ts';

/** Receives the frames of one id. */
export interface Channel {
  frame(type: number, body: Buffer): void;
  /** The launcher is gone; nothing follows. */
  gone(error: Error): void;
}

export interface Connection {
  nextId(): number;
  attach(id: number, channel: Channel): void;
  detach(id: number): void;
  /** @param taken called when the socket has taken it; who has much to send waits for that */
  send(frame: Buffer, taken?: () => void): void;
  /** While held, the connection keeps Node alive. */
  hold(): void;
  release(): void;
  capture(target: ExecTarget, job: Job, ties?: Ties): Promise<RawResult>;
  stream(target: ExecTarget, job: Job, ties?: Ties): Execution;
  /** {@link freeze} of `LauncherClient`, by number; `of` is asked anew for each attempt, and may throw. */
  freezeOf(of: () => number, frozen: boolean): Promise<void>;
}
