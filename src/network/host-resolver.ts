/**
 * Asks the host's own name servers, or given ones, on behalf of one sandbox.
 *
 * c-ares follows aliases and checks answers against questions; it does not read /etc/hosts, so that a name that only
 * this host knows does not lead anywhere.
 */
import { Resolver } from 'node:dns/promises';

export interface ResolvedAddress {
  readonly address: string;
  readonly ttlSeconds: number;
}

/** `absent`: there is no such name (NXDOMAIN). `failed`: no server gave an answer. */
export type Resolution =
  | { readonly kind: 'addresses'; readonly addresses: readonly ResolvedAddress[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

export type LookUp = (name: string, family: 4 | 6) => Promise<Resolution>;

const TIMEOUT_MS = 2000;
const TRIES = 3;
/** More lookups at once than this fail at once. */
const PENDING_MAX = 128;
const KEPT_MAX = 4096;
/** Of one answer: its owner may be the guest's friend, and give thousands for each of its names. */
const ADDRESSES_MAX = 64;
/** What does not exist is asked again soon; RFC 2308 lets it be kept for longer. */
const ABSENT_SECONDS = 5;

interface Kept {
  readonly resolution: Resolution;
  readonly fromMs: number;
  readonly untilMs: number;
}

export class HostResolver {
  readonly #resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  readonly #pending = new Map<string, Promise<Resolution>>();
  readonly #kept = new Map<string, Kept>();

  /** @param servers `address` or `address:port`; default: those of the host's resolv.conf. */
  constructor(servers?: readonly string[]) {
    if (servers !== undefined) this.#resolver.setServers(servers);
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
    const asked = this.#ask(name, family).then((resolution) => {
      this.#pending.delete(key);
      this.#keep(key, resolution);
      return resolution;
    });
    this.#pending.set(key, asked);
    return asked;
  }

  close(): void {
    this.#resolver.cancel();
  }

  async #ask(name: string, family: 4 | 6): Promise<Resolution> {
    try {
      const found =
        family === 4
          ? await this.#resolver.resolve4(name, { ttl: true })
          : await this.#resolver.resolve6(name, { ttl: true });
      const addresses = found
        .slice(0, ADDRESSES_MAX)
        .map(({ address, ttl }) => ({ address, ttlSeconds: ttl }));
      return { kind: 'addresses', addresses };
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code);
      if (code === 'ENODATA') return { kind: 'addresses', addresses: [] };
      if (code === 'ENOTFOUND') return { kind: 'absent' };
      return { kind: 'failed', reason: `the host's name servers gave no answer (${code})` };
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
