/**
 * The holder of secrets as its owner has it: started beside this process, given values, told to forget them. Only the other
 * socket, which goes to the process that puts values into requests, gets them out again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { RawHandle } from './network-handles.ts';
import { VaultChannel, vaultFailed, vaultOperation } from './vault-channel.ts';

/** `secret`: memfd_secret(2). `locked`: ordinary memory that is neither swapped nor dumped. */
export type VaultMemory = 'secret' | 'locked';

const DIAGNOSTICS_MAX = 1024;

export class VaultProcess {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #channel: VaultChannel;
  readonly #ended: Promise<void>;
  #diagnostics = '';
  #lastId = 0;
  #holders = 0;

  /** Never throws: one that cannot be started has ended, and says so at the first value. */
  constructor(program: string, memory: VaultMemory) {
    const child = spawn(program, ['vault', memory], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      env: {},
      cwd: '/',
      // A session of its own: Ctrl-C at a terminal reaches us, and we decide what ends.
      detached: true,
    });
    this.#child = child;
    this.#socket = child.stdio[3] as Socket;
    this.#channel = new VaultChannel(
      (bytes, done) => this.#socket.write(bytes, done),
      // One that stands still, or speaks nonsense, would keep what it holds for as long as we run.
      () => child.kill('SIGKILL'),
    );
    this.#socket.on('data', (chunk: Buffer) => this.#channel.take(chunk));
    this.#socket.on('error', () => {});
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#diagnostics = (this.#diagnostics + chunk.toString()).slice(-DIAGNOSTICS_MAX);
    });
    // With what it wrote before it ended.
    const said = new Promise(
      (resolve) => child.stderr?.once('close', resolve) ?? resolve(undefined),
    );
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#channel.end(this.#diagnostics.trim() || how);
        resolve();
      };
      child.once('error', ({ message }) => end(message));
      child.once('exit', (code, signal) => {
        void said.then(() => end(signal ?? `exit code ${code}`));
      });
    });
    child.unref();
    (child.stderr as Socket | null)?.unref();
    this.#socket.unref();
  }

  get isGone(): boolean {
    return this.#channel.isGone;
  }

  get pid(): number | undefined {
    return this.isGone ? undefined : this.#child.pid;
  }

  /** The end that values come out of, once: to be passed on to the process that needs them, and closed here. */
  takeReader(): RawHandle {
    const socket = this.#child.stdio[4] as unknown as {
      _handle: (RawHandle & { reading: boolean; readStop(): number }) | null;
    };
    const handle = socket._handle;
    if (handle === null || handle === undefined) throw vaultFailed('its reader has been taken');
    socket._handle = null;
    // Replies are for whoever it goes to, from the first byte.
    handle.reading = false;
    handle.readStop();
    return handle;
  }

  /** @returns what it is called there. The bytes stay the caller's. @throws NETWORK_FAILED */
  async put(bytes: Uint8Array): Promise<number> {
    const id = ++this.#lastId;
    await this.#held(() => this.#channel.request(vaultOperation.put, id, bytes));
    return id;
  }

  /** Overwritten when this resolves. One that is gone has none. */
  async drop(id: number): Promise<void> {
    await this.#held(() => this.#channel.request(vaultOperation.drop, id)).catch(() => {});
  }

  /** How many values it holds. @throws NETWORK_FAILED */
  async count(): Promise<number> {
    return (await this.#held(() => this.#channel.request(vaultOperation.count, 0))).id;
  }

  /** It overwrites what it has, and ends. */
  async end(): Promise<void> {
    this.#child.ref();
    this.#socket.destroy();
    await this.#ended;
  }

  /** While it is asked, this process waits for it. */
  async #held<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#holders++ === 0 && !this.#socket.destroyed) this.#socket.ref();
    try {
      return await ask();
    } finally {
      if (--this.#holders === 0 && !this.#socket.destroyed) this.#socket.unref();
    }
  }
}
