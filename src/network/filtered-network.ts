/**
 * The network of one sandbox, in the proxy process: its judge, its resolver, its proxy.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { bindTo, listenOn, type NetworkHandles } from '../launcher/network-handles.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { DatagramRelay, type OpenDatagram } from './datagram-relay.ts';
import { DecisionLog, type NetworkDecision } from './decision-log.ts';
import { dialAtMost } from './dial.ts';
import { EgressProxy, type ProxyCounters } from './egress-proxy.ts';
import { FaultBound, faultDecision, ownEvents } from './fault-bounds.ts';
import { HostResolver } from './host-resolver.ts';
import type { HttpRelay } from './http-relay.ts';
import type { GuestConnection, Interceptor } from './intercept/interceptor.ts';
import type { SecretHolder } from './intercept/sealed-head.ts';
import type { Secrets } from './intercept/secrets.ts';
import type { SpareAuthority } from './intercept/spare-authority.ts';
import { type Connecting, Judge } from './judge.ts';
import { isOwnAddress } from './own-addresses.ts';
import type { OpenNetwork } from './proxy-messages.ts';
import { type Ask, Questions } from './questions.ts';
import { ResolverServer } from './resolver.ts';

const TIMES = { quietMs: 200, headMs: 10_000, idleMs: 3_600_000 };
const NO_COUNTERS: ProxyCounters = {
  connections: 0,
  openConnections: 0,
  sentBytes: 0,
  receivedBytes: 0,
};
/** To servers, at once: twice what the guest may have open itself. */
const DIALLED_MAX = 1024;
const READ_AHEAD_BYTES = 256 * 1024;

export class FilteredNetwork {
  readonly #judge: Judge;
  readonly #log: DecisionLog;
  readonly #hostResolver: HostResolver;
  #http: Promise<HttpRelay> | undefined;
  #interception: Interception | undefined;
  #resolver: ResolverServer | undefined;
  #proxy: EgressProxy | undefined;
  #datagrams: DatagramRelay | undefined;
  readonly #bound: FaultBound;
  #closed = false;

  private constructor(
    open: OpenNetwork,
    tell: (decision: NetworkDecision) => void,
    ask: Ask,
    onFault: (fault: string) => void,
  ) {
    this.#log = new DecisionLog(tell);
    this.#bound = new FaultBound((fault) => {
      this.#log.add(faultDecision(fault));
      this.close();
      onFault(fault);
    });
    this.#hostResolver = new HostResolver(open.servers);
    this.#judge = new Judge({
      policy: open.policy,
      lookUp: (name, family) => this.#hostResolver.lookUp(name, family),
      report: (decision) => this.#log.add(decision),
      isOwn: isOwnAddress,
      ...(open.asks ? { questions: new Questions(ask) } : {}),
    });
  }

  /** @param onFault Told once, of what was thrown while its bytes were worked on; it is shut by then. */
  static async open(
    open: OpenNetwork,
    tell: (decision: NetworkDecision) => void,
    ask: Ask,
    onFault: (fault: string) => void,
    spares: SpareAuthority,
    holder: SecretHolder | undefined,
  ): Promise<FilteredNetwork> {
    const network = new FilteredNetwork(open, tell, ask, onFault);
    if (open.policy.intercept === true) {
      network.#interception = await Interception.open(
        open,
        network.#judge,
        network.#log,
        spares,
        holder,
      );
    }
    return network;
  }

  get certificatePem(): string | undefined {
    return this.#interception?.certificatePem;
  }

  /** Begins to serve; the handles are ours from here on. */
  attach(handles: NetworkHandles, openDatagram: OpenDatagram): void {
    this.#bound.serve(() => this.#serve(handles, openDatagram));
  }

  #serve(handles: NetworkHandles, openDatagram: OpenDatagram): void {
    const datagrams = new DatagramRelay({
      judge: this.#judge,
      isOwn: isOwnAddress,
      open: openDatagram,
      report: (decision) => this.#log.add(decision),
    });
    this.#datagrams = datagrams;
    void datagrams.update();
    const dnsTcp = listenOn(ownEvents(createServer()), handles.dnsTcp);
    const dnsUdp = bindTo(ownEvents(createSocket('udp4')), handles.dnsUdp);
    this.#resolver = new ResolverServer(datagrams.preparing(this.#judge), {
      udp: dnsUdp,
      tcp: dnsTcp,
    });
    const listener = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      highWaterMark: READ_AHEAD_BYTES,
    });
    const interception = this.#interception;
    this.#proxy = new EgressProxy(listener, {
      judge: this.#judge,
      dial: dialAtMost(DIALLED_MAX),
      http: () => {
        this.#http ??= import('./http-relay.ts').then((loaded) => new loaded.HttpRelay());
        return this.#http;
      },
      report: (decision) => this.#log.add(decision),
      times: TIMES,
      ...(interception === undefined
        ? {}
        : { intercept: (connection, facts) => interception.accept(connection, facts) }),
    });
    listenOn(ownEvents(listener), handles.tcp);
  }

  /** Holds for what is open, too. */
  async update(policy: NetworkPolicy): Promise<void> {
    const { met } = this.#bound;
    if (met !== undefined) throw new Error(`its network is shut: ${met}`);
    if (policy.intercept === true && this.#interception === undefined) {
      throw new Error('interception cannot begin in an open sandbox: the guest would not trust it');
    }
    this.#judge.update(policy);
    this.#interception?.update(policy);
    this.#proxy?.recheck();
    this.#interception?.recheck();
    (await this.#http)?.recheck();
    await this.#datagrams?.update();
  }

  counters(): ProxyCounters {
    const { connections, openConnections, sentBytes, receivedBytes } =
      this.#proxy?.counters() ?? NO_COUNTERS;
    const datagrams = this.#datagrams?.counters() ?? NO_COUNTERS;
    return {
      connections: connections + datagrams.connections,
      openConnections: openConnections + datagrams.openConnections,
      sentBytes: sentBytes + datagrams.sentBytes,
      receivedBytes: receivedBytes + datagrams.receivedBytes,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#proxy?.close();
    this.#resolver?.close();
    this.#datagrams?.close();
    this.#interception?.close();
    this.#hostResolver.close();
    this.#log.flush();
  }
}

class Interception {
  readonly certificatePem: string;
  readonly #interceptor: Interceptor;
  readonly #facts: WeakMap<GuestConnection, Connecting>;
  readonly #secrets: Secrets;

  private constructor(
    certificatePem: string,
    interceptor: Interceptor,
    facts: WeakMap<GuestConnection, Connecting>,
    secrets: Secrets,
  ) {
    this.certificatePem = certificatePem;
    this.#interceptor = interceptor;
    this.#facts = facts;
    this.#secrets = secrets;
  }

  static async open(
    open: OpenNetwork,
    judge: Judge,
    log: DecisionLog,
    spares: SpareAuthority,
    holder: SecretHolder | undefined,
  ): Promise<Interception> {
    const [authority, { Interceptor }, { Secrets }] = await Promise.all([
      spares.take(),
      import('./intercept/interceptor.ts'),
      import('./intercept/secrets.ts'),
    ]);
    const known = new WeakMap<GuestConnection, Connecting>();
    // Without an address nothing is allowed.
    const factsOf = (connection: GuestConnection): Connecting =>
      known.get(connection) ?? { address: '', port: connection.port, speaks: 'tls' };
    const secrets = new Secrets(open.secrets, holder);
    const interceptor = new Interceptor({
      authority,
      secrets,
      restricted: (connection) => judge.restricted(factsOf(connection)),
      decideRequest: ({ method, path }, connection) =>
        judge.request(factsOf(connection), { method, path }),
      report: (decision) => log.add(decision),
    });
    return new Interception(authority.certificatePem, interceptor, known, secrets);
  }

  accept(connection: GuestConnection, facts: Connecting): void {
    this.#facts.set(connection, facts);
    void this.#interceptor.accept(connection);
  }

  /** For requests from now on. */
  update({ secrets = [] }: NetworkPolicy): void {
    this.#secrets.update(secrets);
  }

  /** For those that are under way. */
  recheck(): void {
    this.#interceptor.recheck();
  }

  close(): void {
    this.#interceptor.close();
  }
}
