/**
 * The proxy process: hostile bytes of all sandboxes of one Caisson are parsed here, and not in the caller's process.
 *
 * Started by the library with an IPC channel (`launcher/proxy-start.ts`), ends with it. Everything that it knows comes
 * over that channel; it reads no arguments and no environment of its own.
 */
import process from 'node:process';
import { receiveNetworks } from '../launcher/network-handles.ts';
import { FilteredNetwork } from './filtered-network.ts';
import type { FromProxy, ProxyReply, ToProxy } from './proxy-messages.ts';
import type { NetworkAnswer } from './questions.ts';

const networks = new Map<number, Promise<FilteredNetwork>>();
const questions = new Map<number, (answer: NetworkAnswer | undefined) => void>();
let lastQuestion = 0;

receiveNetworks(process, (id, handles) => {
  const close = (): void => {
    for (const handle of Object.values(handles)) handle.close();
  };
  const network = networks.get(id);
  if (network === undefined) close();
  else network.then((opened) => opened.attach(handles)).catch(close);
});
process.on('message', (message: ToProxy | { type?: undefined }) => {
  if (message.type === 'answer') {
    questions.get(message.question)?.(message.answer);
    questions.delete(message.question);
  } else if (message.type !== undefined) {
    const { request } = message;
    carryOut(message).then(
      (reply) => say({ type: 'reply', request, reply }),
      (error: Error) => say({ type: 'failed', request, message: error.message }),
    );
  }
});
process.on('disconnect', () => process.exit(0));

async function carryOut(message: Exclude<ToProxy, { type: 'answer' }>): Promise<ProxyReply> {
  const { id } = message;
  if (message.type === 'open') {
    const opening = FilteredNetwork.open(
      message.open,
      (decision) => say({ type: 'decision', id, decision }),
      (about) => {
        const question = ++lastQuestion;
        say({ type: 'ask', id, question, about });
        return new Promise((resolve) => questions.set(question, resolve));
      },
    );
    networks.set(id, opening);
    opening.catch(() => networks.delete(id));
    const { certificatePem } = await opening;
    return certificatePem === undefined ? {} : { certificatePem };
  }
  const network = await networks.get(id);
  if (network === undefined) throw new Error(`there is no network ${id}`);
  if (message.type === 'update') network.update(message.policy);
  if (message.type === 'close') {
    networks.delete(id);
    network.close();
  }
  return { counters: network.counters() };
}

function say(message: FromProxy): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
