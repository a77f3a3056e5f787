/**
 * Asks the host's own name servers, or given ones, on behalf of one sandbox, and keeps what they answered.
 *
 * It does not read /etc/hosts, so that a name that only this host knows does not lead anywhere.
 */
import type { AddressQuestion } from './name-answer.ts';
import { NameServers, type Resolution } from './name-servers.ts';
import { givenNameServers, ResolvConf } from './resolv-conf.ts';

export type LookUp = (name: string, family: 4 | 6) => Promise<Resolution>;

/** More lookups at once than this fail at once. */
const PENDING_MAX = 128;
const KEPT_MAX = 4096;
/** What does not exist is asked again soon; RFC 2308 lets it be kept for longer. */
const ABSENT_SECONDS = 5;

interface Kept {
  readonly resolution: Resolution;
  readonly fromMs: number;
  readonly untilMs: number;
}

export class HostResolver {
  readonly #servers: NameServers;
  readonly #pending = new Map<string, Promise<Resolution>>();
  readonly #kept = new Map<string, Kept>();

  /** @param servers `address` or `address:port`; default: those of the host's resolv.conf, as it is at the time. */
  constructor(servers?: readonly string[]) {
    if (servers === undefined) {
      const file = new ResolvConf();
      this.#servers = new NameServers(() => file.current());
    } else {
      const given = givenNameServers(servers);
      this.#servers = new NameServers(() => given);
    }
  }

  /** Remembers answers for as long as they are valid. Never rejects. */
  lookUp(name: string, family: 4 | 6): Promise<Resolution> {
    const key = `${family} ${name}`;
    const kept = this.#fresh(key);
    if (kept !== undefined) return Promise.resolve(kept);
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= PENDING_MAX) {
      return Promise.resolve({ kind: 'failed', reason: 'too many names are being looked up' });
    }
    const asked = this.#ask(key, { name, family });
    this.#pending.set(key, asked);
    return asked;
  }

  close(): void {
    this.#servers.close();
  }

  async #ask(key: string, question: AddressQuestion): Promise<Resolution> {
    try {
      const resolution = await this.#servers.ask(question);
      this.#keep(key, resolution);
      return resolution;
    } finally {
      this.#pending.delete(key);
    }
  }

  #keep(key: string, resolution: Resolution): void {
    if (resolution.kind === 'failed') return;
    const ttls = resolution.kind === 'absent' ? [] : resolution.addresses.map((a) => a.ttlSeconds);
    const seconds = ttls.length === 0 ? ABSENT_SECONDS : Math.min(...ttls);
    if (seconds <= 0) return;
    const fromMs = performance.now();
    this.#kept.delete(key);
    this.#kept.set(key, { resolution, fromMs, untilMs: fromMs + seconds * 1000 });
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value ?? '');
  }

  /** With what is left of each answer's time. */
  #fresh(key: string): Resolution | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const nowMs = performance.now();
    if (kept.untilMs <= nowMs) {
      this.#kept.delete(key);
      return undefined;
    }
    const { resolution } = kept;
    if (resolution.kind !== 'addresses') return resolution;
    const age = Math.floor((nowMs - kept.fromMs) / 1000);
    const addresses = resolution.addresses.map(({ address, ttlSeconds }) => ({
      address,
      ttlSeconds: Math.max(0, ttlSeconds - age),
    }));
    return { kind: 'addresses', addresses };
  }
}
