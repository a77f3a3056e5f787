/** A sandbox of a service, in the shape of one of the library's. */
import { outcomeFromWire } from '../api/outcome.ts';
import { execInSandbox, inspectSandbox, killSandbox, type WireSandbox } from '../api/sandboxes.ts';
import { spawnInSandbox } from '../api/spawn.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome, Usage } from '../core/outcome.ts';
import type { ExecOptions, SpawnOptions } from '../sandbox/exec-options.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { commandToWire } from './place.ts';
import { spawnRemote } from './remote-process.ts';
import type { Transport } from './transport.ts';

type Shared = Pick<Sandbox, 'id' | 'cwd' | 'exec' | 'spawn' | 'usage' | 'close'>;

export class RemoteSandbox implements Shared, AsyncDisposable {
  readonly id: string;
  /** Directory that commands start in, inside. */
  readonly cwd: string;
  readonly #transport: Transport;
  #closing: Promise<void> | undefined;

  constructor(transport: Transport, { id, cwd = '/' }: WireSandbox) {
    this.#transport = transport;
    this.id = id;
    this.cwd = cwd;
  }

  /** As `Sandbox.exec`. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    const body = { argv: [...argv], ...commandToWire(options) };
    const { signal } = options;
    const params = { id: this.id };
    return outcomeFromWire(await this.#transport.ask(execInSandbox, { params, body, signal }));
  }

  /** As `Sandbox.spawn`. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    const { pty, signal } = options;
    const start = {
      argv: [...argv],
      ...commandToWire(options),
      ...(pty === undefined ? {} : { pty }),
    };
    const path = this.#transport.pathOf(spawnInSandbox, { params: { id: this.id } });
    return spawnRemote(this.#transport, { path, start, signal });
  }

  /** What is known of it now. */
  async inspect(): Promise<WireSandbox> {
    return await this.#transport.ask(inspectSandbox, { params: { id: this.id } });
  }

  /** What it has used since it was made. @throws SANDBOX_CLOSED */
  async usage(): Promise<Usage> {
    const { usage } = await this.inspect();
    if (usage !== undefined) return usage as Usage;
    throw new CaissonError('SANDBOX_CLOSED', { layer: 'client' });
  }

  /** Ends everything inside; nothing of it is left when this settles. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#transport.ask(killSandbox, { params: { id: this.id } });
    })();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
