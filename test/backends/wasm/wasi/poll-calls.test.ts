/** poll_oneoff. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock, virtualClock } from '../../../../src/backends/wasm/wasi/clock.ts';
import { file } from '../../../../src/backends/wasm/wasi/tree.ts';
import { type ErrnoName, errorName, Guest, ROOT } from './guest.ts';

type Subscription =
  | { clock: number; timeout: bigint; flags?: number }
  | { read: number }
  | { write: number }
  | { type: number };

interface Event {
  userdata: bigint;
  error: ErrnoName;
  type: number;
  bytes: bigint;
}

function poll(guest: Guest, ...subscriptions: Subscription[]): Event[] | ErrnoName {
  const at = guest.room(subscriptions.length * 48);
  for (const [index, each] of subscriptions.entries()) {
    const to = at + index * 48;
    const { view } = guest;
    view.setBigUint64(to, BigInt(index + 1) * 1000n, true);
    if ('clock' in each) {
      view.setUint32(to + 16, each.clock, true);
      view.setBigUint64(to + 24, each.timeout, true);
      view.setUint16(to + 40, each.flags ?? 0, true);
    } else {
      const type = 'read' in each ? 1 : 'write' in each ? 2 : each.type;
      view.setUint8(to + 8, type);
      view.setUint32(to + 16, 'read' in each ? each.read : 'write' in each ? each.write : 0, true);
    }
  }
  const [out, result] = [guest.room(subscriptions.length * 32), guest.room(4)];
  guest.bytes(out, subscriptions.length * 32).fill(0xee);
  const error = guest.call('poll_oneoff', at, out, subscriptions.length, result);
  if (error !== 'success') return error;
  return Array.from({ length: guest.u32(result) }, (_, index) => {
    const from = out + index * 32;
    return {
      userdata: guest.u64(from),
      error: errorName(guest.view.getUint16(from + 8, true)),
      type: guest.view.getUint8(from + 10),
      bytes: guest.u64(from + 16),
    };
  });
}

const told = (events: Event[] | ErrnoName) =>
  typeof events === 'string' ? events : events.map(({ userdata, error }) => `${userdata} ${error}`);

function withSleeps() {
  const clock = virtualClock({ startNs: 1_000_000n, stepNs: 0n });
  const slept: bigint[] = [];
  const sleep = (nanoseconds: bigint) => {
    slept.push(nanoseconds);
    clock.sleep(nanoseconds);
  };
  return { clock: { ...clock, sleep }, slept };
}

describe('clocks', () => {
  test('the first timer that runs out is waited for, and those that run out with it are told', () => {
    const { clock, slept } = withSleeps();
    const guest = new Guest({ clock });
    const events = poll(
      guest,
      { clock: 1, timeout: 500n },
      { clock: 1, timeout: 200n },
      { clock: 0, timeout: 200n },
    );
    assert.deepEqual(told(events), ['2000 success', '3000 success']);
    assert.deepEqual(slept, [200n]);
  });

  test('an absolute time is waited for from now on, and one that has passed not at all', () => {
    const { clock, slept } = withSleeps();
    const guest = new Guest({ clock });
    assert.deepEqual(told(poll(guest, { clock: 0, timeout: 1_000_300n, flags: 1 })), [
      '1000 success',
    ]);
    assert.deepEqual(told(poll(guest, { clock: 0, timeout: 5n, flags: 1 })), ['1000 success']);
    assert.deepEqual(slept, [300n, 0n]);
  });

  test('sleeping on the clock of the system takes that long', () => {
    const guest = new Guest({ clock: systemClock() });
    const start = process.hrtime.bigint();
    assert.deepEqual(told(poll(guest, { clock: 1, timeout: 30_000_000n })), ['1000 success']);
    assert.ok(process.hrtime.bigint() - start >= 30_000_000n);
  });

  test('what cannot be waited for is told as an event', () => {
    const guest = new Guest({ clock: withSleeps().clock });
    assert.deepEqual(
      told(
        poll(
          guest,
          { clock: 9, timeout: 1n },
          { clock: 2, timeout: 1n },
          { clock: 1, timeout: 1n, flags: 2 },
        ),
      ),
      ['1000 inval', '2000 notsup', '3000 inval'],
    );
  });
});

describe('descriptors', () => {
  test('files are always ready, with what is left to read', () => {
    const guest = Guest.in({ a: file('12345') });
    const fd = guest.fd('a');
    guest.read(fd, 2);
    const events = poll(guest, { read: fd }, { write: fd }, { write: 1 });
    assert.deepEqual(told(events), ['1000 success', '2000 success', '3000 success']);
    assert.ok(Array.isArray(events));
    assert.deepEqual(
      events.map(({ type }) => type),
      [1, 2, 2],
    );
    assert.equal(events[0]?.bytes, 3n);
  });

  test('what cannot be polled is told as an event', () => {
    const guest = Guest.in({ a: file('') });
    const bare = guest.fd('a', { rights: 0n });
    const events = poll(guest, { read: 77 }, { read: ROOT }, { read: bare }, { write: 0 });
    assert.deepEqual(told(events), [
      '1000 badf',
      '2000 isdir',
      '3000 notcapable',
      '4000 notcapable',
    ]);
  });

  test('a timer beside something that is ready does not hold it up', () => {
    const { clock, slept } = withSleeps();
    const guest = new Guest({ clock });
    const events = poll(
      guest,
      { clock: 1, timeout: 10n ** 15n },
      { write: 1 },
      { clock: 1, timeout: 0n },
    );
    assert.deepEqual(told(events), ['2000 success', '3000 success']);
    assert.deepEqual(slept, []);
  });

  test('standard input is waited for, at most until a timer runs out', () => {
    const waits: (bigint | undefined)[] = [];
    let there = false;
    const stdin = {
      read: () => undefined,
      wait: (nanoseconds: bigint | undefined) => {
        waits.push(nanoseconds);
        return there && nanoseconds !== 0n;
      },
    };
    const guest = new Guest({ stdin, clock: withSleeps().clock });
    assert.deepEqual(told(poll(guest, { read: 0 }, { clock: 1, timeout: 50n })), ['2000 success']);
    there = true;
    assert.deepEqual(told(poll(guest, { read: 0 }, { clock: 1, timeout: 50n })), ['1000 success']);
    assert.deepEqual(told(poll(guest, { read: 0 })), ['1000 success']);
    assert.deepEqual(waits, [0n, 50n, 0n, 50n, 0n, undefined]);
  });

  test('input that was handed in as bytes is ready, at its end too', () => {
    const guest = new Guest({ stdin: new Uint8Array(3) });
    const events = poll(guest, { read: 0 });
    assert.equal(Array.isArray(events) && events[0]?.bytes, 3n);
    guest.read(0);
    assert.deepEqual(told(poll(guest, { read: 0 })), ['1000 success']);
  });
});

describe('bad input', () => {
  test('no subscription, an unknown kind and too many are EINVAL', () => {
    const guest = new Guest({ limits: { subscriptions: 3 } });
    assert.equal(guest.call('poll_oneoff', 0, 0, 0, 0), 'inval');
    assert.equal(poll(guest, { type: 3 }), 'inval');
    assert.equal(poll(guest, { type: 255 }), 'inval');
    assert.equal(guest.call('poll_oneoff', 0, 0, 4, 0), 'inval');
    assert.equal(guest.call('poll_oneoff', 0, 0, 1_000_000_000, 0), 'inval');
  });

  test('all of both arrays must lie inside', () => {
    const guest = new Guest();
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('poll_oneoff', end - 47, 0, 1, 0), 'fault');
    assert.equal(guest.call('poll_oneoff', 0, end - 31, 1, 0), 'fault');
    assert.equal(guest.call('poll_oneoff', 0, 0, 1, end - 3), 'fault');
    assert.equal(guest.call('poll_oneoff', 0xffffffff, 0xffffffff, 1024, 0), 'fault');
  });

  test('events may be written over their subscriptions', () => {
    const guest = new Guest();
    const at = guest.room(96);
    for (const index of [0, 1]) {
      guest.view.setBigUint64(at + index * 48, BigInt(index + 7), true);
      guest.view.setUint8(at + index * 48 + 8, 2);
      guest.view.setUint32(at + index * 48 + 16, 1 + index, true);
    }
    const result = guest.room(4);
    assert.equal(guest.call('poll_oneoff', at, at, 2, result), 'success');
    assert.deepEqual([guest.u64(at), guest.u64(at + 32)], [7n, 8n]);
  });
});
