/**
 * The filtered network of one sandbox, as the library holds it: what the guest must find inside for it, the sockets on
 * their way to the proxy, and what was refused.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dial, RawUsage } from '../backends/backend.ts';
import { CaissonError } from '../core/error.ts';
import type { NetworkUsage, Violation } from '../core/outcome.ts';
import type { OnNetwork } from '../launcher/network-handles.ts';
import type { VaultMemory } from '../launcher/vault-process.ts';
import type { NetworkDecision } from '../network/decision-log.ts';
import type { ProxyCounters } from '../network/egress-proxy.ts';
import { guestBundle, hostRoots } from '../network/intercept/roots.ts';
import { wipe } from '../network/intercept/secret-bytes.ts';
import { makePlaceholder, requireHeaderValue } from '../network/intercept/secrets.ts';
import type { MemberOptions } from '../network/internal-groups.ts';
import type {
  FilteredNetworkClient,
  NetworkOptions,
  SecretValue,
} from '../network/network-client.ts';
import type { ProxyClient } from '../network/proxy-client.ts';
import type { Ask } from '../network/questions.ts';
import type { BindInput } from '../plan/bind.ts';
import type { JobTemplate } from '../plan/plan.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { inProgress } from './in-progress.ts';
import { packetViolations, Refusals } from './network-refusals.ts';
import type { SandboxPorts } from './ports.ts';
import { openStateDirectory, STATE_MODE } from './state-directory.ts';

export interface SandboxNetworkSetup {
  readonly proxy: ProxyClient;
  readonly id: string;
  readonly policy: NetworkPolicy;
  /** What each run must bring where the proxy opens TLS. */
  readonly intercept: JobTemplate['intercept'];
  /** A copy of the value of one of the policy's secrets, for us to overwrite. */
  readonly secretValue: (name: string) => Buffer | undefined;
  readonly secretMemory: VaultMemory;
  readonly state: string;
  readonly servers?: readonly string[];
  readonly ask?: Ask;
  readonly onDecision: (decision: NetworkDecision) => void;
  /** A refusal ends whatever runs (`onViolation: kill`). */
  readonly refusalEnds: boolean;
  /** Who it is in its group, where the mode is `internal`. */
  readonly member?: MemberOptions;
  /** The way into it: for others of its group, and for sockets that datagrams go to. */
  readonly dial?: Dial;
  /** Called once, when it begins to end. */
  readonly onClose?: () => void;
  /** Called once, when nothing of it is told any more. */
  readonly onEnd?: () => void;
}

export class SandboxNetwork {
  /** Set in every job: placeholders of secrets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Mounted with the sandbox. */
  readonly binds: NonNullable<BindInput['binds']>;
  readonly #client: FilteredNetworkClient;
  readonly #directory: string | undefined;
  readonly #refused: Refusals;
  readonly #onClose: (() => void) | undefined;
  readonly #onEnd: (() => void) | undefined;
  readonly #ends: Ending | undefined;
  #policy: NetworkPolicy;
  #isChanged = false;
  #problem: unknown;
  #attached: Promise<void> = Promise.resolve();

  private constructor(
    setup: SandboxNetworkSetup,
    client: FilteredNetworkClient,
    secrets: readonly SecretValue[],
    refused: Refusals,
    ends: Ending | undefined,
  ) {
    this.#client = client;
    this.#ends = ends;
    this.#policy = setup.policy;
    this.#refused = refused;
    this.#onClose = setup.onClose;
    this.#onEnd = setup.onEnd;
    client.opened.catch((error) => {
      this.#problem = error;
    });
    this.variables = Object.fromEntries(
      secrets.map(({ name, placeholder }) => [name, placeholder]),
    );
    const { certificatePem } = client;
    if (setup.intercept === undefined || certificatePem === undefined) {
      this.binds = [];
      return;
    }
    const home = openStateDirectory(join(openStateDirectory(setup.state), 'networks'));
    this.#directory = join(home, inProgress(setup.id));
    mkdirSync(this.#directory, { mode: STATE_MODE });
    const source = join(this.#directory, 'ca.pem');
    writeFileSync(source, guestBundle(certificatePem, hostRoots()), { mode: 0o444 });
    const target = setup.intercept.caFile;
    this.binds = [{ source, target, access: 'read', file: true, toolchain: true }];
  }

  /** @throws NETWORK_GONE, REQUEST_INVALID for a secret without a value */
  static async open(setup: SandboxNetworkSetup): Promise<SandboxNetwork> {
    const secrets: SecretValue[] = [];
    try {
      for (const { name, hosts } of setup.policy.secrets ?? []) {
        const value = setup.secretValue(name);
        if (value === undefined) throw noValue(name);
        secrets.push({ name, hosts, value, placeholder: makePlaceholder() });
        requireHeaderValue(name, value);
      }
      return await SandboxNetwork.#open(setup, secrets);
    } catch (error) {
      setup.onEnd?.();
      throw error;
    } finally {
      wipe(...secrets.map(({ value }) => value));
    }
  }

  static async #open(
    setup: SandboxNetworkSetup,
    secrets: readonly SecretValue[],
  ): Promise<SandboxNetwork> {
    const refused = new Refusals();
    const ends = setup.refusalEnds ? new Ending() : undefined;
    const { policy, servers, ask, onDecision, member, dial, secretMemory } = setup;
    const options: NetworkOptions = {
      policy,
      secrets,
      secretMemory,
      onDecision: (decision) => {
        if (!decision.allowed) {
          refused.add(decision);
          ends?.now();
        }
        onDecision(decision);
      },
      onGone: ({ message }) => refused.gone(message),
      ...(servers === undefined ? {} : { servers }),
      ...(ask === undefined ? {} : { ask }),
      ...(member === undefined ? {} : { member }),
      ...(dial === undefined ? {} : { dial }),
    };
    // Sockets and policy go one way, in order: nobody waits where nothing comes back.
    const waits = policy.mode !== 'filtered' || policy.intercept === true;
    const client = waits ? await setup.proxy.open(options) : setup.proxy.begin(options);
    try {
      return new SandboxNetwork(setup, client, secrets, refused, ends);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** For one command: aborted at the next refusal, where that ends it. */
  denied(): AbortSignal | undefined {
    return this.#ends?.next();
  }

  /** The job is the same as without it. */
  get isPlain(): boolean {
    return this.binds.length === 0 && Object.keys(this.variables).length === 0;
  }

  /** The proxy has taken it in. @throws NETWORK_GONE, NETWORK_FAILED */
  get opened(): Promise<void> {
    return this.#client.opened;
  }

  get policy(): NetworkPolicy {
    return this.#policy;
  }

  /** For the launcher: where the sandbox's sockets go. */
  readonly onNetwork: OnNetwork = (_id, handles) => {
    this.#attached = this.#client.attach(handles);
    // A proxy that died is told by its end; nothing passes meanwhile.
    this.#attached.catch(() => {});
  };

  /** Holds for connections that are open, too. @throws NETWORK_GONE, NETWORK_FAILED */
  async update(policy: NetworkPolicy): Promise<void> {
    this.#isChanged = true;
    await this.#client.update(policy);
    this.#policy = policy;
  }

  /** What passed until now, as its proxy counted it. @throws NETWORK_GONE */
  async counters(): Promise<ProxyCounters> {
    return await this.#client.counters();
  }

  /** What was refused since the last time it was asked. */
  takeViolations(): Violation[] {
    return this.#refused.take();
  }

  /** Ends it. What was refused and not taken yet, and what passed. */
  async close(
    raw: RawUsage | undefined,
  ): Promise<{ violations: Violation[]; usage: NetworkUsage | undefined }> {
    this.#onClose?.();
    const isQuiet = this.#isQuiet(raw);
    // It had no network, and its caller has no outcome yet: an error of ours, not a refusal of the policy's.
    if (raw !== undefined && !isQuiet) await this.#client.opened;
    if (raw !== undefined && this.#problem !== undefined) throw this.#problem;
    let counters: ProxyCounters | undefined;
    // Behind the sockets in the channel, so that it ends what they began.
    if (isQuiet) void this.#client.close().finally(() => this.#onEnd?.());
    else {
      await this.#attached.catch(() => {});
      counters = await this.#client.close();
      this.#onEnd?.();
    }
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    const violations = [...this.#refused.take(), ...packetViolations(raw)];
    const traffic = raw?.network;
    return {
      violations,
      usage: {
        connections: counters?.connections ?? 0,
        sentBytes: counters?.sentBytes ?? traffic?.sentBytes ?? 0,
        receivedBytes: counters?.receivedBytes ?? traffic?.receivedBytes ?? 0,
        refusedPackets: traffic?.refusedPackets ?? 0,
      },
    };
  }

  /** Nothing of the guest came to its proxy, names asked of the resolver included: there is nothing to be told. */
  #isQuiet(raw: RawUsage | undefined): boolean {
    // Datagrams that a rule lets through are not counted there.
    const isCounted =
      this.#policy.mode === 'filtered' &&
      !this.#isChanged &&
      this.#policy.allow.every(({ protocol }) => protocol === 'tcp');
    return isCounted && raw?.network?.sentPackets === 0 && raw.network.receivedPackets === 0;
  }
}

/** Commands that a refusal ends. */
class Ending {
  #controller = new AbortController();

  next(): AbortSignal {
    return this.#controller.signal;
  }

  now(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
  }
}

function noValue(name: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `the policy's secret ${name} has no value`,
    hint: `set the variable ${name} where Caisson runs, or give secrets: { ${name}: … }`,
    details: { secret: name },
  });
}

/** A name that no resolver reads as an address; `localhost` is the guest's own. */
const NAME = /^(?!localhost$)[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The way into a sandbox, and who it is in its group: groups of one name are one network within a tenant of a Caisson.
 *
 * @throws REQUEST_INVALID for a name that is no host label
 */
export function memberOf(
  { mode, group, listen }: NetworkPolicy,
  at: {
    readonly id: string;
    readonly name: string | undefined;
    readonly tenant: string | undefined;
    readonly ports: SandboxPorts | undefined;
  },
): Pick<SandboxNetworkSetup, 'member' | 'dial'> {
  if (at.ports === undefined) return {};
  if (mode !== 'internal' || group === undefined) return { dial: at.ports.datagrams };
  const name = at.name ?? at.id.replaceAll('_', '-');
  if (!NAME.test(name)) throw noName(name);
  // With the length of the tenant before it, no tenant can be part of another's group.
  const { tenant = '' } = at;
  const member = { group: `${tenant.length} ${tenant} ${group}`, name, ports: listen };
  return { member, dial: at.ports.dial };
}

function noName(name: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `${JSON.stringify(name)} is no name for a sandbox`,
    hint: 'take a-z, 0-9 and -, a letter first, at most 63 of them, and not localhost',
  });
}
