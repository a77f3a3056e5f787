/**
 * Datagrams of one sandbox. For each address and port that a rule opens a socket stands inside at that address, since in
 * the sandbox's network namespace every address is local: what the guest sends there arrives here, and what is sent from it
 * has the right source (the filter inside sees to the port). Towards the outside each port of the guest has a connected socket of its own.
 *
 * Decided by address: nothing within a datagram is read. Over 300 lines: one state, from which sockets and flows come and go.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { bindTo, type RawHandle } from '../launcher/network-handles.ts';
import {
  DATAGRAM_FIXED_MAX,
  fixedDatagrams,
  namedDatagramPorts,
  unreachable,
} from '../policy/datagram-rules.ts';
import { plainAddress } from '../policy/special-address.ts';
import { DatagramFlow } from './datagram-flow.ts';
import { datagramReport, falseSource, noSocket, tooManyPorts } from './datagram-report.ts';
import { type DatagramDecision, decideDatagram } from './decide-datagram.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { NameSource } from './dns-answer.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import { ownEvents } from './fault-bounds.ts';
import type { Judge } from './judge.ts';
import type { ResolvedAddress } from './name-answer.ts';
import { TokenBucket } from './token-bucket.ts';

/** Makes a socket inside, bound to that address and port; datagrams of the guest then reach it. */
export type OpenDatagram = (address: string, port: number) => Promise<RawHandle>;

export interface DatagramContext {
  readonly judge: Judge;
  /** Whether an address is one of this host's own. */
  readonly isOwn: (address: string) => boolean;
  readonly open: OpenDatagram;
  readonly report: (decision: Omit<NetworkDecision, 'count'>) => void;
}

/** At once, for each sandbox. */
const SOCKETS_MAX = 512;
const FLOWS_MAX = 256;
/** Asked of the launcher at once; it takes 16. */
const OPENING_MAX = 8;
/** As long as RFC 4787 wants a mapping to be kept at least. */
const IDLE_MS = 120_000;
/** A flow that was quiet for this long makes room for a new one. */
const QUIET_MS = 2000;
/** Not looked for again so soon where none was. */
const FULL_MS = 100;
const SWEEP_MS = 10_000;
/** Datagrams a second; beyond, those of the guest wait in the kernel's buffer, which drops, and answers are dropped here. */
const RATE = 10_000;
const BURST = 2000;
const PAUSE_MS = 10;
const QUEUE_MAX_BYTES = 256 * 1024;
/** Inside, the socket is bound at the port with every bit turned: `native/launcher/nftables.h`. */
const TURN = 0xffff;

/** libuv's socket, which can stop reading: what comes then is the kernel's to drop. */
interface Readable extends RawHandle {
  recvStart?(): void;
  recvStop?(): void;
}

interface Inside {
  readonly address: string;
  readonly port: number;
  readonly handle: Readable;
  readonly socket: Socket;
  /** By the guest's address and port. */
  readonly flows: Map<string, { readonly flow: DatagramFlow; readonly name: string | undefined }>;
}

export class DatagramRelay {
  readonly #context: DatagramContext;
  readonly #sockets = new Map<string, Inside>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #queue: (() => void)[] = [];
  readonly #outward = new TokenBucket(RATE, BURST);
  readonly #inward = new TokenBucket(RATE, BURST);
  #running = 0;
  #flows = 0;
  #openFlows = 0;
  #fullUntilMs = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #paused: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(context: DatagramContext) {
    this.#context = context;
  }

  /** Makes the sockets of rules with an address, and closes what the policy allows no more. Resolves once they stand. */
  async update(): Promise<void> {
    for (const inside of [...this.#sockets.values()]) this.#recheck(inside);
    const fixed = fixedDatagrams(this.#context.judge.policy).slice(0, DATAGRAM_FIXED_MAX);
    await Promise.all(fixed.map(({ address, port }) => this.#ensure(address, port)));
  }

  /** Makes the sockets for addresses that a name is about to be answered with. Never rejects. */
  async #prepare(name: string, addresses: readonly ResolvedAddress[]): Promise<void> {
    const ports = namedDatagramPorts(this.#context.judge.policy);
    const wanted = addresses.flatMap((found) => {
      const address = plainAddress(found.address) ?? '';
      const open = ports.filter((port) => this.#decide(address, port, name).allowed);
      return open.map((port) => ({ address, port }));
    });
    await Promise.all(wanted.map(({ address, port }) => this.#ensure(address, port)));
  }

  /** A resolver of these names answers once the sockets for its answer stand. */
  preparing(judge: Judge): NameSource {
    return {
      name: (text) => judge.name(text),
      reportName: (name, decision) => judge.reportName(name, decision),
      names: {
        resolve: async (name, family) => {
          const found = await judge.names.resolve(name, family);
          if (found.kind === 'addresses') await this.#prepare(name, found.addresses);
          return found;
        },
      },
    };
  }

  /** `connections`: ports of the guest that sent, to each destination. */
  counters(): ProxyCounters {
    return {
      connections: this.#flows,
      openConnections: this.#openFlows,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#paused);
    clearInterval(this.#sweeping);
    for (const inside of [...this.#sockets.values()]) this.#shut(inside);
    for (const go of this.#queue.splice(0)) go();
  }

  #ensure(address: string, port: number): Promise<void> {
    const key = keyOf(address, port);
    const never = this.#closed || unreachable(address) !== undefined;
    if (never || this.#sockets.has(key)) return Promise.resolve();
    const opening = this.#opening.get(key);
    if (opening !== undefined) return opening;
    const made = this.#make(address, port)
      .catch((error: Error) => this.#report({ address, port }, noSocket(error.message)))
      .finally(() => this.#opening.delete(key));
    this.#opening.set(key, made);
    return made;
  }

  async #make(address: string, port: number): Promise<void> {
    if (this.#sockets.size + this.#opening.size >= SOCKETS_MAX && !this.#makeRoom()) {
      throw new Error(`${SOCKETS_MAX} destinations of datagrams are open already`);
    }
    while (this.#running >= OPENING_MAX && !this.#closed) {
      await new Promise<void>((go) => this.#queue.push(go));
    }
    if (this.#closed) return;
    this.#running++;
    try {
      const handle = await this.#context.open(address, port);
      // The policy may be another by now.
      if (this.#closed || !this.#decide(address, port).allowed) handle.close();
      else this.#keep(address, port, handle);
    } finally {
      this.#running--;
      this.#queue.shift()?.();
    }
  }

  #keep(address: string, port: number, handle: Readable): void {
    const six = address.includes(':');
    const socket = ownEvents(createSocket({ type: six ? 'udp6' : 'udp4' }));
    const inside: Inside = { address, port, handle, socket, flows: new Map() };
    socket.on('message', (bytes, from) => this.#outwards(inside, bytes, from));
    socket.on('error', () => {});
    bindTo(socket, handle);
    this.#sockets.set(keyOf(address, port), inside);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  #outwards(inside: Inside, bytes: Buffer, from: RemoteInfo): void {
    const { address, port } = inside;
    if (!this.#outward.take()) {
      this.#pause();
      return;
    }
    const honest = from.address === address || from.address === '::1';
    if (!honest || from.port === (port ^ TURN)) {
      this.#report(inside, falseSource(from));
      return;
    }
    const key = keyOf(from.address, from.port);
    const flow = inside.flows.get(key)?.flow ?? this.#begin(inside, key, from);
    if (flow?.send(bytes)) this.#sentBytes += bytes.length;
  }

  #begin(inside: Inside, key: string, from: RemoteInfo): DatagramFlow | undefined {
    const { address, port, flows, socket } = inside;
    const decision = this.#decide(address, port);
    if (decision.allowed && this.#openFlows >= FLOWS_MAX && !this.#endQuiet()) {
      this.#report(inside, tooManyPorts(FLOWS_MAX));
      return undefined;
    }
    this.#report(inside, decision);
    if (!decision.allowed) return undefined;
    const flow = new DatagramFlow({
      address,
      port,
      onAnswer: (bytes) => {
        if (!this.#inward.take() || socket.getSendQueueSize() > QUEUE_MAX_BYTES) return;
        this.#receivedBytes += bytes.length;
        socket.send(bytes, from.port, from.address, () => {});
      },
      onClose: () => {
        this.#openFlows--;
        flows.delete(key);
      },
    });
    this.#flows++;
    this.#openFlows++;
    flows.set(key, { flow, name: decision.name });
    return flow;
  }

  #decide(address: string, port: number, known?: string): DatagramDecision {
    const { judge, isOwn } = this.#context;
    return decideDatagram(judge, { address, port, own: isOwn(address) }, known);
  }

  #recheck(inside: Inside): void {
    const { address, port, flows } = inside;
    for (const { flow, name } of [...flows.values()]) {
      if (!this.#decide(address, port, name).allowed) flow.close();
    }
    if (flows.size === 0 && !this.#decide(address, port).allowed) this.#shut(inside);
  }

  #shut(inside: Inside): void {
    this.#sockets.delete(keyOf(inside.address, inside.port));
    for (const { flow } of [...inside.flows.values()]) flow.close();
    inside.socket.close();
  }

  /** The guest's sockets are read no more for a moment: the kernel drops what its buffers do not hold. */
  #pause(): void {
    if (this.#paused !== undefined) return;
    for (const { handle } of this.#sockets.values()) handle.recvStop?.();
    this.#paused = setTimeout(() => {
      this.#paused = undefined;
      for (const { handle } of this.#sockets.values()) handle.recvStart?.();
    }, PAUSE_MS);
  }

  #sweep(): void {
    const since = performance.now() - IDLE_MS;
    for (const { flow } of this.#allFlows()) if (flow.usedMs < since) flow.close();
  }

  /** Ends the flow that was quiet for the longest, where one was quiet. */
  #endQuiet(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#fullUntilMs) return false;
    let oldest: DatagramFlow | undefined;
    for (const { flow } of this.#allFlows()) {
      if (oldest === undefined || flow.usedMs < oldest.usedMs) oldest = flow;
    }
    if (oldest === undefined || nowMs - oldest.usedMs < QUIET_MS) {
      this.#fullUntilMs = nowMs + FULL_MS;
      return false;
    }
    oldest.close();
    return true;
  }

  /** Closes the oldest socket that nobody sends to and that no rule with an address wants. */
  #makeRoom(): boolean {
    const fixed = fixedDatagrams(this.#context.judge.policy);
    const wanted = new Set(fixed.map(({ address, port }) => keyOf(address, port)));
    for (const [key, inside] of this.#sockets) {
      if (inside.flows.size > 0 || wanted.has(key)) continue;
      this.#shut(inside);
      return true;
    }
    return false;
  }

  #allFlows(): { readonly flow: DatagramFlow }[] {
    return [...this.#sockets.values()].flatMap(({ flows }) => [...flows.values()]);
  }

  #report(where: Pick<Inside, 'address' | 'port'>, decision: DatagramDecision): void {
    this.#context.report(datagramReport(where, decision));
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
