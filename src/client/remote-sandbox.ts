/** A sandbox of a service, in the shape of one of the library's. */
import type { Duplex } from 'node:stream';
import {
  discardSnapshot,
  forkSandbox,
  openSnapshot,
  pauseSandbox,
  resumeSandbox,
  sandboxUsage,
  sandboxViolations,
  takeSnapshot,
} from '../api/lifecycle.ts';
import { outcomeFromWire } from '../api/outcome.ts';
import { inspectNetwork, updateNetwork } from '../api/ports.ts';
import type { Route, ValueOf } from '../api/route.ts';
import { execInSandbox, inspectSandbox, killSandbox, type WireSandbox } from '../api/sandboxes.ts';
import { spawnInSandbox } from '../api/spawn.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { Outcome, Usage } from '../core/outcome.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { networkDocument } from '../policy/to-document.ts';
import type { Applied, ApplyOptions } from '../sandbox/changes.ts';
import type { ExecOptions, SpawnOptions } from '../sandbox/exec-options.ts';
import { requireWhole } from '../sandbox/given-values.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { ManagedForkOptions } from '../sandbox/manager/manager-options.ts';
import { requireNetworkPolicy } from '../sandbox/network-policy-given.ts';
import { APPLY, SHELL, SPAWN } from '../sandbox/option-kinds.ts';
import type { PublishedPort, PublishOptions } from '../sandbox/ports.ts';
import { requireArgv } from '../sandbox/require-argv.ts';
import type { ShellOptions } from '../sandbox/shell-command.ts';
import { refuseMethods } from './local-only.ts';
import { REMOTE } from './option-kinds.ts';
import { checkRemote, commandToWire, managedToWire, type Once, onceOf, traceOf } from './place.ts';
import { applyRemote, RemoteChanges } from './remote-changes.ts';
import { RemoteFiles } from './remote-files.ts';
import { RemotePorts } from './remote-ports.ts';
import { spawnRemote } from './remote-process.ts';
import { RemoteShell } from './remote-shell.ts';
import type { SharedSandbox, SharedSnapshot } from './shared.ts';
import type { AskOptions, Transport } from './transport.ts';

/** What was refused in a sandbox, as far as it is kept. */
export type RemoteViolations = ValueOf<typeof sandboxViolations>;

/** Pending changes as they were at one moment. They are kept until they are discarded, or the service ends. */
export interface RemoteSnapshot extends SharedSnapshot {
  open(options?: ManagedForkOptions & Once): Promise<RemoteSandbox>;
}

export class RemoteSandbox implements SharedSandbox, AsyncDisposable {
  readonly id: string;
  /** Directory that commands start in, inside. */
  readonly cwd: string;
  /** Files inside, as the guest sees them. */
  readonly files: RemoteFiles;
  readonly #transport: Transport;
  readonly #ports: RemotePorts;
  readonly #shells = new Set<RemoteShell>();
  #network: NetworkPolicy | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(transport: Transport, { id, cwd = '/', network }: WireSandbox) {
    this.#transport = transport;
    this.id = id;
    this.cwd = cwd;
    this.files = new RemoteFiles(transport, id);
    this.#ports = new RemotePorts(transport, id);
    this.#network = network as NetworkPolicy | undefined;
  }

  /** As `Sandbox.exec`. */
  async exec(argv: readonly string[], options: ExecOptions & Once = {}): Promise<Outcome> {
    requireArgv(argv, 'client');
    checkRemote(options, 'exec', REMOTE.exec);
    const body = { argv: [...argv], ...commandToWire(options) };
    const { signal } = options;
    return outcomeFromWire(await this.#ask(execInSandbox, { body, signal, ...onceOf(options) }));
  }

  /** As `Sandbox.spawn`. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    this.#needOpen();
    requireArgv(argv, 'client');
    checkRemote(options, 'spawn', SPAWN);
    const { pty, signal } = options;
    const start = {
      argv: [...argv],
      ...commandToWire(options),
      ...(pty === undefined ? {} : { pty }),
    };
    const path = this.#transport.pathOf(spawnInSandbox, { params: { id: this.id } });
    const connect = (port: number) => this.connect(port) as Promise<never>;
    return spawnRemote(this.#transport, { path, start, signal, connect, ...traceOf(options) });
  }

  /** As `Sandbox.shell`; it is asked for with its first command. */
  shell(options: ShellOptions = {}): RemoteShell {
    this.#needOpen();
    checkOptions(options, 'shell', SHELL, 'client');
    requireWhole(options.outputBytes, 'shell: outputBytes', { least: 1 }, 'client');
    const shell = new RemoteShell(this.#transport, this.id, options);
    this.#shells.add(shell);
    return shell;
  }

  /** What is known of it now. */
  async inspect(): Promise<WireSandbox> {
    return await this.#transport.ask(inspectSandbox, { params: { id: this.id } });
  }

  /** What was tried in it and refused, also after its end. */
  async violations(): Promise<RemoteViolations> {
    return await this.#transport.ask(sandboxViolations, { params: { id: this.id } });
  }

  /** What it has used since it was made. @throws SANDBOX_CLOSED */
  async usage(): Promise<Usage> {
    return (await this.#ask(sandboxUsage, {})) as Usage;
  }

  /** As `Sandbox.freeze`. What it is asked meanwhile is refused with CONFLICT. */
  async freeze(): Promise<void> {
    await this.#become('Paused', pauseSandbox);
  }

  async thaw(): Promise<void> {
    await this.#become('Running', resumeSandbox);
  }

  /** What it may reach, as far as this client was told: {@link readNetwork} asks. Undefined where it has no filtered network. */
  get network(): NetworkPolicy | undefined {
    return this.#network;
  }

  /** What it may reach now, whoever changed it. */
  async readNetwork(): Promise<NetworkPolicy> {
    return (await this.#ask(inspectNetwork, {})) as unknown as NetworkPolicy;
  }

  /** As `Sandbox.updateNetwork`, within what the key's tenant may. */
  async updateNetwork(policy: NetworkPolicy): Promise<void> {
    requireNetworkPolicy(policy, 'client');
    const network = { ...networkDocument(policy) };
    this.#network = (await this.#ask(updateNetwork, { body: { network } })) as never;
  }

  /**
   * As `Sandbox.publish`: a loopback port of this machine, whose connections are carried to the port inside, until
   * either is closed.
   */
  async publish(guestPort: number, options: PublishOptions = {}): Promise<PublishedPort> {
    this.#needOpen();
    return await this.#ports.publish(guestPort, options);
  }

  /** As `Sandbox.connect`. It is a stream in both directions, and no socket of this machine. */
  async connect(guestPort: number): Promise<Duplex> {
    this.#needOpen();
    requireWhole(guestPort, 'the port', { least: 1, most: 65_535 }, 'client');
    return await this.#ports.connect(guestPort);
  }

  /** What was changed in an overlaid workspace. @throws REQUEST_INVALID without an overlay */
  async changes(): Promise<RemoteChanges> {
    this.#needOpen();
    return await RemoteChanges.read(this.#transport, this.id);
  }

  /** Brings the changes into the workspace of the service. */
  async apply(options: ApplyOptions = {}): Promise<Applied> {
    this.#needOpen();
    checkOptions(options, 'apply', APPLY, 'client');
    return await applyRemote(this.#transport, this.id, options);
  }

  /** As `Sandbox.snapshot`; counted as a kept sandbox. @throws REQUEST_INVALID without an overlay */
  async snapshot(): Promise<RemoteSnapshot> {
    const { id } = await this.#ask(takeSnapshot, {});
    return snapshotOf(this.#transport, id);
  }

  /** As `Sandbox.fork`. @throws REQUEST_INVALID without an overlay */
  async fork(options: ManagedForkOptions & Once = {}): Promise<RemoteSandbox> {
    checkOptions(options, 'fork', REMOTE.fork, 'client');
    const { signal } = options;
    const asked = { body: managedToWire(options), signal, ...onceOf(options) };
    return new RemoteSandbox(this.#transport, await this.#ask(forkSandbox, asked));
  }

  /** Ends everything inside; nothing of it is left when this settles. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#ports.close();
    try {
      await this.#transport.ask(killSandbox, { params: { id: this.id } });
    } catch (error) {
      // It ended long ago, and nobody remembers it.
      if (!isCaissonError(error) || error.code !== 'NOT_FOUND') throw error;
    }
    await Promise.all([...this.#shells].map((shell) => shell.close()));
  }

  /** Twice is once, as here. */
  async #become(
    state: 'Paused' | 'Running',
    route: typeof pauseSandbox | typeof resumeSandbox,
  ): Promise<void> {
    try {
      await this.#ask(route, {});
    } catch (error) {
      if (!isCaissonError(error) || error.code !== 'REQUEST_INVALID') throw error;
      const { state: now } = await this.inspect();
      if (now !== state) throw error;
    }
  }

  async #ask<R extends Route>(
    route: R,
    options: Omit<AskOptions<R>, 'params'>,
  ): Promise<ValueOf<R>> {
    this.#needOpen();
    return await this.#transport.ask(route, {
      ...options,
      params: { id: this.id } as AskOptions<R>['params'],
    } as AskOptions<R>);
  }

  #needOpen(): void {
    if (this.#closing !== undefined) throw new CaissonError('SANDBOX_CLOSED', { layer: 'client' });
  }
}

refuseMethods(RemoteSandbox.prototype, {
  keepChanges: 'changes go with the sandbox; snapshot() keeps them',
});

/** @param id of one that is kept */
export function snapshotOf(transport: Transport, id: string): RemoteSnapshot {
  return {
    id,
    open: async (options: ManagedForkOptions & Once = {}) => {
      checkOptions(options, 'open', REMOTE.fork, 'client');
      const { signal } = options;
      const body = managedToWire(options);
      const asked = { params: { id }, body, signal, ...onceOf(options) };
      return new RemoteSandbox(transport, await transport.ask(openSnapshot, asked));
    },
    discard: async () => {
      await transport.ask(discardSnapshot, { params: { id } });
    },
  };
}
