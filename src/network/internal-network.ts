/**
 * The network of one member of a group, in the proxy process: its resolver knows the members of its group alone, its
 * connections lead to their ports alone. Nothing is dialled on the host.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { bindTo, listenOn, type NetworkHandles } from '../launcher/network-handles.ts';
import { hostName } from '../policy/host-name.ts';
import { plainAddress } from '../policy/special-address.ts';
import type { CheckedAddresses } from './checked-names.ts';
import { DecisionLog, type NetworkDecision } from './decision-log.ts';
import type { NameSource } from './dns-answer.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import { FaultBound, faultDecision, ownEvents } from './fault-bounds.ts';
import type { InternalGroups, Member, MemberOptions } from './internal-groups.ts';
import { type DialInto, InwardRelay } from './inward-relay.ts';
import { ResolverServer } from './resolver.ts';

const RULE = 'network.internal';
const DOMAIN = '.internal';
/** A name may be given to another member as soon as its first one is gone. */
const TTL_SECONDS = 5;

type NameDecision = Awaited<ReturnType<NameSource['name']>>;

export class InternalNetwork implements NameSource {
  readonly #groups: InternalGroups;
  readonly #member: Member;
  readonly #log: DecisionLog;
  readonly #relay: InwardRelay;
  #server: Server | undefined;
  #resolver: ResolverServer | undefined;
  readonly #bound: FaultBound;
  #closed = false;

  /** @throws REQUEST_INVALID: the name is taken */
  constructor(
    id: number,
    options: MemberOptions,
    groups: InternalGroups,
    dialInto: DialInto,
    tell: (decision: NetworkDecision) => void,
    onFault: (fault: string) => void,
  ) {
    this.#groups = groups;
    this.#log = new DecisionLog(tell);
    this.#bound = new FaultBound((fault) => {
      this.#log.add(faultDecision(fault));
      this.close();
      onFault(fault);
    });
    this.#relay = new InwardRelay(dialInto);
    this.#member = groups.join(id, options);
  }

  /** Begins to serve; the handles are ours from here on. */
  attach(handles: NetworkHandles): void {
    this.#bound.serve(() => this.#serve(handles));
  }

  #serve(handles: NetworkHandles): void {
    this.#resolver = new ResolverServer(this, {
      tcp: listenOn(ownEvents(createServer()), handles.dnsTcp),
      udp: bindTo(ownEvents(createSocket('udp4')), handles.dnsUdp),
    });
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true } as const;
    this.#server = createServer(options, (socket) => void this.#accept(socket));
    this.#server.on('error', () => {});
    listenOn(ownEvents(this.#server), handles.tcp);
  }

  update(): never {
    throw new Error('the group of an open sandbox cannot be changed');
  }

  counters(): ProxyCounters {
    return this.#relay.counters();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#groups.leave(this.#member);
    this.#server?.close();
    this.#relay.close();
    this.#resolver?.close();
    this.#log.flush();
  }

  // NameSource: what the resolver asks.

  async name(text: string): Promise<NameDecision> {
    const name = hostName(text);
    const member = name === undefined ? undefined : this.#named(name);
    if (member !== undefined) return { allowed: true, rule: RULE, reason: member.name };
    const shown = JSON.stringify(text.slice(0, 253)).slice(1, -1);
    const reason = `no sandbox of the group has the name ${shown}; the members and nothing else are reached`;
    const decision = { allowed: false, rule: RULE, reason };
    this.reportName(shown, decision);
    return decision;
  }

  readonly names = {
    resolve: async (name: string, family: 4 | 6): Promise<CheckedAddresses> => {
      const member = this.#named(name);
      if (member === undefined) return { kind: 'absent' };
      const { address } = member;
      return {
        kind: 'addresses',
        addresses: family === 4 ? [{ address, ttlSeconds: TTL_SECONDS }] : [],
      };
    },
  };

  reportName(name: string, decision: NameDecision): void {
    this.#log.add({ target: name, ...decision, details: { kind: 'name', name } });
  }

  #named(name: string): Member | undefined {
    const label = name.endsWith(DOMAIN) ? name.slice(0, -DOMAIN.length) : name;
    return this.#groups.byName(this.#member.group, label);
  }

  async #accept(socket: Socket): Promise<void> {
    ownEvents(socket);
    // By TPROXY the accepted socket's own address is where the guest connected to.
    const address = plainAddress(socket.localAddress ?? '') ?? '';
    const port = socket.localPort ?? 0;
    if (!this.#relay.take(socket)) {
      this.#report(address, port, undefined, 'too many connections are open already: close some');
      return;
    }
    const member = this.#groups.byAddress(this.#member.group, address);
    const fault = faultOf(member, address, port);
    this.#report(address, port, member, fault);
    if (member === undefined || fault !== undefined) {
      this.#relay.refuse(socket);
      return;
    }
    const problem = await this.#relay.join(socket, member.id, port);
    if (problem !== undefined) this.#tell(address, port, member, true, problem);
  }

  #report(
    address: string,
    port: number,
    member: Member | undefined,
    fault: string | undefined,
  ): void {
    const { group } = this.#member;
    const reason = fault ?? `${member?.name} of the same group listens on port ${port}`;
    this.#tell(address, port, member, fault === undefined && group === member?.group, reason);
  }

  #tell(
    address: string,
    port: number,
    member: Member | undefined,
    allowed: boolean,
    reason: string,
  ): void {
    const host = member?.name ?? (address.includes(':') ? `[${address}]` : address);
    const details = {
      kind: 'connection',
      address,
      port,
      ...(member === undefined ? {} : { name: member.name }),
      by: 'address',
    };
    this.#log.add({ target: `${host}:${port}/tcp`, allowed, rule: RULE, reason, details });
  }
}

function faultOf(member: Member | undefined, address: string, port: number): string | undefined {
  if (member === undefined) {
    return `${address} is no member of the group: connect by the name of one`;
  }
  if (!member.ports.includes(port)) {
    return `${member.name} does not publish port ${port}: add \`listen: [${port}]\` under network of its policy`;
  }
  return undefined;
}
