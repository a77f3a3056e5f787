/**
 * Unix time in nanoseconds that never goes back inside a log: the wall clock where it was read first, and the
 * monotonic clock from there (clock_gettime(2)). Where the wall clock was set since, that is told, to be recorded.
 */

/** Less than this is what time daemons slew, and no news. */
const STEP_NS = 1_000_000_000n;

export interface ClockSource {
  /** Nanoseconds of the wall clock since 1970. */
  readonly wall: () => bigint;
  /** Nanoseconds of a clock that nobody can set. */
  readonly monotonic: () => bigint;
}

export interface ClockStep {
  /** What the wall clock says, and what the log goes on with; nanoseconds. */
  readonly wall: bigint;
  readonly log: bigint;
}

const machine: ClockSource = {
  wall: () => BigInt(Date.now()) * 1_000_000n,
  monotonic: () => process.hrtime.bigint(),
};

export class AuditClock {
  readonly #source: ClockSource;
  /** Log time minus monotonic time. */
  #offset: bigint;
  /** Wall time minus monotonic time, as it was last recorded. */
  #known: bigint;
  #last: bigint;

  /** @param last time of the last record that the log has, nanoseconds */
  constructor(last = 0n, source: ClockSource = machine) {
    this.#source = source;
    this.#last = last;
    this.#known = source.wall() - source.monotonic();
    this.#offset = this.#known;
    // A log from the future goes on from there.
    if (source.monotonic() + this.#offset < last) this.#offset = last - source.monotonic();
  }

  /** Later than every time before it. */
  now(): bigint {
    const now = this.#source.monotonic() + this.#offset;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return this.#last;
  }

  /** How far the wall clock is behind the log as it is opened; recorded once. */
  behind(): ClockStep | undefined {
    const [wall, log] = [this.#source.wall(), this.#source.monotonic() + this.#offset];
    return log - wall > STEP_NS ? { wall, log } : undefined;
  }

  /** What the wall clock was set to since it was asked last; set forward, the log follows, set back it does not. */
  step(): ClockStep | undefined {
    const monotonic = this.#source.monotonic();
    const wall = this.#source.wall();
    const drift = wall - monotonic - this.#known;
    if (drift < STEP_NS && drift > -STEP_NS) return undefined;
    this.#known = wall - monotonic;
    if (this.#known > this.#offset) this.#offset = this.#known;
    return { wall, log: monotonic + this.#offset };
  }
}
