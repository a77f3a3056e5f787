/**
 * The networks and published ports of one Caisson's sandboxes: all of them in one proxy process, which starts with the
 * first plan that needs it.
 */

import { secretBytes } from '../network/intercept/secret-bytes.ts';
import type { ProxyClient } from '../network/proxy-client.ts';
import type { Ask } from '../network/questions.ts';
import type { Compiled } from '../plan/plan.ts';
import { NO_SECRET_MEMORY } from '../plan/secrets.ts';
import { violationEnding } from '../policy/on-violation.ts';
import type { Policy } from '../policy/policy.ts';
import type { EnvironmentSource } from './caller-environment.ts';
import type { Journal } from './journal.ts';
import { SandboxPorts } from './ports.ts';
import { type Redactor, redactorOf } from './redact.ts';
import type { RunnerSetup } from './run.ts';
import type { NetworkOptions } from './run-network.ts';
import { memberOf, SandboxNetwork } from './sandbox-network.ts';

export interface NetworksSetup {
  /** Values of secrets that no run brings. */
  readonly environment: EnvironmentSource;
  /** Directory for what a guest must find inside. */
  readonly state: () => string;
  readonly servers: readonly string[] | undefined;
  readonly ask: Ask | undefined;
}

export class Networks {
  readonly #setup: NetworksSetup;
  readonly #open = new Map<string, SandboxNetwork>();
  #proxy: ProxyClient | undefined;

  constructor(setup: NetworksSetup) {
    this.#setup = setup;
  }

  /** Those that are open, by the id of their run or sandbox. */
  get open(): ReadonlyMap<string, SandboxNetwork> {
    return this.#open;
  }

  /** What a runner of this plan needs of us. */
  forRuns(
    policy: Policy,
    compiled: Compiled,
    journal: Journal | undefined,
    tenant: string | undefined,
  ): Pick<RunnerSetup, 'network' | 'ports'> {
    if (compiled.wall !== 'process' || !compiled.kind.namespaces.includes('net')) return {};
    const ports = this.#ports(policy, journal);
    if (compiled.kind.network?.mode !== 'filtered') return { ports };
    this.#warm(policy);
    return { ports, network: this.#network(policy, compiled, journal, tenant) };
  }

  /** Whoever asks for it closes it. */
  redactor(policy: Policy, secrets: NetworkOptions['secrets']): Redactor | undefined {
    return redactorOf(policy, (name) => this.#valueOf(name, secrets));
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
  }

  /** A copy, for the callee to overwrite. */
  #valueOf(name: string, secrets: NetworkOptions['secrets']): Buffer | undefined {
    const value = secrets?.[name] ?? this.#setup.environment[name];
    return value === undefined || value.length === 0 ? undefined : secretBytes(value);
  }

  #network(
    policy: Policy,
    { job: { intercept }, unenforceable }: Compiled,
    journal: Journal | undefined,
    tenant: string | undefined,
  ): NonNullable<RunnerSetup['network']> {
    const { servers, state } = this.#setup;
    // What cannot be had here was accepted, or there would be no runner.
    const secretMemory = unenforceable.some(({ id }) => id === NO_SECRET_MEMORY)
      ? 'locked'
      : 'secret';
    return async (entry, { secrets, ask = this.#setup.ask, name }, ports) => {
      const redactor = this.redactor(policy, secrets);
      const network = await SandboxNetwork.open({
        proxy: await this.#client(),
        id: entry.id,
        policy: policy.network,
        intercept,
        secretValue: (secret) => this.#valueOf(secret, secrets),
        secretMemory,
        state: state(),
        ...memberOf(policy.network, { id: entry.id, name, tenant, ports }),
        onClose: () => this.#open.delete(entry.id),
        onEnd: () => redactor?.close(),
        refusalEnds: violationEnding(policy) === 'all',
        onDecision: (decision) => journal?.network(entry, redactor?.value(decision) ?? decision),
        ...(servers === undefined ? {} : { servers }),
        ...(ask === undefined ? {} : { ask }),
      });
      this.#open.set(entry.id, network);
      return network;
    };
  }

  #ports({ network }: Policy, journal: Journal | undefined): NonNullable<RunnerSetup['ports']> {
    return (entry) =>
      new SandboxPorts({
        policy: network,
        proxy: () => this.#client(),
        tell: (decision) => journal?.network(entry, decision),
      });
  }

  async #client(): Promise<ProxyClient> {
    if (this.#proxy === undefined) {
      const { ProxyClient } = await import('../network/proxy-client.ts');
      this.#proxy ??= new ProxyClient();
    }
    return this.#proxy;
  }

  /** The proxy process starts while the launcher takes the plan in. */
  #warm({ network }: Policy): void {
    this.#client().then(
      (proxy) => proxy.warm(network),
      // Told where it is needed.
      () => {},
    );
  }
}
