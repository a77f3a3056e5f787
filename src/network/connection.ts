/**
 * One TCP connection of a guest, from its first bytes to its end.
 *
 * It was accepted before it is decided upon, since what it sends first carries the name. Nothing goes out until then,
 * but to a server that the policy allows by its address: protocols in which the server speaks first have no name. Over
 * 300 lines: its phases share one state.
 */
import type { OnReadOpts, Socket } from 'node:net';
import { plainAddress } from '../policy/special-address.ts';
import type { Dial } from './dial.ts';
import { faultText } from './fault-bounds.ts';
import {
  ConnectionEnded,
  type FirstFlight,
  type FirstFlightTimes,
  readFirstFlight,
} from './first-flight.ts';
import type { HttpRelay } from './http-relay.ts';
import type { GuestConnection, InterceptDecision } from './intercept/interceptor.ts';
import type { Connecting, Judge, Judgement } from './judge.ts';
import { refuse } from './refuse.ts';
import { Download, relayOneWay } from './relay.ts';
import { reset } from './reset.ts';
import { SecondHello } from './second-hello.ts';

export interface ConnectionContext {
  readonly judge: Judge;
  readonly dial: Dial;
  /** Loaded with the first request in clear text: Node's HTTP/2 and TLS double the start of the process. */
  readonly http: () => Promise<HttpRelay>;
  /** Opens TLS; absent where the policy has no `intercept`. */
  readonly intercept?: (connection: GuestConnection, facts: Connecting) => void;
  readonly report: (decision: InterceptDecision) => void;
  readonly times: FirstFlightTimes & { readonly idleMs: number };
}

export class Connection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  #facts: Connecting;
  #judgement: Judgement | undefined;
  /** Made before the guest sent anything. */
  #early: Promise<Socket> | undefined;
  /** Takes it away from the guest again. */
  #partEarly = (): void => {};
  /** As what its bytes are passed on unread. */
  #relayed: Connecting['speaks'] | undefined;
  /** Addresses of servers that were reached instead of the guest's own. */
  readonly #elsewhere = new Set<string>();
  /** The guest has sent its first bytes. */
  #flown = false;

  constructor(
    socket: Socket,
    destination: { readonly address: string; readonly port: number },
    context: ConnectionContext,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#facts = { ...destination, speaks: 'other' };
    // Each phase has its own listeners; this one keeps an error between them from ending the process.
    socket.on('error', () => socket.destroy());
  }

  /** Rejects where it cannot even be told that it failed. */
  async run(): Promise<void> {
    try {
      const { times } = this.#context;
      const flight = await readFirstFlight(
        this.#socket,
        times,
        () => void this.#dialEarly().catch((error: Error) => this.#fail(error)),
        () => this.#early !== undefined,
      );
      this.#flown = true;
      await this.#decide(flight);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** What is no end of the guest's or a server's is a fault of ours: this connection alone ends, and it is told. */
  #fail(error: Error): void {
    this.#socket.destroy();
    this.#early?.then((server) => server.destroy()).catch(() => {});
    if (error instanceof ConnectionEnded) return;
    const judgement = this.#malformed(`a fault in the proxy ended it: ${faultText(error)}`);
    this.#context.judge.reportConnection(this.#facts, judgement);
  }

  /** After a change of the policy: what is no longer allowed ends. */
  recheck(): void {
    if (this.#judgement === undefined || this.#socket.destroyed) return;
    const { judge } = this.#context;
    const before = this.#judgement;
    let judgement = judge.again(this.#facts, before);
    for (const address of this.#elsewhere) {
      if (judgement.allowed) judgement = judge.again({ ...this.#facts, address }, before);
    }
    if (judgement.allowed && this.#wouldBeRead(judgement, before)) {
      const reason = `${judgement.reason}, and what it carries is read from now on: connect anew`;
      judgement = { ...judgement, allowed: false, reason };
    }
    if (judgement.allowed) return;
    judge.reportConnection(this.#facts, judgement);
    this.abort();
  }

  abort(): void {
    reset(this.#socket);
  }

  /** Whether its like would not be passed on unread now. */
  #wouldBeRead(now: Judgement, before: Judgement): boolean {
    if (this.#relayed === undefined || this.#relayed === 'other') return false;
    if (now.requests === true) return true;
    const { intercept, judge } = this.#context;
    return this.#relayed === 'tls'
      ? intercept !== undefined && now.by === 'name' && before.by === 'address'
      : judge.policy.deny.length > 0;
  }

  async #dialEarly(): Promise<void> {
    const { judge, dial, times } = this.#context;
    const judgement = await judge.unasked(this.#facts);
    if (!judgement.allowed || this.#flown || this.#socket.destroyed) return;
    this.#judgement = judgement;
    judge.reportConnection(this.#facts, judgement);
    // To the guest's own address alone: the name that comes later must lead there, too.
    this.#early = dial([this.#facts.address], this.#facts.port);
    this.#early.then(
      (server) => {
        this.#socket.once('close', () => server.destroy());
        if (this.#socket.destroyed) server.destroy();
        else this.#partEarly = relayOneWay(server, this.#socket, times.idleMs);
      },
      () => this.abort(),
    );
  }

  async #decide(flight: FirstFlight): Promise<void> {
    const { judge } = this.#context;
    this.#facts = factsOf(this.#facts, flight);
    const judgement =
      flight.kind === 'refused'
        ? this.#malformed(flight.reason)
        : withReason(await judge.connection(this.#facts), flight);
    if (this.#socket.destroyed) throw new ConnectionEnded('the guest closed the connection');
    this.#judgement = judgement;
    if (!judgement.allowed) return this.#refuse(judgement, flight.kind === 'refused' ? 400 : 403);
    const carried = judgement.name ?? this.#facts.name;
    const { intercept } = this.#context;
    if (flight.kind === 'http') await this.#serveHttp(flight, judgement, carried);
    else if (flight.kind === 'tls' && intercept !== undefined && isByName(judgement, carried)) {
      await this.#dropEarly();
      // Nobody would be told of the end of what has ended.
      if (this.#socket.destroyed) return;
      intercept(this.#guestConnection(flight, judgement, carried, 'tls'), this.#facts);
    } else await this.#relay(flight, judgement);
  }

  /** Requests are reported one by one where they are seen. */
  async #serveHttp(
    flight: FirstFlight,
    judgement: Judgement,
    carried: string | undefined,
  ): Promise<void> {
    const { judge, http, report } = this.#context;
    if (carried === undefined) {
      // Whatever is spoken: unless a name is denied that a later request might carry.
      if (judgement.requests !== true && judge.policy.deny.length === 0) {
        return await this.#relay(flight, judgement);
      }
      return this.#refuse(this.#malformed('its request has no Host'), 400);
    }
    await this.#dropEarly();
    const relayed = await http();
    if (this.#socket.destroyed) throw new ConnectionEnded('the guest closed the connection');
    relayed.serve(this.#guestConnection(flight, judgement, carried, 'http'), {
      restricted: () => judge.restricted(this.#facts),
      decide: ({ method, path }) => judge.request(this.#facts, { method, path }),
      report,
    });
  }

  #guestConnection(
    { bytes }: FirstFlight,
    judgement: Judgement,
    carried: string,
    speaks: 'tls' | 'http',
  ): GuestConnection {
    const { judge } = this.#context;
    const facts = this.#facts;
    this.#socket.unshift(bytes);
    return {
      stream: this.#socket,
      speaks,
      name: carried.toLowerCase().replace(/^\[|\]$|\.$/g, ''),
      port: facts.port,
      dial: () => this.#dial(judge.targets(facts, judgement)),
    };
  }

  async #dial(targets: readonly string[], onread?: OnReadOpts): Promise<Socket> {
    const server = await this.#context.dial(targets, this.#facts.port, onread);
    const [first, ...others] = targets;
    const reached = plainAddress(server.remoteAddress ?? '') ?? '';
    if (reached !== first && others.includes(reached)) {
      this.#elsewhere.add(reached);
      // The policy may be another by now.
      this.recheck();
    }
    if (!this.#socket.destroyed) return server;
    server.destroy();
    throw new ConnectionEnded('the guest closed the connection');
  }

  async #relay(flight: FirstFlight, judgement: Judgement): Promise<void> {
    const { bytes, kind } = flight;
    const { judge, times } = this.#context;
    const second =
      flight.kind === 'tls' && judgement.by === 'name' ? new SecondHello(flight.hello) : undefined;
    // A guest need not wait to be asked for it: it may come at once with the first.
    const ahead = flight.kind === 'tls' ? second?.push(flight.after) : undefined;
    if (typeof ahead === 'object') return this.#refuse(this.#malformed(ahead.reason), 400);
    this.#relayed = this.#facts.speaks;
    const early = this.#early;
    const download = new Download(this.#socket);
    let server: Socket;
    try {
      const targets = judge.targets(this.#facts, judgement);
      const dialling = early ?? this.#dial(targets, download.onread);
      // While the connection is made: the guest does not wait for the telling.
      judge.reportConnection(this.#facts, judgement);
      server = await dialling;
    } catch (error) {
      if (error instanceof ConnectionEnded) return;
      const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      const reason = `${judgement.reason}, but it could not be reached (${code})`;
      judge.reportConnection(this.#facts, { ...judgement, reason });
      refuse(this.#socket, kind === 'http' ? 'http' : 'other', { ...judgement, reason }, 502);
      return;
    }
    if (this.#socket.destroyed) {
      server.destroy();
      return;
    }
    if (bytes.length > 0) server.write(bytes);
    if (early === undefined) download.start(server, times.idleMs);
    // Before what passes the bytes on, so that it ends both first.
    if (second !== undefined && ahead === 'more') this.#watchHello(second, server);
    relayOneWay(this.#socket, server, times.idleMs);
  }

  #watchHello(second: SecondHello, server: Socket): void {
    const watch = (chunk: Buffer): void => {
      const state = second.push(chunk);
      if (state === 'more') return;
      this.#socket.off('data', watch);
      if (state === 'done') return;
      this.#context.judge.reportConnection(this.#facts, this.#malformed(state.reason));
      reset(server);
      this.abort();
    };
    this.#socket.on('data', watch);
  }

  /** What serves requests makes its own connections. */
  async #dropEarly(): Promise<void> {
    const early = await this.#early?.catch(() => undefined);
    if (early === undefined) return;
    // Its end is not the guest's: the requests go another way.
    this.#partEarly();
    early.destroy();
    if (early.bytesRead > 0) throw new ConnectionEnded('the server spoke before the request');
  }

  #malformed(reason: string): Judgement {
    const { address, port } = this.#facts;
    const at = `${address.includes(':') ? `[${address}]` : address}:${port}`;
    return { allowed: false, rule: 'network', reason: `${at}: ${reason}`, by: 'address' };
  }

  #refuse(judgement: Judgement, status: number): void {
    this.#context.judge.reportConnection(this.#facts, judgement);
    this.#early?.then((server) => server.destroy()).catch(() => {});
    refuse(this.#socket, this.#facts.speaks, judgement, status);
  }
}

function factsOf(facts: Connecting, flight: FirstFlight): Connecting {
  const { address, port } = facts;
  if (flight.kind === 'refused') return { address, port, speaks: flight.speaks };
  if (flight.kind === 'other') return { address, port, speaks: 'other' };
  const { host } = flight.kind === 'http' ? flight : { host: undefined };
  // The name outside of an encrypted hello is not the one that counts.
  const name =
    flight.kind === 'http' ? host : flight.hello.encrypted ? undefined : flight.hello.serverName;
  return { address, port, speaks: flight.kind, ...(name === undefined ? {} : { name }) };
}

/** A rule for an address holds whatever is spoken there: only what was allowed by its name is opened. */
function isByName(judgement: Judgement, carried: string | undefined): carried is string {
  return carried !== undefined && (judgement.name !== undefined || judgement.requests === true);
}

/** Says why there is no name, where a TLS client could do better. */
function withReason(judgement: Judgement, flight: FirstFlight): Judgement {
  if (judgement.allowed || flight.kind !== 'tls') return judgement;
  const { encrypted, serverName } = flight.hello;
  if (!encrypted && serverName !== undefined) return judgement;
  const cure = encrypted
    ? 'its hello is encrypted (ECH): switch that off in the client'
    : 'its hello names no server (SNI): connect by name, not by address';
  return { ...judgement, reason: `${judgement.reason}; ${cure}` };
}
