/** wasi:clocks, wasi:random. */
import type { HostState } from './host-state.ts';
import { Pollable } from './poll.ts';

const SECOND = 1_000_000_000n;
const RANDOM_MAX = 2 ** 24;
const FILLED_AT_ONCE = 2 ** 16;

export interface Datetime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

export function datetime(nanoseconds: bigint): Datetime {
  return { seconds: nanoseconds / SECOND, nanoseconds: Number(nanoseconds % SECOND) };
}

export function nanosecondsOf({ seconds, nanoseconds }: Datetime): bigint {
  return BigInt.asUintN(64, seconds * SECOND + BigInt(nanoseconds));
}

export function clockInterfaces(state: HostState) {
  const { clock } = state;
  const now = (): bigint => clock.now('monotonic') ?? 0n;
  return {
    'wasi:clocks/monotonic-clock': {
      now,
      resolution: () => clock.resolution('monotonic'),
      subscribeInstant: (when: bigint) => new Pollable(state, when),
      subscribeDuration: (length: bigint) => new Pollable(state, now() + length),
    },
    'wasi:clocks/wall-clock': {
      now: () => datetime(clock.now('realtime') ?? 0n),
      resolution: () => datetime(clock.resolution('realtime')),
    },
  };
}

export function randomInterfaces(state: HostState) {
  const bytes = (length: bigint): Uint8Array => {
    if (length > BigInt(RANDOM_MAX)) throw new RangeError(`${length} random bytes at once`);
    state.charge(Number(length));
    const filled = new Uint8Array(Number(length));
    for (let at = 0; at < filled.length; at += FILLED_AT_ONCE) {
      state.random(filled.subarray(at, at + FILLED_AT_ONCE));
    }
    return filled;
  };
  const number = (): bigint => new DataView(bytes(8n).buffer).getBigUint64(0, true);
  return {
    'wasi:random/random': { getRandomBytes: bytes, getRandomU64: number },
    'wasi:random/insecure': { getInsecureRandomBytes: bytes, getInsecureRandomU64: number },
    'wasi:random/insecure-seed': { insecureSeed: () => [number(), number()] },
  };
}
