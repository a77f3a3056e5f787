/**
 * A sandbox that a manager made and looks after: what a {@link Sandbox} does, with time limits, and room that is given back.
 */
import type { Socket } from 'node:net';
import type { Outcome, Usage } from '../../core/outcome.ts';
import { checkOptions } from '../../policy/known-options.ts';
import type { NetworkPolicy } from '../../policy/policy.ts';
import type { Applied, ApplyOptions, Changes, ChangesOptions, ChangesPage } from '../changes.ts';
import type { ExecOptions, SpawnOptions } from '../exec-options.ts';
import type { SandboxFiles } from '../files.ts';
import type { GuestProcess } from '../guest-process.ts';
import { MANAGED } from '../option-kinds.ts';
import type { PublishedPort, PublishOptions } from '../ports.ts';
import type { Sandbox } from '../sandbox.ts';
import type { Shell } from '../shell.ts';
import type { ShellOptions } from '../shell-command.ts';
import type { Activity } from './activity.ts';
import type { ManagedForkOptions } from './manager-options.ts';
import type { SandboxState } from './states.ts';

/** Pending changes as they were at one moment. */
export interface ManagedSnapshot {
  readonly id: string;
  /** A sandbox like the one that it was taken of, which may be gone by then; it takes room of its own. */
  open(options?: ManagedForkOptions): Promise<ManagedSandbox>;
  discard(): Promise<void>;
}

/** What it asks of its manager. */
export interface Keeper {
  state(): SandboxState;
  pause(): Promise<void>;
  resume(): Promise<void>;
  fork(options: ManagedForkOptions): Promise<ManagedSandbox>;
  snapshot(): Promise<ManagedSnapshot>;
  /** Ends it; its room is free when this settles. */
  close(): Promise<void>;
}

export class ManagedSandbox {
  /** The manager's name of it, UUIDv7. */
  readonly id: string;
  /** Files inside, as the guest sees them. */
  readonly files: SandboxFiles;
  readonly #sandbox: Sandbox;
  readonly #activity: Activity;
  readonly #keeper: Keeper;

  constructor(id: string, sandbox: Sandbox, activity: Activity, keeper: Keeper) {
    this.id = id;
    this.#sandbox = sandbox;
    this.#activity = activity;
    this.#keeper = keeper;
    this.files = activity.watch(sandbox.files);
  }

  get state(): SandboxState {
    return this.#keeper.state();
  }

  /** Directory that commands start in, inside. */
  get cwd(): string {
    return this.#sandbox.cwd;
  }

  exec(argv: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    return this.#activity.during(this.#sandbox.exec(argv, options));
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    const guest = this.#sandbox.spawn(argv, options);
    this.#activity.during(guest.outcome);
    return guest;
  }

  shell(options: ShellOptions = {}): Shell {
    return this.#activity.watch(this.#sandbox.shell(options));
  }

  usage(): Promise<Usage> {
    return this.#sandbox.usage();
  }

  changes(options: ChangesOptions = {}): Promise<Changes> {
    return this.#activity.during(this.#sandbox.changes(options));
  }

  changesPage(page: { readonly after?: string; readonly limit: number }): Promise<ChangesPage> {
    return this.#activity.during(this.#sandbox.changesPage(page));
  }

  apply(options: ApplyOptions = {}): Promise<Applied> {
    return this.#activity.during(this.#sandbox.apply(options));
  }

  /** What it may reach now; undefined where it has no filtered network. */
  get network(): NetworkPolicy | undefined {
    return this.#sandbox.network;
  }

  /** See {@link Sandbox.updateNetwork}. */
  updateNetwork(policy: NetworkPolicy): Promise<void> {
    return this.#activity.during(this.#sandbox.updateNetwork(policy));
  }

  /** See {@link Sandbox.publish}. */
  publish(guestPort: number, options: PublishOptions = {}): Promise<PublishedPort> {
    return this.#activity.during(this.#sandbox.publish(guestPort, options));
  }

  /** See {@link Sandbox.connect}. It is not idle while the connection is open. */
  async connect(guestPort: number): Promise<Socket> {
    const socket = await this.#activity.during(this.#sandbox.connect(guestPort));
    this.#activity.begin();
    socket.once('close', () => this.#activity.end());
    return socket;
  }

  /**
   * Another one like it, with a copy of the changes of its workspace and room of its own. Processes are not copied.
   *
   * @throws REQUEST_INVALID without an overlay, and as a manager's `create`
   */
  async fork(options: ManagedForkOptions = {}): Promise<ManagedSandbox> {
    checkOptions(options, 'fork', MANAGED.fork);
    return await this.#keeper.fork(options);
  }

  /** The changes as they are now, to make sandboxes from. @throws REQUEST_INVALID without an overlay */
  snapshot(): Promise<ManagedSnapshot> {
    return this.#keeper.snapshot();
  }

  /** It is not idle until this is disposed of. */
  busy(): Disposable {
    this.#activity.begin();
    return {
      [Symbol.dispose]: () => {
        this.#activity.end();
      },
    };
  }

  /** Keeps the pending changes after {@link close}, or its manager's death, to be found by their id; returns it. */
  keepChanges(): string {
    return this.#sandbox.keepChanges();
  }

  /** Stops everything inside where it stands. @throws REQUEST_INVALID unless it is running */
  pause(): Promise<void> {
    return this.#keeper.pause();
  }

  /** @throws REQUEST_INVALID unless it is paused */
  resume(): Promise<void> {
    return this.#keeper.resume();
  }

  /** Ends everything inside and gives its room back. Idempotent. */
  close(): Promise<void> {
    return this.#keeper.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
