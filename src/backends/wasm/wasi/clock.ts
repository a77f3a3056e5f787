/** The clocks that a guest can name. Source: typenames.witx, `$clockid`. */
export const clockNames = ['realtime', 'monotonic', 'process-cpu', 'thread-cpu'] as const;
export type ClockName = (typeof clockNames)[number];

/** Times are nanoseconds; realtime counts from 1970. */
export interface WasiClock {
  /** Undefined for a clock that the guest shall not have: it gets EINVAL. */
  now(clock: ClockName): bigint | undefined;
  /** How coarse that clock is; at least 1. */
  resolution(clock: ClockName): bigint;
  /** Returns when that much time has gone by, blocking the thread. */
  sleep(nanoseconds: bigint): void;
}

export interface SystemClockOptions {
  /** Times are rounded down to multiples of this many nanoseconds, against timing side channels; default 1. */
  readonly resolutionNs?: bigint;
  /** Whether the guest may read the CPU time of its host process; default false. */
  readonly cpuTime?: boolean;
}

const LONGEST_WAIT_MS = 2 ** 30;

/** The clocks of this machine. The monotonic one and CPU time start at 0 with the guest, so that they tell nothing of the host. */
export function systemClock(options: SystemClockOptions = {}): WasiClock {
  const resolutionNs = options.resolutionNs ?? 1n;
  const start = process.hrtime.bigint();
  const cpuStart = options.cpuTime ? process.cpuUsage() : undefined;
  const never = new Int32Array(new SharedArrayBuffer(4));
  const exact = (clock: ClockName): bigint | undefined => {
    if (clock === 'realtime') return BigInt(Date.now()) * 1_000_000n;
    if (clock === 'monotonic') return process.hrtime.bigint() - start;
    if (cpuStart === undefined) return undefined;
    const { user, system } = process.cpuUsage(cpuStart);
    return BigInt(user + system) * 1000n;
  };
  return {
    now(clock) {
      const time = exact(clock);
      return time === undefined ? undefined : time - (time % resolutionNs);
    },
    resolution: (clock) => {
      const own = clock === 'realtime' ? 1_000_000n : clock === 'monotonic' ? 1n : 1000n;
      return own > resolutionNs ? own : resolutionNs;
    },
    sleep(nanoseconds) {
      const until = process.hrtime.bigint() + nanoseconds;
      for (;;) {
        const left = until - process.hrtime.bigint();
        if (left <= 0n) return;
        const milliseconds = Number(left) / 1e6;
        Atomics.wait(never, 0, 0, Math.min(milliseconds, LONGEST_WAIT_MS));
      }
    },
  };
}

export interface VirtualClockOptions {
  /** What realtime starts at; default 0, the first second of 1970. */
  readonly startNs?: bigint;
  /** How far every look at a clock moves all of them on; default 1,000. With 0 time stands still but for sleeping. */
  readonly stepNs?: bigint;
}

/** A time of its own: the same calls see the same times, and sleeping takes none. */
export function virtualClock(options: VirtualClockOptions = {}): WasiClock {
  const startNs = options.startNs ?? 0n;
  const stepNs = options.stepNs ?? 1000n;
  let elapsed = 0n;
  return {
    now(clock) {
      const time = clock === 'realtime' ? startNs + elapsed : elapsed;
      elapsed += stepNs;
      return BigInt.asUintN(64, time);
    },
    resolution: () => (stepNs > 0n ? stepNs : 1n),
    sleep(nanoseconds) {
      elapsed += nanoseconds;
    },
  };
}
