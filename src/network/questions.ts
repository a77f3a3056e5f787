/**
 * Destinations that no rule decides, put to whoever can answer. Silence is a no.
 */
import { formatDestination } from '../policy/destination.ts';
import type { Destination, NetworkPolicy } from '../policy/policy.ts';
import { TokenBucket } from './token-bucket.ts';

export interface NetworkQuestion {
  /** What the guest asked for: a name, or `host:port`. */
  readonly target: string;
  /** The rule that a yes stands for, as it would be written under `allow`. */
  readonly destination: string;
  readonly reason: string;
}

export interface NetworkAnswer {
  readonly allow: boolean;
  /** For the life of the sandbox; otherwise for a minute. */
  readonly remember?: boolean;
}

/** @returns Undefined: nobody answered. */
export type Ask = (question: NetworkQuestion) => Promise<NetworkAnswer | undefined>;

const PENDING_MAX = 16;
/** A second, on average: whoever answers is not to be worn down. Beyond, it is a no. */
const RATE = 4;
const BURST = 256;
const KEPT_MS = 60_000;
const KEPT_MAX = 1024;

interface Answered {
  readonly rule: Destination;
  readonly allow: boolean;
  readonly untilMs: number;
}

interface Extended {
  readonly from: NetworkPolicy;
  readonly granted: readonly Destination[];
  readonly policy: NetworkPolicy;
}

export class Questions {
  readonly #ask: Ask;
  readonly #answered = new Map<string, Answered>();
  readonly #pending = new Map<string, Promise<boolean>>();
  readonly #puts = new TokenBucket(RATE, BURST);
  #extended: Extended | undefined;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The policy with what was answered yes: one and the same value for as long as nothing of it changes. */
  extend(policy: NetworkPolicy): NetworkPolicy {
    if (this.#answered.size === 0) return policy;
    const nowMs = performance.now();
    const granted = [...this.#answered.values()]
      .filter(({ allow, untilMs }) => allow && untilMs > nowMs)
      .map(({ rule }) => rule);
    if (granted.length === 0) return policy;
    const last = this.#extended;
    if (last?.from === policy && isSame(last.granted, granted)) return last.policy;
    const extended = { ...policy, allow: [...policy.allow, ...granted] };
    this.#extended = { from: policy, granted, policy: extended };
    return extended;
  }

  /** Whether the rule was granted, now or before. */
  async put(target: string, rule: Destination, reason: string): Promise<boolean> {
    const destination = formatDestination(rule);
    const known = this.#answered.get(destination);
    if (known !== undefined && known.untilMs > performance.now()) return known.allow;
    const pending = this.#pending.get(destination);
    if (pending !== undefined) return await pending;
    if (this.#pending.size >= PENDING_MAX || !this.#puts.take()) return false;
    const answer = this.#putOnce({ target, destination, reason }, rule);
    this.#pending.set(destination, answer);
    try {
      return await answer;
    } finally {
      this.#pending.delete(destination);
    }
  }

  async #putOnce(question: NetworkQuestion, rule: Destination): Promise<boolean> {
    const answer = await this.#ask(question);
    const allow = answer?.allow === true;
    const untilMs =
      answer?.remember === true ? Number.POSITIVE_INFINITY : performance.now() + KEPT_MS;
    this.#answered.delete(question.destination);
    this.#answered.set(question.destination, { rule, allow, untilMs });
    if (this.#answered.size > KEPT_MAX) {
      this.#answered.delete(this.#answered.keys().next().value ?? '');
    }
    return allow;
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}
