/** The launchers of a Caisson, each started with the first thing that needs it, and what they say of this host. */
import { CaissonError, isCaissonError } from '../core/error.ts';
import { gatherFacts, minimalFacts } from '../host/facts.ts';
import { removeLeftOverCgroups } from '../host/left-over-cgroups.ts';
import { LauncherClient } from '../launcher/client.ts';
import { locateLauncher } from '../launcher/locate.ts';
import { readFacts } from '../launcher/read-facts.ts';
import type { HostFacts } from '../plan/facts.ts';

export class Launchers {
  #client: LauncherClient | undefined;
  #hostClient: LauncherClient | undefined;
  #program: string | undefined;
  #facts: Promise<HostFacts> | undefined;
  #closed = false;
  /** After launchers that were killed. */
  readonly #cleanings = new Set<Promise<unknown>>();
  readonly #known: HostFacts | undefined;

  /** @param known facts of this host where they are known already */
  constructor(known: HostFacts | undefined) {
    this.#known = known;
  }

  /** Path. @throws LAUNCHER_MISSING, LAUNCHER_UNTRUSTED, PLATFORM_UNSUPPORTED */
  get program(): string {
    this.#program ??= locateLauncher().path;
    return this.#program;
  }

  /** The one that makes namespaces. */
  get client(): LauncherClient {
    if (this.#closed) throw closedError();
    if (this.#client === undefined || this.#client.isGone) {
      this.#client = this.#start('serve');
    }
    return this.#client;
  }

  /** For guests that see the host as we do; it makes no namespaces. */
  get hostClient(): LauncherClient {
    if (this.#closed) throw closedError();
    if (this.#hostClient === undefined || this.#hostClient.isGone) {
      this.#hostClient = this.#start('child');
    }
    return this.#hostClient;
  }

  get live(): LauncherClient[] {
    return [this.#client, this.#hostClient].flatMap((client) =>
      client === undefined || client.isGone ? [] : client,
    );
  }

  /** The one that has a run or sandbox of that id. */
  holderOf(id: string): LauncherClient | undefined {
    return this.live.find((client) => client.holds(id));
  }

  facts(): Promise<HostFacts> {
    this.#facts ??= this.#gather();
    // A failure is not remembered: the launcher may be built meanwhile.
    this.#facts.catch(() => {
      this.#facts = undefined;
    });
    return this.#facts;
  }

  /** From here on none is started. */
  shut(): void {
    this.#closed = true;
  }

  async close(): Promise<void> {
    this.shut();
    await Promise.all([this.#client?.close(), this.#hostClient?.close()]);
    await Promise.all(this.#cleanings);
  }

  /** One that is killed cannot remove its control groups; another one would, as soon as something runs in it. */
  #start(mode: 'serve' | 'child'): LauncherClient {
    const client = new LauncherClient(this.program, [mode]);
    client.ended.then(({ isOrderly }) => {
      if (isOrderly) return;
      const cleaning = removeLeftOverCgroups();
      this.#cleanings.add(cleaning);
      cleaning.finally(() => this.#cleanings.delete(cleaning));
    });
    return client;
  }

  async #gather(): Promise<HostFacts> {
    if (this.#known !== undefined) return this.#known;
    if (process.platform !== 'linux') return minimalFacts();
    try {
      return gatherFacts(await this.client.probe());
    } catch (error) {
      if (!isCaissonError(error) || error.code !== 'LAUNCHER_GONE' || this.#closed) throw error;
      // Where namespaces are refused it ends before it answers; what refuses them is for doctor to say.
      return gatherFacts(await readFacts(this.program));
    }
  }
}

export function closedError(): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', {
    layer: 'sandbox',
    message: 'this Caisson is closed',
    hint: 'open another one',
  });
}
