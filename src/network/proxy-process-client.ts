/**
 * One proxy process as the library speaks with it: requests and their replies, questions that it asks back, and its end.
 * What it serves is shut when it is gone.
 */
import type { CaissonError } from '../core/error.ts';
import type { Dial } from '../launcher/dials.ts';
import {
  forwardNetwork,
  type NetworkHandles,
  type RawHandle,
} from '../launcher/network-handles.ts';
import type { NodeProcess } from '../launcher/node-process.ts';
import type { VaultMemory, VaultProcess } from '../launcher/vault-process.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import type { Secret } from './intercept/secrets.ts';
import type {
  FilteredNetworkClient,
  NetworkOptions,
  PublishedPortClient,
} from './network-client.ts';
import { networkFailed, networkGone, networkShut, portShut } from './proxy-error.ts';
import type { FromProxy, ProxyReply, ProxyRequest, ToProxy } from './proxy-messages.ts';
import type { PublishOptions } from './published-port.ts';
import { SecretKeeper } from './secret-keeper.ts';

const ASK_TIMEOUT_MS = 30_000;
/** While somebody waits for it: one from which nothing is heard from one look to the next is ended. */
const LOOK_EVERY_MS = 15_000;

interface Pending {
  readonly resolve: (reply: ProxyReply) => void;
  readonly reject: (error: CaissonError) => void;
}

/** What the proxy may come back for, of a network or a published port. */
type Served = Pick<NetworkOptions, 'onGone' | 'ask' | 'askTimeoutMs' | 'dial'> &
  Partial<Pick<NetworkOptions, 'onDecision'>> & { readonly shut?: typeof networkShut };

export class ProxyProcessClient {
  readonly #child: NodeProcess;
  readonly #ended: Promise<void>;
  readonly #networks = new Map<number, Served>();
  readonly #pending = new Map<number, Pending>();
  /** Ends what is on its way to a process that is gone: Node forgets handles that wait for a channel which closes. */
  readonly #underWay = new Set<() => void>();
  #lastId = 0;
  #lastRequest = 0;
  #holders = 0;
  #watch: NodeJS.Timeout | undefined;
  #isHeard = false;
  #gone: CaissonError | undefined;
  #ending = false;
  /** What it said of its end. */
  #fatal: string | undefined;
  readonly #keeper: SecretKeeper;

  constructor(child: NodeProcess, startVault: (memory: VaultMemory) => VaultProcess) {
    this.#child = child;
    this.#keeper = new SecretKeeper(startVault, (reader) => this.#passOn(reader));
    child.on('message', (message) => this.#take(message as FromProxy));
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#end(networkGone(this.#fatal === undefined ? how : `${how}, ${this.#fatal}`));
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
      // Its listening sockets may still be open for an instant: kill what cannot be spoken with.
      child.once('disconnect', () => child.kill('SIGKILL'));
    });
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** While it runs. */
  get pid(): number | undefined {
    return this.isGone ? undefined : this.#child.pid;
  }

  get vault(): VaultProcess | undefined {
    return this.#keeper.vault;
  }

  async open(options: NetworkOptions): Promise<FilteredNetworkClient> {
    const held = await this.#keeper.give(options);
    const { network, reply } = this.begin(options, held.secrets);
    try {
      const { certificatePem } = await reply;
      const close = async () => {
        const counters = await network.close();
        await held.drop();
        return counters;
      };
      return { ...network, close, ...(certificatePem === undefined ? {} : { certificatePem }) };
    } catch (error) {
      await held.drop();
      throw error;
    }
  }

  begin(
    options: NetworkOptions,
    secrets: readonly Secret[] = [],
  ): { network: FilteredNetworkClient; reply: Promise<ProxyReply> } {
    const id = ++this.#lastId;
    this.#networks.set(id, options);
    const { policy, servers, ask, member } = options;
    const open = {
      policy,
      secrets,
      asks: ask !== undefined,
      ...(servers === undefined ? {} : { servers }),
      ...(member === undefined ? {} : { member }),
    };
    const reply = this.#request(id, { type: 'open', open });
    const opened = reply.then(
      () => {},
      (error) => {
        this.#networks.delete(id);
        throw error;
      },
    );
    opened.catch(() => {});
    const network = {
      opened,
      attach: (handles: NetworkHandles) => this.#attach(id, handles),
      update: async (changed: NetworkPolicy) => {
        await this.#request(id, { type: 'update', policy: changed });
      },
      counters: async () => countersOf(await this.#request(id, { type: 'counters' })),
      close: () => this.#close(id),
    };
    return { network, reply };
  }

  warm({ intercept }: NetworkPolicy): void {
    // What goes wrong here goes wrong again where it is told: at the first network.
    this.#request(0, { type: 'warm', intercept: intercept === true }).catch(() => {});
  }

  async publish(publish: PublishOptions, dial: Dial): Promise<PublishedPortClient> {
    const id = ++this.#lastId;
    const gone = Promise.withResolvers<CaissonError>();
    this.#networks.set(id, { dial, onGone: gone.resolve, shut: portShut });
    try {
      const { port = 0 } = await this.#request(id, { type: 'publish', publish });
      let isOpen = true;
      // A published port keeps this process alive, as a server of its own would.
      this.#hold();
      return {
        port,
        gone: gone.promise,
        close: async () => {
          if (isOpen) this.#release();
          isOpen = false;
          await this.#close(id);
        },
      };
    } catch (error) {
      this.#networks.delete(id);
      throw error;
    }
  }

  async end(): Promise<void> {
    this.#ending = true;
    await this.#keeper.end();
    if (this.#gone !== undefined) return;
    this.#child.ref();
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #passOn(reader: RawHandle): void {
    this.#handOver({ type: 'vault' }, reader);
  }

  /** The handle is closed here once it is there, or cannot arrive any more. */
  #handOver(message: ToProxy, handle: RawHandle): void {
    const close = (): void => {
      if (this.#underWay.delete(close)) handle.close();
    };
    this.#underWay.add(close);
    if (this.#gone !== undefined) close();
    else this.#child.send(message, handle as never, close);
  }

  async #attach(id: number, handles: NetworkHandles): Promise<void> {
    const shut = (): void => {
      for (const handle of [handles.tcp, handles.dnsUdp, handles.dnsTcp]) handle.close();
    };
    if (this.#gone !== undefined) {
      shut();
      throw this.#gone;
    }
    const ended = Promise.withResolvers<never>();
    const end = (): void => {
      shut();
      ended.reject(this.#gone);
    };
    this.#underWay.add(end);
    this.#hold();
    try {
      await Promise.race([forwardNetwork(this.#child, id, handles), ended.promise]);
    } catch (error) {
      throw this.#gone ?? networkGone('its channel is closed', error);
    } finally {
      this.#underWay.delete(end);
      this.#release();
    }
  }

  async #close(id: number): Promise<ProxyCounters | undefined> {
    if (this.#gone !== undefined || !this.#networks.has(id)) return undefined;
    try {
      const reply = await this.#request(id, { type: 'close' });
      return countersOf(reply);
    } catch {
      return undefined;
    } finally {
      this.#networks.delete(id);
    }
  }

  #request(id: number, request: ProxyRequest): Promise<ProxyReply> {
    const { promise, resolve, reject } = Promise.withResolvers<ProxyReply>();
    if (this.#gone !== undefined) {
      reject(this.#gone);
      return promise;
    }
    const number = ++this.#lastRequest;
    this.#pending.set(number, { resolve, reject });
    this.#hold();
    this.#send({ ...request, id, request: number });
    return promise;
  }

  /** While held, this process waits: for what comes over the channel, and for the end of what can say no more. */
  #hold(): void {
    if (this.#holders++ > 0) return;
    this.#child.channel?.ref();
    this.#child.ref();
    this.#isHeard = true;
    // After what has come meanwhile was read: this process may have been busy, too.
    const look = (): void => void setImmediate(() => this.#look());
    this.#watch = setInterval(look, LOOK_EVERY_MS).unref();
  }

  #release(): void {
    if (--this.#holders > 0) return;
    clearInterval(this.#watch);
    this.#child.channel?.unref();
    this.#child.unref();
  }

  /** All sandboxes share it: one that stands still would keep each of them from its end. */
  #look(): void {
    if (this.#gone !== undefined || this.#holders === 0) return;
    if (!this.#isHeard) {
      this.#child.kill('SIGKILL');
      return;
    }
    this.#isHeard = false;
    // It is answered at once, whatever else takes long.
    this.#send({ type: 'warm', intercept: false, id: 0, request: ++this.#lastRequest });
  }

  #send(message: ToProxy): void {
    // A channel that has closed is told by the exit that follows.
    this.#child.send(message, () => {});
  }

  #take(message: FromProxy): void {
    this.#isHeard = true;
    if (message.type === 'fault') {
      this.#fault(message);
    } else if (message.type === 'decision') {
      this.#networks.get(message.id)?.onDecision?.(message.decision);
    } else if (message.type === 'ask') {
      void this.#ask(message);
    } else if (message.type === 'dial') {
      void this.#dial(message);
    } else {
      const pending = this.#pending.get(message.request);
      this.#pending.delete(message.request);
      if (pending !== undefined) this.#release();
      if (message.type === 'reply') pending?.resolve(message.reply);
      else pending?.reject(networkFailed(message));
    }
  }

  /** Of one network: the others go on. Of the process: what is told of its end. */
  #fault({ id, text }: Extract<FromProxy, { type: 'fault' }>): void {
    if (id === undefined) {
      this.#fatal = text;
      return;
    }
    const { onGone, shut = networkShut } = this.#networks.get(id) ?? {};
    onGone?.(shut(text));
  }

  async #ask({ id, question, about }: Extract<FromProxy, { type: 'ask' }>): Promise<void> {
    const { ask, askTimeoutMs = ASK_TIMEOUT_MS } = this.#networks.get(id) ?? {};
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), askTimeoutMs).unref();
    });
    // Whoever fails to answer has not said yes.
    const answer = await Promise.race([ask?.(about).catch(() => undefined), late]);
    clearTimeout(timer);
    if (this.#gone !== undefined) return;
    this.#send({ type: 'answer', question, ...(answer === undefined ? {} : { answer }) });
  }

  /** The socket goes from the launcher to the proxy; here it is not read. */
  async #dial({ id, dial, port, address }: Extract<FromProxy, { type: 'dial' }>): Promise<void> {
    let handle: RawHandle;
    try {
      const way = this.#networks.get(id)?.dial;
      if (way === undefined) throw new Error('the sandbox has ended');
      handle = await way(port, address);
    } catch (error) {
      this.#send({ type: 'dialled', dial, problem: (error as Error).message });
      return;
    }
    this.#handOver({ type: 'dialled', dial }, handle);
  }

  #end(error: CaissonError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    clearInterval(this.#watch);
    void this.#keeper.end();
    for (const end of [...this.#underWay]) end();
    for (const { reject } of this.#pending.values()) {
      this.#release();
      reject(error);
    }
    this.#pending.clear();
    const networks = [...this.#networks.values()];
    this.#networks.clear();
    if (this.#ending) return;
    for (const { onGone } of networks) onGone?.(error);
  }
}

function countersOf({ counters }: ProxyReply): ProxyCounters {
  return counters ?? { connections: 0, openConnections: 0, sentBytes: 0, receivedBytes: 0 };
}
