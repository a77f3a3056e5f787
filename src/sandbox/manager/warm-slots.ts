/**
 * How many sandboxes are kept ready for which kinds: what was asked for lately shares the slots out.
 */
export interface WarmKind {
  readonly key: string;
  /** Keeps that many ready from now on. */
  readonly keepReady: (slots: number) => Promise<void>;
}

interface Wanted {
  readonly kind: WarmKind;
  demand: number;
  slots: number;
}

/** Each look halves what was: a kind that is not asked for any more is forgotten after some ten looks. */
const DECAY = 0.5;
const LEAST = 1 / 1024;
const LOOK_EVERY_MS = 1000;

export class WarmSlots {
  readonly #budget: number;
  readonly #wanted = new Map<string, Wanted>();
  #timer: NodeJS.Timeout | undefined;

  /** @param budget slots of all kinds together; 0: none are kept */
  constructor(budget: number) {
    this.#budget = budget;
  }

  want(kind: WarmKind): void {
    if (this.#budget === 0) return;
    const known = this.#wanted.get(kind.key);
    if (known === undefined) {
      this.#wanted.set(kind.key, { kind, demand: 1, slots: 0 });
      this.#share();
    } else known.demand++;
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const each of this.#wanted.values()) resize(each, 0);
    this.#wanted.clear();
  }

  #look(): void {
    this.#share();
    for (const [key, each] of this.#wanted) {
      each.demand *= DECAY;
      if (each.demand >= LEAST) continue;
      resize(each, 0);
      this.#wanted.delete(key);
    }
    if (this.#wanted.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #share(): void {
    const shares = shareSlots(
      [...this.#wanted.values()].map(({ demand }) => demand),
      this.#budget,
    );
    [...this.#wanted.values()].forEach((each, i) => {
      resize(each, shares[i] ?? 0);
    });
  }
}

function resize(each: Wanted, slots: number): void {
  if (each.slots === slots) return;
  each.slots = slots;
  // A kind that cannot be made says so to whoever runs it.
  each.kind.keepReady(slots).catch(() => {});
}

/** In proportion, by largest remainder; the sum is the budget, or 0 where nothing is asked for. */
export function shareSlots(demands: readonly number[], budget: number): number[] {
  const total = demands.reduce((sum, demand) => sum + demand, 0);
  if (total === 0) return demands.map(() => 0);
  const exact = demands.map((demand) => (demand / total) * budget);
  const shares = exact.map(Math.floor);
  const left = budget - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = exact
    .map((value, i) => ({ i, rest: value - Math.floor(value) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (const { i } of byRemainder.slice(0, left)) shares[i] = (shares[i] ?? 0) + 1;
  return shares;
}
