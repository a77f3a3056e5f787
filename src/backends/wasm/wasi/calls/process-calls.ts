import { type ClockName, clockNames } from '../clock.ts';
import { errno } from '../errno.ts';
import { GuestUnwinding, signalByNumber } from '../exit.ts';
import type { GuestState } from '../guest-state.ts';
import { callOut } from '../host-fault.ts';
import type { WasiCalls } from '../signatures.ts';

type Calls = Pick<
  WasiCalls,
  | 'args_get'
  | 'args_sizes_get'
  | 'environ_get'
  | 'environ_sizes_get'
  | 'clock_res_get'
  | 'clock_time_get'
  | 'random_get'
  | 'sched_yield'
  | 'proc_exit'
  | 'proc_raise'
>;

/** Web Crypto fills no more at once, and a source may be one of its kind. */
const RANDOM_CHUNK_BYTES = 65_536;

/** What a guest is told about itself and about time, chance, and its own end. */
export function processCalls(state: GuestState): Calls {
  const { memory, clock } = state;

  const writeStrings = (strings: readonly Uint8Array[], pointers: number, text: number): number => {
    const length = totalLength(strings);
    if (!memory.holds(pointers, strings.length * 4) || !memory.holds(text, length)) {
      return errno.fault;
    }
    state.charge(length + strings.length);
    let at = text;
    for (const [index, string] of strings.entries()) {
      memory.setU32(pointers + index * 4, at);
      memory.bytes(at, string.length).set(string);
      at += string.length;
    }
    return errno.success;
  };

  const writeSizes = (strings: readonly Uint8Array[], count: number, length: number): number => {
    if (!memory.holds(count, 4) || !memory.holds(length, 4)) return errno.fault;
    memory.setU32(count, strings.length);
    memory.setU32(length, totalLength(strings));
    return errno.success;
  };

  const writeTime = (time: bigint | undefined, address: number): number => {
    if (time === undefined) return errno.inval;
    if (!memory.holds(address, 8)) return errno.fault;
    memory.setU64(address, time);
    return errno.success;
  };

  const named = (id: number): ClockName | undefined => clockNames[id];

  return {
    args_get: (argv, text) => writeStrings(state.args, argv, text),
    args_sizes_get: (count, length) => writeSizes(state.args, count, length),
    environ_get: (environ, text) => writeStrings(state.env, environ, text),
    environ_sizes_get: (count, length) => writeSizes(state.env, count, length),

    clock_res_get(id, address) {
      const name = named(id);
      const has = name !== undefined && clock.now(name) !== undefined;
      return writeTime(has ? clock.resolution(name) : undefined, address);
    },
    clock_time_get(id, _precision, address) {
      const name = named(id);
      return writeTime(name && clock.now(name), address);
    },

    random_get(address, length) {
      if (!memory.holds(address, length)) return errno.fault;
      state.charge(length);
      for (let done = 0; done < length; done += RANDOM_CHUNK_BYTES) {
        const chunk = memory.bytes(address + done, Math.min(RANDOM_CHUNK_BYTES, length - done));
        callOut(() => state.random(chunk));
      }
      return errno.success;
    },

    sched_yield: () => errno.success,

    proc_exit(code) {
      throw new GuestUnwinding({ kind: 'exited', code });
    },
    proc_raise(number) {
      const signal = signalByNumber(number);
      if (signal === undefined) return errno.inval;
      if (signal.action === 'ends') {
        throw new GuestUnwinding({ kind: 'signaled', signal: signal.name });
      }
      // Nothing outside could let a stopped guest go on.
      return signal.action === 'stops' ? errno.notsup : errno.success;
    },
  };
}

function totalLength(strings: readonly Uint8Array[]): number {
  return strings.reduce((sum, { length }) => sum + length, 0);
}
