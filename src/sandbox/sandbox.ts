/**
 * A sandbox that stays open: any number of commands in one private world, until it is closed.
 */
import type { Socket } from 'node:net';
import type { RawUsage } from '../backends/backend.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { Outcome, Usage } from '../core/outcome.ts';
import type { Span, Telemetry } from '../core/telemetry.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import {
  type Applied,
  type ApplyOptions,
  applyOverlay,
  Changes,
  type ChangesOptions,
  type ChangesPage,
} from './changes.ts';
import { Commands, type CommandsSetup } from './commands.ts';
import { deniedPackets } from './denied-packets.ts';
import type { ExecOptions, SpawnOptions } from './exec-options.ts';
import { SandboxFiles } from './files.ts';
import { requireWhole } from './given-values.ts';
import type { GuestProcess } from './guest-process.ts';
import { noNetwork, requireSameMeans } from './network-change.ts';
import { requireNetworkPolicy } from './network-policy-given.ts';
import { CHANGES, CHANGES_PAGE, EXEC, SHELL, SNAPSHOT_OPEN, SPAWN } from './option-kinds.ts';
import { toUsage } from './outcome.ts';
import type { Overlay } from './overlay.ts';
import {
  notPublishable,
  type PublishedPort,
  type PublishOptions,
  type SandboxPorts,
} from './ports.ts';
import type { Redactor } from './redact.ts';
import { requireArgv } from './require-argv.ts';
import { Shell } from './shell.ts';
import type { ShellOptions } from './shell-command.ts';
import { Standing } from './standing.ts';
import { type TracedCommand, tracedClose, tracedExec, tracedSpawn } from './traced-commands.ts';

/** What compose gives a sandbox to stand on. */
export interface SandboxSetup extends CommandsSetup {
  readonly cwd: string;
  readonly overlay?: Overlay;
  /** A sandbox like this one over a copy of the overlay. */
  readonly reopen?: (overlay: Overlay) => Promise<Sandbox>;
  readonly copyOverlay?: (overlay: Overlay, signal?: AbortSignal) => Promise<Overlay>;
  /** Path of the launcher's program, for reading layers. */
  readonly launcher: string;
  readonly redactor?: Redactor;
  readonly ports?: SandboxPorts;
  readonly onClose?: (sandbox: Sandbox) => void;
  /** Absent: nobody traces it. */
  readonly telemetry?: Telemetry;
}

/** Pending changes as they were at one moment; open sandboxes from it with {@link Snapshot.open}. */
export interface Snapshot {
  readonly id: string;
  /** @param signal gives it up while it is copied */
  open(options?: { readonly signal?: AbortSignal }): Promise<Sandbox>;
  discard(): Promise<void>;
}

export class Sandbox {
  /** Files inside, as the guest sees them. */
  readonly files: SandboxFiles;
  readonly #setup: SandboxSetup;
  readonly #commands: Commands;
  readonly #shells = new Set<Shell>();
  readonly #openedAt = performance.now();
  /** What made it, for spans. */
  readonly #origin: Span | undefined;
  #keepsChanges = false;
  readonly #standing: Standing;
  #closing: Promise<void> | undefined;
  /** Fires when it is closed. */
  readonly #ending = new AbortController();
  readonly #networkEnded = Promise.withResolvers<void>();

  constructor(setup: SandboxSetup) {
    this.#setup = setup;
    this.#origin = setup.telemetry?.active;
    this.#standing = new Standing(async (frozen) => {
      this.#needOpen();
      await setup.open.freeze(frozen);
    });
    this.files = new SandboxFiles(setup.open, setup.cwd, setup.redactor);
    const read = (path: string): Promise<Uint8Array> => this.files.read(path);
    this.#commands = new Commands(setup, read, () => this.#needOpen());
    const { promise, resolve, reject } = this.#networkEnded;
    setup.open.closed
      .then(
        (raw) => this.#endNetwork(raw),
        () => this.#endNetwork(undefined),
      )
      .then(resolve, reject);
    // What goes wrong there is told by close().
    promise.catch(() => {});
  }

  get id(): string {
    return this.#setup.id;
  }

  /** Directory that commands start in, inside. */
  get cwd(): string {
    return this.#setup.cwd;
  }

  /** Settles when nothing of it is left, whoever ended it; rejects when its launcher ended first. */
  get gone(): Promise<unknown> {
    return this.#setup.open.closed;
  }

  /**
   * Runs a command to its end.
   *
   * @throws COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, REQUEST_INVALID, ABORTED, SANDBOX_CLOSED, LAUNCHER_GONE
   * @example const { stdout } = await sandbox.exec(['ls', '-l']);
   */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    this.#needOpen();
    requireArgv(argv);
    checkOptions(options, 'exec', EXEC);
    const traced = this.#traced(options);
    if (traced === undefined) return await this.#commands.exec(argv, options);
    return await tracedExec(traced, argv, () => this.#commands.exec(argv, options));
  }

  /**
   * Starts a command, with its streams. Errors of starting come through `outcome`; so does a refusal where the policy asks for a
   * look at code before it runs. What will be written to the command's stdin nobody can look at: a shell or an interpreter that
   * reads its program from there is refused then, unless the policy lets `dynamic-code` be declared.
   */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    this.#needOpen();
    requireArgv(argv);
    checkOptions(options, 'spawn', SPAWN);
    const traced = this.#traced(options);
    if (traced === undefined) return this.#commands.spawn(argv, options);
    return tracedSpawn(traced, argv, () => this.#commands.spawn(argv, options));
  }

  /** A shell whose directory, environment and background jobs persist between its commands. */
  shell(options: ShellOptions = {}): Shell {
    this.#needOpen();
    checkOptions(options, 'shell', SHELL);
    requireWhole(options.outputBytes, 'shell: outputBytes', { least: 1 });
    const shell = new Shell(
      (argv, cwd) => this.#commands.shell(argv, cwd),
      options,
      this.#setup.release,
      this.#setup.admit === undefined
        ? undefined
        : (...asked) => this.#commands.shellCommand(...asked),
    );
    this.#shells.add(shell);
    return shell;
  }

  /** What the sandbox has used since it was opened. */
  async usage(): Promise<Usage> {
    this.#needOpen();
    const usage = toUsage(await this.#setup.open.usage(), performance.now() - this.#openedAt);
    using release = this.#setup.release?.();
    return release?.usage(usage) ?? usage;
  }

  /** Stops everything inside where it stands. */
  async freeze(): Promise<void> {
    await this.#standing.freeze();
  }

  async thaw(): Promise<void> {
    await this.#standing.thaw();
  }

  /** What the sandbox may reach now; undefined where it has no filtered network. */
  get network(): NetworkPolicy | undefined {
    return this.#setup.network?.policy;
  }

  /**
   * Changes what the sandbox may reach; connections that are no longer allowed are reset. Recorded.
   *
   * @throws REQUEST_INVALID where it has no filtered network, or the change needs another sandbox; NETWORK_GONE
   */
  async updateNetwork(policy: NetworkPolicy): Promise<void> {
    this.#needOpen();
    requireNetworkPolicy(policy);
    const { network, journal } = this.#setup;
    if (network?.policy.mode !== 'filtered') throw noNetwork();
    const from = network.policy;
    requireSameMeans(from, policy);
    await network.update(policy);
    journal?.networkChanged({ id: this.id }, from, policy);
  }

  /**
   * Lets programs of this host reach a port inside, on a loopback port of the host, until either is closed. A connection
   * to a port on which the guest does not listen yet is reset.
   *
   * @param guestPort One of the policy's `listen`.
   * @throws REQUEST_INVALID where the policy does not name the port, the host's port is taken, or the guest has the
   * host's network; NETWORK_GONE
   * @example
   * const { port } = await sandbox.publish(8080);
   * await fetch(`http://127.0.0.1:${port}/`);
   */
  async publish(guestPort: number, options: PublishOptions = {}): Promise<PublishedPort> {
    this.#needOpen();
    const { ports } = this.#setup;
    if (ports === undefined) throw notPublishable('the guest has no network of its own');
    return await ports.publish(guestPort, options);
  }

  /**
   * A connection to a TCP port that a guest listens on inside, past the network of the host.
   *
   * @param guestPort One of the policy's `listen`.
   * @throws REQUEST_INVALID where the policy does not name the port, or the guest has the host's network; NETWORK_FAILED
   * where nobody listens
   */
  async connect(guestPort: number): Promise<Socket> {
    this.#needOpen();
    const { ports } = this.#setup;
    if (ports === undefined) throw notPublishable('the guest has no network of its own');
    return await ports.connect(guestPort);
  }

  /** What was changed in an overlaid workspace. @throws REQUEST_INVALID without an overlay; TOO_LARGE */
  async changes(options: ChangesOptions = {}): Promise<Changes> {
    checkOptions(options, 'changes', CHANGES);
    const overlay = this.#needOverlay();
    return await this.#whileOpen(() => Changes.read(overlay, this.#setup.launcher, options));
  }

  /** Some of the changes; see {@link Changes.page}. @throws REQUEST_INVALID without an overlay; TOO_LARGE */
  async changesPage(page: {
    readonly after?: string;
    readonly limit: number;
  }): Promise<ChangesPage> {
    checkOptions(page, 'changesPage', CHANGES_PAGE);
    requireWhole(page.limit ?? Number.NaN, 'changesPage: limit', { least: 1 });
    const overlay = this.#needOverlay();
    return await this.#whileOpen(() => Changes.page(overlay, this.#setup.launcher, page));
  }

  /** Brings the changes into the workspace; see {@link Changes.apply}. */
  async apply(options: ApplyOptions = {}): Promise<Applied> {
    const overlay = this.#needOverlay();
    return await this.#whileOpen(() => applyOverlay(overlay, this.#setup.launcher, options));
  }

  async #whileOpen<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Closed meanwhile: its changes went while they were read.
      if (this.#closing === undefined || isCaissonError(error)) throw error;
      throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox', cause: error });
    }
  }

  /** The changes as they are now, to open sandboxes from. @throws REQUEST_INVALID without an overlay */
  async snapshot(): Promise<Snapshot> {
    const copy = await this.#copyChanges();
    const { reopen, copyOverlay } = this.#setup;
    return {
      id: copy.id,
      open: async (options = {}) => {
        checkOptions(options, 'open', SNAPSHOT_OPEN);
        const { signal } = options;
        if (reopen === undefined || copyOverlay === undefined) throw noOverlay();
        return await this.#anew(await copyOverlay(copy, signal));
      },
      discard: () => copy.discard(),
    };
  }

  /** Another sandbox with the same policy and workspace, and a copy of the changes. Processes are not copied. */
  async fork(): Promise<Sandbox> {
    if (this.#setup.reopen === undefined) throw noOverlay();
    return await this.#anew(await this.#copyChanges());
  }

  async #anew(copy: Overlay): Promise<Sandbox> {
    const { reopen } = this.#setup;
    if (reopen === undefined) throw noOverlay();
    try {
      return await reopen(copy);
    } catch (error) {
      await copy.discard();
      throw error;
    }
  }

  /** Keeps the pending changes after {@link close}, to be found by their id; returns it. */
  keepChanges(): string {
    const overlay = this.#needOverlay();
    this.#keepsChanges = true;
    overlay.release();
    return overlay.id;
  }

  /** Ends everything inside; pending changes go too, unless {@link keepChanges} was called. Idempotent. */
  close(): Promise<void> {
    const traced = this.#traced({});
    this.#closing ??=
      traced === undefined ? this.#close() : tracedClose(traced, () => this.#close());
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Whoever ended the sandbox: its name and its ports are free again. What was refused and not told yet is told. */
  async #endNetwork(raw: RawUsage | undefined): Promise<void> {
    const { network, ports, journal, context } = this.#setup;
    await ports?.close();
    const ended = await network?.close(raw);
    const denied =
      raw !== undefined && context.tellsPackets === true
        ? deniedPackets(raw, context.toldPackets)
        : [];
    if (denied.length > 0) journal?.violations({ id: this.id }, denied);
    if (ended !== undefined) journal?.violations({ id: this.id }, ended.violations);
  }

  async #close(): Promise<void> {
    const { open, overlay, onClose, journal } = this.#setup;
    this.#ending.abort();
    // Together: a shell in a sandbox that stands still ends only with the sandbox.
    await Promise.all([...[...this.#shells].map((shell) => shell.close()), open.close()]);
    await this.#networkEnded.promise;
    journal?.destroyed({ id: this.id }, 0);
    this.#setup.redactor?.close();
    if (overlay !== undefined && !this.#keepsChanges) await overlay.discard();
    onClose?.(this);
  }

  /** Frozen while it is copied, so that no file is caught half written. */
  async #copyChanges(): Promise<Overlay> {
    const overlay = this.#needOverlay();
    const { copyOverlay } = this.#setup;
    if (copyOverlay === undefined) throw noOverlay();
    let copy: Overlay | undefined;
    try {
      await this.#standing.during(async () => {
        this.#needOpen();
        copy = await copyOverlay(overlay, this.#ending.signal);
      });
      return copy as Overlay;
    } catch (error) {
      // Copied, and closed before it could go on: nobody has it.
      await copy?.discard();
      // Not copied to its end, because it was closed.
      this.#needOpen();
      throw error;
    }
  }

  #traced({ trace }: Pick<ExecOptions, 'trace'>): TracedCommand | undefined {
    const { telemetry, id } = this.#setup;
    if (telemetry === undefined) return undefined;
    const command = { telemetry, id, origin: this.#origin };
    return trace === undefined ? command : { ...command, trace };
  }

  #needOverlay(): Overlay {
    const { overlay } = this.#setup;
    if (overlay === undefined) throw noOverlay();
    return overlay;
  }

  #needOpen(): void {
    if (this.#closing !== undefined) throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
  }
}

function noOverlay(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: 'the sandbox writes its workspace directly, so there are no pending changes',
    hint: 'give the policy workspace: overlay',
  });
}
