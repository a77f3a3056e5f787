import type { WasiClock } from '../../wasi/clock.ts';
import type { FileSystem } from '../../wasi/file-system.ts';
import type { WasiLimits } from '../../wasi/limits.ts';
import type { RandomSource } from '../../wasi/random-source.ts';

/** Files, directories, streams and timers that a guest holds at the same time. */
const HELD_MAX = 4096;

/** What the interfaces of one guest work on. */
export class HostState {
  readonly files: FileSystem;
  readonly limits: WasiLimits;
  readonly clock: WasiClock;
  readonly random: RandomSource;
  /** Told before work that grows with what the guest asks for, as in preview 1. */
  readonly charge: (units: number) => void;
  #held = 0;

  constructor(parts: Pick<HostState, 'files' | 'limits' | 'clock' | 'random' | 'charge'>) {
    this.files = parts.files;
    this.limits = parts.limits;
    this.clock = parts.clock;
    this.random = parts.random;
    this.charge = parts.charge;
  }

  hold(): void {
    if (++this.#held > HELD_MAX) {
      throw new RangeError(`the component holds more than ${HELD_MAX} files, streams and timers`);
    }
  }

  release(): void {
    this.#held -= 1;
  }
}

/** What a guest holds by a handle. jco's glue disposes of it when the guest drops the handle. */
export abstract class HostResource {
  readonly state: HostState;
  #dropped = false;

  constructor(state: HostState) {
    state.hold();
    this.state = state;
  }

  [Symbol.dispose](): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.state.release();
    this.dropped();
  }

  /** For what is to be given back. */
  protected dropped(): void {}
}
