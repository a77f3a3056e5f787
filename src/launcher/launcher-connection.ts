/** The socket to a launcher, and who on it has which number: requests, runs, sandboxes. */
import type { Socket } from 'node:net';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { Job } from '../plan/plan.ts';
import { Answers } from './answers.ts';
import { abortedError, CaptureExec } from './capture-exec.ts';
import type { Channel, Connection } from './channel.ts';
import { Dials } from './dials.ts';
import { Execution } from './execution.ts';
import { launcherError } from './launcher-error.ts';
import { type Ending, LauncherProcess } from './launcher-process.ts';
import { isRawHandle, NetworkDelivery } from './network-handles.ts';
import type { RawResult } from './protocol/decode-result.ts';
import { encodeFreeze } from './protocol/encode-freeze.ts';
import { type ExecTarget, encodeExec } from './protocol/encode-job.ts';
import { malformed } from './protocol/fields.ts';
import {
  decodeHello,
  encodeHello,
  FrameReader,
  frameType,
  PROTOCOL_VERSION,
} from './protocol/frame.ts';
import { standStill } from './stand-still.ts';
import type { Ties } from './ties.ts';

export class LauncherConnection implements Connection {
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

  /** @param program started with `args`; never throws: what goes wrong rejects the first request. Or a socket to one that runs. */
  constructor(program: string | Socket, args: readonly string[]) {
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
        this.#socket.once('close', () => resolve({ reason: 'its socket closed', isOrderly: true }));
      });
    this.#ended.then(({ reason, cause }) => this.#fail(this.#goneError(reason, cause)));
    this.#socket.unref();
    this.#socket.write(encodeHello());
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get build(): string {
    return this.#build;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** Never rejects. */
  get ended(): Promise<Ending> {
    return this.#ended;
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

  nextId(): number {
    do {
      this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    } while (this.#channels.has(this.#lastId));
    return this.#lastId;
  }

  /** @throws LAUNCHER_GONE, so that nothing is begun for an answer that cannot come */
  assertHere(): void {
    if (this.#gone !== undefined) throw this.#gone;
  }

  attach(id: number, channel: Channel): void {
    this.assertHere();
    this.#channels.set(id, channel);
  }

  detach(id: number): void {
    this.#channels.delete(id);
    this.#networks.forget(id);
    this.#dials.forget(id);
    this.#names.delete(id);
  }

  send(frame: Buffer, taken?: () => void): void {
    if (this.#gone === undefined) this.#socket.write(frame, taken);
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

  capture(target: ExecTarget, job: Job, ties: Ties = {}): Promise<RawResult> {
    return new Promise((resolve, reject) => {
      if (ties.signal?.aborted === true) throw abortedError(ties.signal);
      this.assertHere();
      const id = this.nextId();
      const frame = encodeExec(id, target, job);
      this.attach(id, new CaptureExec(this, id, resolve, reject, ties));
      this.tie(id, ties);
      this.send(frame);
    });
  }

  stream(target: ExecTarget, job: Job, ties: Ties = {}): Execution {
    if (ties.signal?.aborted === true) throw abortedError(ties.signal);
    this.assertHere();
    const id = this.nextId();
    const frame = encodeExec(id, target, job);
    const execution = new Execution(this, id, job, ties);
    this.attach(id, execution);
    this.tie(id, ties);
    this.send(frame);
    return execution;
  }

  async freezeOf(of: () => number, frozen: boolean): Promise<void> {
    const ask = async (): Promise<void> => {
      const id = this.nextId();
      await this.request(id, encodeFreeze(id, frozen, of()), frameType.READY, () => {});
    };
    await (frozen ? standStill(ask) : ask());
  }

  /** What else goes by that number: its network, connections into it, its name. */
  tie(id: number, { onNetwork, onDial, name }: Ties): void {
    this.#networks.expect(id, onNetwork);
    if (name !== undefined) this.#names.set(id, name);
    onDial?.(async (port, address) => {
      this.assertHere();
      return await this.#dials.dial(id, port, address);
    });
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** Of a run or sandbox that was called so when it was asked for. */
  idOf(name: string): number | undefined {
    for (const [id, called] of this.#names) if (called === name) return id;
    return undefined;
  }

  /** Sends a frame, and settles with the one answer to it; several under one number are answered in their order. */
  async request<T>(
    id: number,
    frame: Buffer,
    expected: number,
    decode: (body: Buffer) => T,
  ): Promise<T> {
    const known = this.#channels.get(id);
    const answers = known instanceof Answers ? known : new Answers(this, id);
    if (answers !== known) this.attach(id, answers);
    const answer = answers.next(expected, decode);
    this.send(frame);
    return await answer;
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
