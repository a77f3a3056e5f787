/**
 * The two clocks of a manager. The wall clock is for people alone: whoever sets it back or forth changes what is shown and
 * nothing else.
 */
export interface Clock {
  /** CLOCK_MONOTONIC in ms: one and the same for all processes since boot, never set. */
  monotonicMs(): number;
  /** Unix ms. */
  wallMs(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wallMs: Date.now,
};
