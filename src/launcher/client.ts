/**
 * What is asked of a launcher process: plans, runs, sandboxes, figures. The one door to native code.
 *
 * The launcher ends when the socket closes and takes everything down, so a client that is
 * killed leaves nothing. An idle client does not keep Node alive; a pending request does.
 */
import type { Socket } from 'node:net';
import { CaissonError } from '../core/error.ts';
import type { Job } from '../plan/plan.ts';
import type { Execution } from './execution.ts';
import { LauncherConnection } from './launcher-connection.ts';
import type { Ending } from './launcher-process.ts';
import { LauncherSandbox } from './launcher-sandbox.ts';
import { decodeFacts, type LauncherFacts } from './protocol/decode-facts.ts';
import { decodeResult, type RawResult, type RawUsage } from './protocol/decode-result.ts';
import { decodeStats, type RawSandboxStats, type RawStats } from './protocol/decode-stats.ts';
import { encodeUsage } from './protocol/encode-freeze.ts';
import { encodeOpen } from './protocol/encode-job.ts';
import { FieldWriter } from './protocol/fields.ts';
import { FRAME_HEADER, finishFrame, frameType, rawFrame } from './protocol/frame.ts';
import type { Ties } from './ties.ts';

export interface PlanOptions {
  /** Sandboxes kept ready for this plan; default 0. */
  readonly slots?: number;
  /** Empty network namespaces may be used again inside this plan; default false. */
  readonly recycleNetwork?: boolean;
}

/** A kind of sandbox that the launcher holds. */
export interface PlanHandle {
  readonly id: number;
  /** Settles when the launcher has taken the plan in, or refused it. */
  readonly ready: Promise<void>;
}

export interface NamedStats extends Omit<RawStats, 'sandboxes'> {
  readonly sandboxes: readonly (RawSandboxStats & { readonly name: string })[];
}

export class LauncherClient {
  /** For whoever speaks in frames. */
  readonly connection: LauncherConnection;

  /**
   * @param program started with `args`; never throws: what goes wrong rejects the first request. Or a connection to a
   * launcher that runs already: {@link LauncherClient.over}
   */
  constructor(program: string | Socket, args: readonly string[] = ['serve']) {
    this.connection = new LauncherConnection(program, args);
  }

  /**
   * A client of `caisson-launcher init` in a container or microVM, over a socket to it. Closing the client ends the
   * launcher, and with it the container or machine.
   */
  static over(connection: Socket): LauncherClient {
    return new LauncherClient(connection);
  }

  get pid(): number | undefined {
    return this.connection.pid;
  }

  /** Version that the launcher says it was built as; empty before its greeting. */
  get build(): string {
    return this.connection.build;
  }

  get isGone(): boolean {
    return this.connection.isGone;
  }

  /** Settles when the launcher has ended. Never rejects. */
  get ended(): Promise<Ending> {
    return this.connection.ended;
  }

  /** Hands a plan over. Runs may be sent at once: frames are handled in order. */
  preparePlan(plan: Uint8Array, options: PlanOptions = {}): PlanHandle {
    const id = this.connection.nextId();
    const writer = new FieldWriter(FRAME_HEADER, 'PLAN_INVALID', plan.byteLength + 64);
    writer.bytes(1, plan);
    if (options.slots !== undefined) writer.u32(2, options.slots, 'slots');
    if (options.recycleNetwork === true) writer.u32(3, 1, 'recycle network');
    const frame = finishFrame(writer, frameType.PLAN, id);
    const ready = this.connection.request<void>(id, frame, frameType.READY, () => undefined);
    ready.catch(() => {});
    return { id, ready };
  }

  /** Another number of sandboxes kept ready for a plan that the launcher holds. */
  resizePlan(plan: PlanHandle, bytes: Uint8Array, slots: number): void {
    if (this.isGone) return;
    const writer = new FieldWriter(FRAME_HEADER, 'PLAN_INVALID', bytes.byteLength + 64);
    writer.bytes(1, bytes);
    writer.u32(2, slots, 'slots');
    const frame = finishFrame(writer, frameType.PLAN, plan.id);
    this.connection.request<void>(plan.id, frame, frameType.READY, () => undefined).catch(() => {});
  }

  /** Lets go of a plan and its slots. */
  async forgetPlan(plan: PlanHandle): Promise<void> {
    if (this.isGone) return;
    await this.connection.request(
      plan.id,
      rawFrame(frameType.CLOSE, plan.id),
      frameType.CLOSED,
      () => {},
    );
  }

  /** Runs a job in a fresh sandbox; output comes with the result. */
  run(plan: PlanHandle, job: Job, ties?: Ties): Promise<RawResult> {
    return this.connection.capture({ plan: plan.id }, job, { ...ties, planned: plan.ready });
  }

  /** Runs a job in a fresh sandbox; output comes as it is written. */
  spawn(plan: PlanHandle, job: Job, ties?: Ties): Execution {
    return this.connection.stream({ plan: plan.id }, job, { ...ties, planned: plan.ready });
  }

  /** Opens a sandbox that stays until it is closed. */
  openSandbox(plan: PlanHandle, job: Job, ties: Ties = {}): LauncherSandbox {
    this.connection.assertHere();
    const id = this.connection.nextId();
    const frame = encodeOpen(id, plan.id, job);
    const sandbox = new LauncherSandbox(this.connection, id, plan.ready);
    this.connection.attach(id, sandbox);
    this.connection.tie(id, ties);
    this.connection.send(frame);
    return sandbox;
  }

  /** What every sandbox uses now, by what it was called when it was asked for; the unnamed are left out. */
  async stats(): Promise<NamedStats> {
    const id = this.connection.nextId();
    const frame = rawFrame(frameType.STATS, id);
    const stats = await this.connection.request(id, frame, frameType.STATS_REPLY, decodeStats);
    return {
      ...stats,
      sandboxes: stats.sandboxes.flatMap((sandbox) => {
        const name = this.connection.nameOf(sandbox.id);
        return name === undefined ? [] : [{ ...sandbox, name }];
      }),
    };
  }

  /** Whether a run or sandbox is here that was called so when it was asked for. */
  holds(name: string): boolean {
    return this.connection.idOf(name) !== undefined;
  }

  /**
   * Stops a run, or a sandbox that stays, where it stands, or lets it go on. Settles once it stands.
   *
   * @throws SANDBOX_CLOSED where nothing is called so (any more), LAUNCHER_FAILED without a cgroup or where it does not
   * come to stand (details.errno ETIMEDOUT), RESOURCE_EXHAUSTED (EAGAIN) before its command has been given to it
   */
  async freeze(name: string, frozen: boolean): Promise<void> {
    await this.connection.freezeOf(() => this.#needId(name), frozen);
  }

  /** What a run, or a sandbox that stays, has used. @throws SANDBOX_CLOSED */
  async usageOf(name: string): Promise<RawUsage> {
    const id = this.connection.nextId();
    const frame = encodeUsage(id, this.#needId(name));
    return await this.connection.request(id, frame, frameType.USAGE_REPLY, decodeResult);
  }

  /** The host's facts, tried by the launcher. */
  probe(): Promise<LauncherFacts> {
    const id = this.connection.nextId();
    return this.connection.request(id, rawFrame(frameType.PROBE, id), frameType.FACTS, decodeFacts);
  }

  /** Ends the launcher and everything in it. Idempotent. */
  async close(): Promise<void> {
    await this.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #needId(name: string): number {
    const id = this.connection.idOf(name);
    if (id === undefined) throw new CaissonError('SANDBOX_CLOSED', { layer: 'launcher' });
    return id;
  }
}
