/** The name servers that one sandbox's names are asked of: which first, how often, and what their answers come to. */
import type { AddressQuestion, ResolvedAddress } from './name-answer.ts';
import { NameServer } from './name-server.ts';
import { formatNameServer } from './name-server-address.ts';
import type { NameServerSettings } from './resolv-conf.ts';

/** `absent`: there is no such name (NXDOMAIN). `failed`: no server gave an answer. */
export type Resolution =
  | { readonly kind: 'addresses'; readonly addresses: readonly ResolvedAddress[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

export class NameServers {
  readonly #settings: () => NameServerSettings;
  #known: NameServerSettings | undefined;
  /** Those of {@link #known}, in the order that they are named in. */
  #servers: readonly NameServer[] = [];
  #turn = 0;
  #closed = false;

  /** @param settings As they are now; another value with each change. */
  constructor(settings: () => NameServerSettings) {
    this.#settings = settings;
  }

  /** Never rejects. */
  async ask(question: AddressQuestion): Promise<Resolution> {
    const settings = this.#settings();
    if (settings !== this.#known) this.#take(settings);
    let servers = this.#inOrder(settings.rotate);
    let problem = 'no server';
    for (let attempt = 0; attempt < settings.attempts; attempt++) {
      for (const server of servers) {
        if (this.#closed) return failed('ECANCELLED');
        const answer = await server.ask(question, settings.timeoutMs);
        if (answer.kind === 'addresses' || answer.kind === 'absent') return answer;
        problem = answer.code;
        // What a server says of itself it would say again.
        if (answer.kind === 'failed') servers = servers.filter((other) => other !== server);
      }
    }
    return failed(problem);
  }

  close(): void {
    this.#closed = true;
    for (const server of this.#servers) server.close();
  }

  /** Those that answered last first. */
  #inOrder(rotate: boolean): readonly NameServer[] {
    const all = this.#servers;
    if (all.length < 2) return all;
    const start = rotate ? this.#turn++ % all.length : 0;
    const turned = [...all.slice(start), ...all.slice(0, start)];
    const avoided = turned.filter(({ isAvoided }) => isAvoided);
    return [...turned.filter((server) => !avoided.includes(server)), ...avoided];
  }

  #take(settings: NameServerSettings): void {
    const before = new Map(this.#servers.map((server) => [server.name, server]));
    this.#known = settings;
    this.#servers = settings.servers.map((address) => {
      const server = before.get(formatNameServer(address)) ?? new NameServer(address);
      before.delete(server.name);
      return server;
    });
    for (const server of before.values()) server.retire();
  }
}

function failed(code: string): Resolution {
  return { kind: 'failed', reason: `the host's name servers gave no answer (${code})` };
}
