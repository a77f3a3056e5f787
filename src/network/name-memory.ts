/**
 * Which addresses each name was answered with: what a guest may connect to under that name.
 *
 * Kept for longer than the answer is valid, since programs hold on to addresses, and bounded, since the guest chooses
 * what it asks for.
 */

/** Programs that cache an answer for longer than this must ask again. */
const KEPT_AT_LEAST_MS = 5 * 60_000;
const KEPT_AT_MOST_MS = 60 * 60_000;
const NAMES_MAX = 4096;
const ADDRESSES_MAX = 64;

export class NameMemory {
  /** Least recently answered first. */
  readonly #names = new Map<string, Map<string, number>>();
  readonly #addresses = new Map<string, Set<string>>();
  readonly #now: () => number;

  /** @param now Milliseconds that only grow. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  remember(name: string, address: string, ttlSeconds: number): void {
    const known = this.#names.get(name) ?? new Map<string, number>();
    this.#names.delete(name);
    this.#names.set(name, known);
    const keptMs = Math.min(Math.max(ttlSeconds * 1000, KEPT_AT_LEAST_MS), KEPT_AT_MOST_MS);
    known.delete(address);
    known.set(address, this.#now() + keptMs);
    this.#namesOf(address).add(name);
    if (known.size > ADDRESSES_MAX) this.#forget(name, known.keys().next().value ?? '');
    if (this.#names.size > NAMES_MAX) this.#forgetName(this.#names.keys().next().value ?? '');
  }

  has(name: string, address: string): boolean {
    const until = this.#names.get(name)?.get(address);
    if (until === undefined) return false;
    if (until > this.#now()) return true;
    this.#forget(name, address);
    return false;
  }

  addressesOf(name: string): string[] {
    const addresses = [...(this.#names.get(name)?.keys() ?? [])];
    return addresses.filter((address) => this.has(name, address));
  }

  namesOf(address: string): string[] {
    return [...(this.#addresses.get(address) ?? [])].filter((name) => this.has(name, address));
  }

  clear(): void {
    this.#names.clear();
    this.#addresses.clear();
  }

  #namesOf(address: string): Set<string> {
    const names = this.#addresses.get(address) ?? new Set<string>();
    this.#addresses.set(address, names);
    return names;
  }

  #forgetName(name: string): void {
    for (const address of [...(this.#names.get(name)?.keys() ?? [])]) this.#forget(name, address);
  }

  #forget(name: string, address: string): void {
    const known = this.#names.get(name);
    known?.delete(address);
    if (known?.size === 0) this.#names.delete(name);
    const names = this.#addresses.get(address);
    names?.delete(name);
    if (names?.size === 0) this.#addresses.delete(address);
  }
}
