/**
 * The proxy process: hostile bytes of all sandboxes of one Caisson are parsed here, and not in the caller's process.
 *
 * Started by the library with an IPC channel (`launcher/proxy-start.ts`), ends with it. Everything that it knows comes
 * over that channel; it reads no arguments and no environment of its own.
 */

import { Socket } from 'node:net';
import process from 'node:process';
import { isCaissonError } from '../core/error.ts';
import {
  isRawHandle,
  type NetworkHandles,
  type RawHandle,
  receiveNetworks,
} from '../launcher/network-handles.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type { OpenDatagram } from './datagram-relay.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import { boundFaults, faultText, ownEvents } from './fault-bounds.ts';
import { FilteredNetwork } from './filtered-network.ts';
import { SpareAuthority } from './intercept/spare-authority.ts';
import type { VaultReader } from './intercept/vault-reader.ts';
import { InternalGroups } from './internal-groups.ts';
import { InternalNetwork } from './internal-network.ts';
import type { FromProxy, OpenNetwork, ProxyReply, ToProxy } from './proxy-messages.ts';
import { PublishedPort } from './published-port.ts';
import type { Ask, NetworkAnswer } from './questions.ts';

/** What is open under one number. */
interface Served {
  readonly certificatePem?: string | undefined;
  attach?(handles: NetworkHandles, datagrams: OpenDatagram): void;
  update?(policy: NetworkPolicy): Promise<void>;
  counters(): ProxyCounters;
  close(): void;
}

/** However full the channel is. */
const TELLING_MS = 1000;

const networks = new Map<number, Promise<Served>>();
const groups = new InternalGroups();
const spares = new SpareAuthority();
/** Where the values of secrets are; each network keeps the one that was there when it was opened. */
let vault: Promise<VaultReader> | undefined;
const dials = new Map<number, PromiseWithResolvers<RawHandle>>();
let lastDial = 0;
const questions = new Map<number, (answer: NetworkAnswer | undefined) => void>();
let lastQuestion = 0;

receiveNetworks(process, (id, handles) => {
  const close = (): void => {
    for (const handle of Object.values(handles)) handle.close();
  };
  const datagrams: OpenDatagram = (address, port) => wayInto(id, port, address);
  const network = networks.get(id);
  if (network === undefined) close();
  else {
    network
      .then((opened) => (opened.attach === undefined ? close() : opened.attach(handles, datagrams)))
      .catch(close);
  }
});
process.on('message', (message: ToProxy | { type?: undefined }, handle: unknown) => {
  if (message.type === 'dialled') {
    takeDialled(message, handle);
  } else if (message.type === 'vault') {
    if (isRawHandle(handle)) vault = readVault(handle);
  } else if (message.type === 'answer') {
    questions.get(message.question)?.(message.answer);
    questions.delete(message.question);
  } else if (message.type !== undefined) {
    const { request } = message;
    carryOut(message).then(
      (reply) => say({ type: 'reply', request, reply }),
      (error: Error) => {
        const { hint } = isCaissonError(error) ? error : {};
        const invalid = isCaissonError(error) && error.code === 'REQUEST_INVALID';
        say({
          type: 'failed',
          request,
          message: error.message,
          ...(invalid ? { invalid: hint === undefined ? {} : { hint } } : {}),
        });
      },
    );
  }
});
process.on('disconnect', () => process.exit(0));
boundFaults((fault) => {
  const end = (): never => process.exit(1);
  // At once where nobody is told: what has gone wrong is unknown, and everything is shut with the process.
  if (!process.connected) end();
  setTimeout(end, TELLING_MS);
  process.send?.({ type: 'fault', text: faultText(fault) }, undefined, undefined, end);
});

async function carryOut(
  message: Exclude<ToProxy, { type: 'answer' | 'dialled' | 'vault' }>,
): Promise<ProxyReply> {
  const { id } = message;
  if (message.type === 'warm') {
    if (message.intercept) await spares.warm();
    return {};
  }
  if (message.type === 'open') {
    const { certificatePem } = await keep(id, open(id, message.open));
    return certificatePem === undefined ? {} : { certificatePem };
  }
  if (message.type === 'publish') {
    const onFault = (text: string): void => say({ type: 'fault', id, text });
    const published = PublishedPort.open(id, message.publish, dialInto, onFault);
    await keep(id, published);
    return { port: (await published).port };
  }
  const network = await networks.get(id);
  if (network === undefined) throw new Error(`there is no network ${id}`);
  if (message.type === 'update') await network.update?.(message.policy);
  if (message.type === 'close') {
    networks.delete(id);
    network.close();
  }
  return { counters: network.counters() };
}

function keep(id: number, opening: Promise<Served>): Promise<Served> {
  networks.set(id, opening);
  opening.catch(() => networks.delete(id));
  return opening;
}

async function open(id: number, options: OpenNetwork): Promise<Served> {
  const tell = (decision: NetworkDecision): void => say({ type: 'decision', id, decision });
  const onFault = (text: string): void => say({ type: 'fault', id, text });
  if (options.member !== undefined) {
    return new InternalNetwork(id, options.member, groups, dialInto, tell, onFault);
  }
  const ask: Ask = (about) => {
    const question = ++lastQuestion;
    say({ type: 'ask', id, question, about });
    return new Promise((resolve) => questions.set(question, resolve));
  };
  return await FilteredNetwork.open(options, tell, ask, onFault, spares, await vault);
}

async function readVault(handle: RawHandle): Promise<VaultReader> {
  const { VaultReader } = await import('./intercept/vault-reader.ts');
  return new VaultReader(handle);
}

/** The library has the launcher, and answers each. */
function wayInto(id: number, port: number, address?: string): Promise<RawHandle> {
  const dial = ++lastDial;
  const waiting = Promise.withResolvers<RawHandle>();
  dials.set(dial, waiting);
  say({ type: 'dial', id, dial, port, ...(address === undefined ? {} : { address }) });
  return waiting.promise;
}

async function dialInto(id: number, port: number): Promise<Socket> {
  const handle = await wayInto(id, port);
  // Node makes its own sockets so; a paused one is read only from when it is joined to the other.
  const options = { handle, allowHalfOpen: true, pauseOnCreate: true } as const;
  const inside = ownEvents(new Socket(options as never));
  inside.setNoDelay(true);
  return inside;
}

function takeDialled(
  { dial, problem }: Extract<ToProxy, { type: 'dialled' }>,
  handle: unknown,
): void {
  const waiting = dials.get(dial);
  dials.delete(dial);
  if (isRawHandle(handle)) {
    if (waiting === undefined) handle.close();
    else waiting.resolve(handle);
    return;
  }
  waiting?.reject(new Error(problem ?? 'the connection was lost on its way'));
}

function say(message: FromProxy): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
