/**
 * What was decided, on its way to the library. The guest can ask a hundred thousand times a second, so equal decisions
 * are folded: the first is told at once, the others are counted.
 */
export interface NetworkDecision {
  /** A name, `host:port/tcp`, or `GET http://host/path`. */
  readonly target: string;
  readonly allowed: boolean;
  /** Clause of the policy, such as `network.allow: pypi.org:443`. */
  readonly rule: string;
  /** One line for a person or a model: what, why, and where refused what to ask for instead. */
  readonly reason: string;
  /** How often since it was last told. */
  readonly count: number;
  /** `kind`: `name`, `connection` or `request`; where they are known `name`, `address`, `port`, `by`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Different decisions between two flushes; more are told as one. */
const KEPT_MAX = 1024;
const FLUSH_MS = 250;

export class DecisionLog {
  readonly #tell: (decision: NetworkDecision) => void;
  readonly #repeated = new Map<string, { decision: NetworkDecision; count: number }>();
  #beyond = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (decision: NetworkDecision) => void) {
    this.#tell = tell;
  }

  add(decision: Omit<NetworkDecision, 'count'>): void {
    const key = `${decision.allowed} ${decision.target}\n${decision.reason}`;
    const known = this.#repeated.get(key);
    if (known !== undefined) known.count++;
    else if (this.#repeated.size >= KEPT_MAX) this.#beyond++;
    else {
      const first = { ...decision, count: 1 };
      this.#repeated.set(key, { decision: first, count: 0 });
      this.#tell(first);
    }
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { decision, count } of this.#repeated.values()) {
      if (count > 0) this.#tell({ ...decision, count });
    }
    this.#repeated.clear();
    if (this.#beyond === 0) return;
    this.#tell({
      target: '*',
      allowed: false,
      rule: 'network',
      reason: `${this.#beyond} more decisions in ${FLUSH_MS} ms are not told one by one`,
      count: this.#beyond,
      details: {},
    });
    this.#beyond = 0;
  }
}
