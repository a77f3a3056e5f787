import { type ClockName, clockNames } from '../clock.ts';
import { type Errno, errno } from '../errno.ts';
import { type GuestState, lacks } from '../guest-state.ts';
import { right } from '../rights.ts';
import type { WasiCalls } from '../signatures.ts';
import type { InputStream } from '../streams.ts';

/** Source of the layouts: typenames.witx, `$subscription` and `$event`. */
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const CLOCK = 0;
const READ = 1;
const WRITE = 2;
const ABSOLUTE_TIME = 1;

interface Event {
  readonly userdata: bigint;
  readonly type: number;
  readonly error: Errno;
  readonly bytes: number;
}

interface Timer {
  readonly userdata: bigint;
  /** Nanoseconds from the start of the poll. */
  readonly after: bigint;
}

/** Reading of standard input that is not there yet. */
interface Waiting {
  readonly userdata: bigint;
  readonly stream: InputStream;
}

interface Subscribed {
  readonly events: Event[];
  readonly timers: Timer[];
  readonly waiting: Waiting[];
}

/** Waits for time or for standard input. Everything else is ready at any time, since nothing else can block. */
export function pollCalls(state: GuestState): Pick<WasiCalls, 'poll_oneoff'> {
  const { memory, clock, descriptors } = state;

  const timer = (userdata: bigint, at: number, to: Subscribed): void => {
    const name = clockNames[memory.u32(at + 16)];
    const timeout = memory.u64(at + 24);
    const flags = memory.u16(at + 40);
    const error = clockError(name, flags);
    const now = error === errno.success && name !== undefined ? clock.now(name) : undefined;
    if (now === undefined) {
      to.events.push({ userdata, type: CLOCK, error: error || errno.inval, bytes: 0 });
      return;
    }
    const after = flags & ABSOLUTE_TIME ? timeout - now : timeout;
    to.timers.push({ userdata, after: after > 0n ? after : 0n });
  };

  const descriptorEvent = (userdata: bigint, type: number, fd: number, to: Subscribed): void => {
    const tell = (error: Errno, bytes = 0): void => {
      to.events.push({ userdata, type, error, bytes });
    };
    const descriptor = descriptors.get(fd);
    const needed = right.pollFdReadwrite | (type === READ ? right.fdRead : right.fdWrite);
    if (descriptor === undefined) tell(errno.badf);
    else if (descriptor.kind === 'directory') tell(errno.isdir);
    else if (lacks(descriptor.base, needed)) tell(errno.notcapable);
    else if (descriptor.kind === 'file') {
      tell(errno.success, Math.max(0, descriptor.node.content.size - descriptor.offset));
    } else if (descriptor.stream.kind === 'output') {
      tell(errno.success, Math.min(descriptor.stream.room, state.limits.transferBytes));
    } else if (descriptor.stream.wait(0n)) {
      tell(errno.success, descriptor.stream.available);
    } else {
      to.waiting.push({ userdata, stream: descriptor.stream });
    }
  };

  const subscribe = (subscriptions: number, count: number): Subscribed | Errno => {
    const subscribed: Subscribed = { events: [], timers: [], waiting: [] };
    for (let index = 0; index < count; index++) {
      const at = subscriptions + index * SUBSCRIPTION_BYTES;
      const userdata = memory.u64(at);
      const type = memory.u8(at + 8);
      if (type === CLOCK) timer(userdata, at, subscribed);
      else if (type === READ || type === WRITE) {
        descriptorEvent(userdata, type, memory.u32(at + 16), subscribed);
      } else return errno.inval;
    }
    return subscribed;
  };

  /** @returns how long it was waited for, as far as timers are concerned */
  const wait = (subscribed: Subscribed): bigint => {
    const { events, timers, waiting } = subscribed;
    if (events.length > 0) return 0n;
    const first = timers.reduce<bigint | undefined>(
      (least, { after }) => (least === undefined || after < least ? after : least),
      undefined,
    );
    const input = waiting[0];
    if (input === undefined) {
      if (first !== undefined) clock.sleep(first);
      return first ?? 0n;
    }
    if (!input.stream.wait(first)) return first ?? 0n;
    for (const { userdata, stream } of waiting) {
      events.push({ userdata, type: READ, error: errno.success, bytes: stream.available });
    }
    return 0n;
  };

  return {
    poll_oneoff(subscriptions, out, count, result) {
      if (count === 0 || count > state.limits.subscriptions) return errno.inval;
      const inside =
        memory.holds(subscriptions, count * SUBSCRIPTION_BYTES) &&
        memory.holds(out, count * EVENT_BYTES) &&
        memory.holds(result, 4);
      if (!inside) return errno.fault;
      state.charge(count * SUBSCRIPTION_BYTES);
      const subscribed = subscribe(subscriptions, count);
      if (typeof subscribed === 'number') return subscribed;
      const waited = wait(subscribed);
      for (const { userdata, after } of subscribed.timers) {
        if (after > waited) continue;
        subscribed.events.push({ userdata, type: CLOCK, error: errno.success, bytes: 0 });
      }
      for (const [index, event] of subscribed.events.entries()) {
        const at = out + index * EVENT_BYTES;
        memory.bytes(at, EVENT_BYTES).fill(0);
        memory.setU64(at, event.userdata);
        memory.setU16(at + 8, event.error);
        memory.setU8(at + 10, event.type);
        memory.setU64(at + 16, BigInt(event.bytes));
      }
      memory.setU32(result, subscribed.events.length);
      return errno.success;
    },
  };
}

function clockError(name: ClockName | undefined, flags: number): Errno {
  if (name === undefined || lacks(ABSOLUTE_TIME, flags)) return errno.inval;
  // How long until CPU time has been used depends on what the guest does, and it would do nothing.
  return name === 'realtime' || name === 'monotonic' ? errno.success : errno.notsup;
}
