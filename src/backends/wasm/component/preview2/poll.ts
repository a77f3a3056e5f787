/** wasi:io/poll. All but timers are ready from the start: reads and writes do not wait for anybody. */
import { HostResource, type HostState } from './host-state.ts';

export class Pollable extends HostResource {
  /** Nanoseconds of the monotonic clock. */
  readonly deadline: bigint | undefined;

  constructor(state: HostState, deadline?: bigint) {
    super(state);
    this.deadline = deadline;
  }

  ready(): boolean {
    return this.deadline === undefined || now(this.state) >= this.deadline;
  }

  block(): void {
    if (this.deadline === undefined) return;
    const left = this.deadline - now(this.state);
    if (left > 0n) this.state.clock.sleep(left);
  }
}

/** Waits for the first of them. @returns which are ready */
export function poll(state: HostState, pollables: readonly Pollable[]): Uint32Array {
  if (pollables.length === 0) throw new RangeError('a poll of nothing never ends');
  if (pollables.length > state.limits.subscriptions) {
    throw new RangeError(`a poll of more than ${state.limits.subscriptions}`);
  }
  state.charge(pollables.length);
  const ready = (): number[] =>
    pollables.flatMap((pollable, index) => (pollable.ready() ? [index] : []));
  const found = ready();
  if (found.length > 0) return Uint32Array.from(found);
  const first = indexOfFirst(pollables);
  pollables[first]?.block();
  // Sleeping took it there, however coarse the clock is.
  const awake = ready();
  return Uint32Array.from(awake.length === 0 ? [first] : awake);
}

function indexOfFirst(pollables: readonly Pollable[]): number {
  let first = 0;
  for (const [index, { deadline = 0n }] of pollables.entries()) {
    if (deadline < (pollables[first]?.deadline ?? 0n)) first = index;
  }
  return first;
}

function now({ clock }: HostState): bigint {
  return clock.now('monotonic') ?? 0n;
}
