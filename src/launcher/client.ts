/**
 * One launcher process and the socket to it. The one door to native code.
 *
 * The launcher ends when the socket closes and takes everything down, so a client that is
 * killed leaves nothing. An idle client does not keep Node alive; a pending request does.
 */
import type { Socket } from 'node:net';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { Job } from '../plan/plan.ts';
import { abortedError, CaptureExec } from './capture-exec.ts';
import type { Channel, Connection } from './channel.ts';
import { Dials } from './dials.ts';
import { Execution } from './execution.ts';
import { launcherError } from './launcher-error.ts';
import { type Ending, LauncherProcess } from './launcher-process.ts';
import { LauncherSandbox } from './launcher-sandbox.ts';
import { isRawHandle, NetworkDelivery } from './network-handles.ts';
import { decodeFacts, type LauncherFacts } from './protocol/decode-facts.ts';
import { decodeResult, type RawResult, type RawUsage } from './protocol/decode-result.ts';
import { decodeStats, type RawSandboxStats, type RawStats } from './protocol/decode-stats.ts';
import { encodeFreeze, encodeUsage } from './protocol/encode-freeze.ts';
import { encodeExec, encodeOpen } from './protocol/encode-job.ts';
import { FieldWriter, malformed } from './protocol/fields.ts';
import {
  decodeHello,
  encodeHello,
  FRAME_HEADER,
  FrameReader,
  finishFrame,
  frameType,
  PROTOCOL_VERSION,
  rawFrame,
} from './protocol/frame.ts';
import { standStill } from './stand-still.ts';
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

export class LauncherClient implements Connection {
  /** Absent: a launcher that somebody else started. */
  readonly #process: LauncherProcess | undefined;
  readonly #socket: Socket;
  readonly #channels = new Map<number, Channel>();
  readonly #ended: Promise<Ending>;
  readonly #networks = new NetworkDelivery();
  readonly #dials = new Dials((frame) => this.send(frame));
  readonly #names = new Map<number, string>();
  #lastId = 0;
  #holders = 0;
  #greeted = false;
  #gone: CaissonError | undefined;
  #build = '';

  /**
   * @param program started with `args`; never throws: what goes wrong rejects the first request. Or a connection to a
   * launcher that runs already: {@link LauncherClient.over}
   */
  constructor(program: string | Socket, args: readonly string[] = ['serve']) {
    this.#process =
      typeof program === 'string'
        ? new LauncherProcess(program, args, (message, handle) => this.#take(message, handle))
        : undefined;
    this.#socket =
      typeof program === 'string' ? (this.#process as LauncherProcess).socket : program;
    const reader = new FrameReader((type, id, body) => this.#receive(type, id, body));
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#fail(isCaissonError(error) ? error : internal(error));
      }
    });
    this.#socket.on('error', (error) => this.#fail(this.#goneError('its socket failed', error)));
    this.#socket.on('close', () => this.#fail(this.#goneError('its socket closed')));
    this.#ended =
      this.#process?.ended ??
      new Promise((resolve) => {
        this.#socket.once('close', () => resolve({ reason: 'its socket closed' }));
      });
    this.#ended.then(({ reason, cause }) => this.#fail(this.#goneError(reason, cause)));
    this.#socket.unref();
    this.#socket.write(encodeHello());
  }

  /**
   * A client of `caisson-launcher init` in a container or microVM, over a socket to it. Closing the client ends the
   * launcher, and with it the container or machine.
   */
  static over(connection: Socket): LauncherClient {
    return new LauncherClient(connection);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Version that the launcher says it was built as; empty before its greeting. */
  get build(): string {
    return this.#build;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** Hands a plan over. Runs may be sent at once: frames are handled in order. */
  preparePlan(plan: Uint8Array, options: PlanOptions = {}): PlanHandle {
    const id = this.nextId();
    const writer = new FieldWriter(FRAME_HEADER, 'PLAN_INVALID', plan.byteLength + 64);
    writer.bytes(1, plan);
    if (options.slots !== undefined) writer.u32(2, options.slots, 'slots');
    if (options.recycleNetwork === true) writer.u32(3, 1, 'recycle network');
    const frame = finishFrame(writer, frameType.PLAN, id);
    const ready = this.#request<void>(id, frame, frameType.READY, () => undefined);
    ready.catch(() => {});
    return { id, ready };
  }

  /** Another number of sandboxes kept ready for a plan that the launcher holds. */
  resizePlan(plan: PlanHandle, bytes: Uint8Array, slots: number): void {
    if (this.#gone !== undefined) return;
    const writer = new FieldWriter(FRAME_HEADER, 'PLAN_INVALID', bytes.byteLength + 64);
    writer.bytes(1, bytes);
    writer.u32(2, slots, 'slots');
    const frame = finishFrame(writer, frameType.PLAN, plan.id);
    this.#request<void>(plan.id, frame, frameType.READY, () => undefined).catch(() => {});
  }

  /** Lets go of a plan and its slots. */
  async forgetPlan(plan: PlanHandle): Promise<void> {
    if (this.#gone !== undefined) return;
    await this.#request(plan.id, rawFrame(frameType.CLOSE, plan.id), frameType.CLOSED, () => {});
  }

  /** Runs a job in a fresh sandbox; output comes with the result. */
  run(plan: PlanHandle, job: Job, ties?: Ties): Promise<RawResult> {
    return this.capture({ plan: plan.id }, job, ties);
  }

  /** Runs a job in a fresh sandbox; output comes as it is written. */
  spawn(plan: PlanHandle, job: Job, ties?: Ties): Execution {
    return this.stream({ plan: plan.id }, job, ties);
  }

  /** Opens a sandbox that stays until it is closed. */
  openSandbox(plan: PlanHandle, job: Job, ties: Ties = {}): LauncherSandbox {
    const id = this.nextId();
    const sandbox = new LauncherSandbox(this, id);
    this.attach(id, sandbox);
    this.#tie(id, ties);
    this.send(encodeOpen(id, plan.id, job));
    return sandbox;
  }

  /** What every sandbox uses now, by what it was called when it was asked for; the unnamed are left out. */
  async stats(): Promise<NamedStats> {
    const id = this.nextId();
    const frame = rawFrame(frameType.STATS, id);
    const stats = await this.#request(id, frame, frameType.STATS_REPLY, decodeStats);
    return {
      ...stats,
      sandboxes: stats.sandboxes.flatMap((sandbox) => {
        const name = this.#names.get(sandbox.id);
        return name === undefined ? [] : [{ ...sandbox, name }];
      }),
    };
  }

  /** Whether a run or sandbox is here that was called so when it was asked for. */
  holds(name: string): boolean {
    return this.#idOf(name) !== undefined;
  }

  /**
   * Stops a run, or a sandbox that stays, where it stands, or lets it go on. Settles once it stands.
   *
   * @throws SANDBOX_CLOSED where nothing is called so (any more), LAUNCHER_FAILED without a cgroup or where it does not
   * come to stand (details.errno ETIMEDOUT), RESOURCE_EXHAUSTED (EAGAIN) before its command has been given to it
   */
  async freeze(name: string, frozen: boolean): Promise<void> {
    await this.freezeOf(() => this.#needId(name), frozen);
  }

  /** What a run, or a sandbox that stays, has used. @throws SANDBOX_CLOSED */
  async usageOf(name: string): Promise<RawUsage> {
    const id = this.nextId();
    const frame = encodeUsage(id, this.#needId(name));
    return await this.#request(id, frame, frameType.USAGE_REPLY, decodeResult);
  }

  /** The host's facts, tried by the launcher. */
  probe(): Promise<LauncherFacts> {
    const id = this.nextId();
    return this.#request(id, rawFrame(frameType.PROBE, id), frameType.FACTS, decodeFacts);
  }

  /** Ends the launcher and everything in it. Idempotent. */
  async close(): Promise<void> {
    this.#gone ??= new CaissonError('LAUNCHER_GONE', {
      layer: 'launcher',
      message: 'the launcher was closed by its caller',
    });
    this.#process?.ref();
    this.#socket.ref();
    this.#socket.end();
    const impatient = setTimeout(() => {
      if (this.#process === undefined) this.#socket.destroy();
      else this.#process.kill();
    }, 5000);
    await this.#ended;
    clearTimeout(impatient);
    this.#socket.destroy();
    this.#endChannels(this.#gone);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // Connection: what executions and sandboxes need of us.

  nextId(): number {
    do {
      this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    } while (this.#channels.has(this.#lastId));
    return this.#lastId;
  }

  attach(id: number, channel: Channel): void {
    if (this.#gone !== undefined) throw this.#gone;
    this.#channels.set(id, channel);
  }

  detach(id: number): void {
    this.#channels.delete(id);
    this.#networks.forget(id);
    this.#dials.forget(id);
    this.#names.delete(id);
  }

  send(frame: Buffer): void {
    if (this.#gone === undefined) this.#socket.write(frame);
  }

  hold(): void {
    if (this.#holders++ === 0) this.#keepAwake(true);
  }

  release(): void {
    if (--this.#holders === 0) this.#keepAwake(false);
  }

  /** A socket without a handle would take note of each of these until it connects, which it never does. */
  #keepAwake(awake: boolean): void {
    if (this.#socket.destroyed) return;
    if (awake) this.#socket.ref();
    else this.#socket.unref();
  }

  capture(
    target: { plan: number } | { sandbox: number },
    job: Job,
    ties: Ties = {},
  ): Promise<RawResult> {
    return new Promise((resolve, reject) => {
      if (ties.signal?.aborted === true) throw abortedError(ties.signal);
      const id = this.nextId();
      const frame = encodeExec(id, target, job);
      this.attach(id, new CaptureExec(this, id, resolve, reject, ties));
      this.#tie(id, ties);
      this.send(frame);
    });
  }

  stream(target: { plan: number } | { sandbox: number }, job: Job, ties: Ties = {}): Execution {
    if (ties.signal?.aborted === true) throw abortedError(ties.signal);
    const id = this.nextId();
    const frame = encodeExec(id, target, job);
    const execution = new Execution(this, id, job, ties);
    this.attach(id, execution);
    this.#tie(id, ties);
    this.send(frame);
    return execution;
  }

  async freezeOf(of: () => number, frozen: boolean): Promise<void> {
    const ask = async (): Promise<void> => {
      const id = this.nextId();
      await this.#request(id, encodeFreeze(id, frozen, of()), frameType.READY, () => {});
    };
    await (frozen ? standStill(ask) : ask());
  }

  #tie(id: number, { onNetwork, onDial, name }: Ties): void {
    this.#networks.expect(id, onNetwork);
    if (name !== undefined) this.#names.set(id, name);
    onDial?.((port, address) => this.#dials.dial(id, port, address));
  }

  #idOf(name: string): number | undefined {
    for (const [id, called] of this.#names) if (called === name) return id;
    return undefined;
  }

  #needId(name: string): number {
    const id = this.#idOf(name);
    if (id === undefined) throw new CaissonError('SANDBOX_CLOSED', { layer: 'launcher' });
    return id;
  }

  #request<T>(
    id: number,
    frame: Buffer,
    expected: number,
    decode: (body: Buffer) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.detach(id);
        this.release();
      };
      this.attach(id, {
        frame: (type, body) => {
          done();
          try {
            if (type === frameType.ERROR) throw launcherError(body);
            if (type !== expected) throw malformed(`frame ${type} came where ${expected} was due`);
            resolve(decode(body));
          } catch (error) {
            reject(error);
          }
        },
        gone: (error) => {
          done();
          reject(error);
        },
      });
      this.hold();
      this.send(frame);
    });
  }

  #take(message: unknown, handle: unknown): void {
    if (isRawHandle(handle) && this.#dials.take(message, handle)) return;
    this.#networks.take(message, handle);
  }

  #receive(type: number, id: number, body: Buffer): void {
    if (!this.#greeted) {
      if (type !== frameType.HELLO) {
        throw type === frameType.ERROR ? launcherError(body) : malformed('the greeting is missing');
      }
      const hello = decodeHello(body);
      if (hello.version !== PROTOCOL_VERSION) {
        throw malformed(`the launcher speaks version ${hello.version}, we ${PROTOCOL_VERSION}`);
      }
      this.#build = hello.build;
      this.#greeted = true;
      return;
    }
    // An answer to something that has ended meanwhile (a KILL that crossed a RESULT) has no one to go to.
    const channel = this.#channels.get(id);
    if (type === frameType.DIALED) this.#dials.answered(body);
    else if (channel !== undefined) channel.frame(type, body);
    else if (id === 0 && type === frameType.ERROR) throw launcherError(body);
  }

  #fail(error: CaissonError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    this.#socket.destroy();
    this.#endChannels(error);
  }

  #endChannels(error: CaissonError): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#networks.clear();
    this.#dials.clear(error);
    this.#names.clear();
    for (const channel of channels) channel.gone(error);
  }

  #goneError(reason: string, cause?: unknown): CaissonError {
    const diagnostics = this.#process?.diagnostics ?? '';
    return new CaissonError('LAUNCHER_GONE', {
      layer: 'launcher',
      message: `the launcher ended: ${reason}`,
      hint: 'run again; if it ends again, caisson doctor says what is missing',
      cause,
      details: diagnostics === '' ? {} : { diagnostics },
    });
  }
}

function internal(cause: unknown): CaissonError {
  return new CaissonError('INTERNAL', { layer: 'launcher', cause });
}
