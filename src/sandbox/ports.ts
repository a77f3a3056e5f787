/**
 * The ports of one sandbox: the way in for those who may connect to it, and those that are published on the host.
 */
import type { Socket } from 'node:net';
import type { Dial, OnDial } from '../backends/backend.ts';
import { CaissonError } from '../core/error.ts';
import { type RawHandle, socketOf } from '../launcher/network-handles.ts';
import type { NetworkDecision } from '../network/decision-log.ts';
import type { ProxyClient } from '../network/proxy-client.ts';
import { fixedDatagrams } from '../policy/datagram-rules.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { PUBLISH } from './option-kinds.ts';

export interface PublishOptions {
  /** Of the host; default any that is free. */
  readonly port?: number;
  /** `127.0.0.1` (default) or `::1`: ports are published on loopback alone. */
  readonly host?: string;
}

/** A port of the host that leads to one of a sandbox. It is closed with the sandbox. */
export interface PublishedPort {
  /** Inside. */
  readonly guestPort: number;
  readonly host: string;
  readonly port: number;
  /** Settles when it leads nowhere any more, whoever closed it. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface SandboxPortsSetup {
  readonly policy: NetworkPolicy;
  /** Starts with the first port. */
  readonly proxy: () => Promise<ProxyClient>;
  /** Each port, published and closed. */
  readonly tell: (decision: NetworkDecision) => void;
}

/** Asked of the launcher at once, which refuses more than 64; the others have their turn. */
const DIALS_MAX = 32;
/** Sockets for datagrams, of which it takes 16 at once. */
const EARLY_MAX = 16;

export class SandboxPorts {
  readonly #setup: SandboxPortsSetup;
  readonly #open = new Set<PublishedPort>();
  readonly #way = Promise.withResolvers<Dial>();
  readonly #waiting: (() => void)[] = [];
  /** Sockets for datagrams that nobody asked for yet. */
  readonly #early = new Map<string, Promise<RawHandle>>();
  #dialling = 0;
  #closed = false;

  constructor(setup: SandboxPortsSetup) {
    this.#setup = setup;
    this.#way.promise.catch(() => {});
  }

  /** For the launcher: how the sandbox is reached. Who dials earlier waits. */
  readonly onDial: OnDial = (dial) => {
    this.#way.resolve(dial);
    // Asked for right behind the command, so that what rules with an address open is open when the guest's first line runs.
    for (const { address, port } of fixedDatagrams(this.#setup.policy).slice(0, EARLY_MAX)) {
      const made = this.dial(port, address);
      made.catch(() => {});
      this.#early.set(`${address} ${port}`, made);
    }
  };

  /** Resolves once the first sockets for datagrams stand, or cannot. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#early.values());
  }

  /** Unchecked: whoever calls it knows what `listen` says. */
  readonly dial: Dial = async (...where) => {
    const way = await this.#way.promise;
    if (this.#dialling < DIALS_MAX) this.#dialling++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await way(...where);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#dialling--;
      else next();
    }
  };

  /** Sockets for datagrams alone: what filters the guest's connections has no business with its ports. */
  readonly datagrams: Dial = async (port, address) => {
    const message = 'a filtered network has no way to ports of its sandbox';
    if (address === undefined) throw new CaissonError('INTERNAL', { layer: 'sandbox', message });
    const key = `${address} ${port}`;
    const early = this.#early.get(key);
    this.#early.delete(key);
    // Where the sandbox did not stand yet there was none.
    return (await early?.catch(() => undefined)) ?? (await this.dial(port, address));
  };

  /** A connection to a port inside. @throws REQUEST_INVALID for one that the policy does not name; NETWORK_FAILED */
  async connect(guestPort: number): Promise<Socket> {
    requireNamed(this.#setup.policy.listen, guestPort);
    return socketOf(await this.dial(guestPort));
  }

  /** @throws REQUEST_INVALID for a port that the policy does not name, or one of the host that is taken; NETWORK_GONE */
  async publish(guestPort: number, options: PublishOptions = {}): Promise<PublishedPort> {
    checkOptions(options, 'publish', PUBLISH);
    const { policy, proxy, tell } = this.#setup;
    const { host = '127.0.0.1', port = 0 } = options;
    requirePublishable(policy, guestPort, host, port);
    const client = await (await proxy()).publish({ guestPort, host, port }, this.dial);
    const told = (kind: string, reason: string): void =>
      tell({
        target: `${host.includes(':') ? `[${host}]` : host}:${client.port}/tcp`,
        allowed: true,
        rule: 'network.listen',
        reason,
        count: 1,
        details: { kind, guestPort, host, port: client.port },
      });
    const ended = Promise.withResolvers<void>();
    const close = async (why: string): Promise<void> => {
      if (!this.#open.delete(published)) return;
      await client.close();
      ended.resolve();
      told('unpublished', `${why}: it led to port ${guestPort} of the sandbox`);
    };
    const published: PublishedPort = {
      guestPort,
      host,
      port: client.port,
      ended: ended.promise,
      close: () => close('closed'),
    };
    this.#open.add(published);
    if (this.#closed) {
      await published.close();
      throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
    }
    told('published', `leads to port ${guestPort} of the sandbox`);
    // With the process that listened for it, or for a fault that it met: it is closed here, too.
    client.gone.then((error) => close(error.message));
    return published;
  }

  /** @param wanted port of the host by port inside, 0 for one that is free */
  async publishAll(
    wanted: Readonly<Record<number, number | PublishOptions>>,
  ): Promise<PublishedPort[]> {
    const ports: PublishedPort[] = [];
    for (const [inside, at] of Object.entries(wanted)) {
      const options = typeof at === 'number' ? { port: at } : at;
      ports.push(await this.publish(Number(inside), options));
    }
    return ports;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#way.reject(new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' }));
    for (const early of this.#early.values()) {
      early.then(
        (handle) => handle.close(),
        () => {},
      );
    }
    this.#early.clear();
    await Promise.all([...this.#open].map((published) => published.close()));
  }
}

/** What a wall without a network namespace says. */
export function notPublishable(reason: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `no port can be published: ${reason}`,
    hint: 'connect to the port of the host that the guest itself listens on',
  });
}

/** @throws REQUEST_INVALID */
export function requirePublishable(
  { mode, deny, listen }: NetworkPolicy,
  guestPort: number,
  host: string,
  port: number,
): void {
  if (mode === 'full' && deny.length === 0) {
    throw notPublishable("the guest has the host's network as it is");
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalid(
      `${port} is no port of the host`,
      'give one from 1 to 65535, or 0 for a free one',
    );
  }
  if (host !== '127.0.0.1' && host !== '::1') {
    throw invalid(
      `ports are published on loopback alone, not on ${host}`,
      'take 127.0.0.1 or ::1, and let a proxy of yours decide who comes from elsewhere',
    );
  }
  requireNamed(listen, guestPort);
}

function requireNamed(listen: readonly number[], guestPort: number): void {
  if (listen.includes(guestPort)) return;
  const named = listen.length === 0 ? 'none' : listen.join(', ');
  throw invalid(
    `port ${guestPort} is not one that the policy lets the guest listen on (${named})`,
    `add \`listen: [${guestPort}]\` under network`,
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'sandbox', message, hint });
}
