/** args_*, environ_*, clock_*, random_get, sched_yield, proc_exit, proc_raise. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock, virtualClock } from '../../../../src/backends/wasm/wasi/clock.ts';
import { seededRandom, systemRandom } from '../../../../src/backends/wasm/wasi/random-source.ts';
import { Guest } from './guest.ts';

const args = ['prog', 'a b', 'ünï', ''];
const env = { HOME: '/', EMPTY: '', EQUALS: 'a=b' };

for (const [get, sizes, strings] of [
  ['args_get', 'args_sizes_get', args],
  ['environ_get', 'environ_sizes_get', ['HOME=/', 'EMPTY=', 'EQUALS=a=b']],
] as const) {
  test(`${sizes} and ${get} give the strings, each ended by NUL`, () => {
    const guest = new Guest({ args, env });
    const [count, length] = [guest.room(4), guest.room(4)];
    assert.equal(guest.call(sizes, count, length), 'success');
    assert.equal(guest.u32(count), strings.length);
    const total = guest.u32(length);
    assert.equal(total, new TextEncoder().encode(strings.join('\0')).length + 1);

    const [pointers, text] = [guest.room(strings.length * 4), guest.room(total + 1)];
    guest.bytes(text, total + 1).fill(0xaa);
    assert.equal(guest.call(get, pointers, text), 'success');
    const starts = strings.map((_, index) => guest.u32(pointers + index * 4));
    assert.equal(starts[0], text);
    const read = starts.map((start, index) => {
      const end = starts[index + 1] ?? text + total;
      assert.equal(guest.bytes(end - 1, 1)[0], 0);
      return guest.text(start, end - start - 1);
    });
    assert.deepEqual(read, strings);
    assert.equal(guest.bytes(text + total, 1)[0], 0xaa, 'nothing is written past the end');
  });

  test(`${sizes} and ${get} check their pointers`, () => {
    const guest = new Guest({ args, env });
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call(sizes, end - 3, 0), 'fault');
    assert.equal(guest.call(sizes, 0, 0xffffffff), 'fault');
    assert.equal(guest.call(get, end - 4, 0), 'fault');
    assert.equal(guest.call(get, 0, end - 4), 'fault');
  });
}

test('a guest that was given nothing has no arguments and no environment', () => {
  const guest = new Guest();
  for (const sizes of ['args_sizes_get', 'environ_sizes_get'] as const) {
    const [count, length] = [guest.room(4), guest.room(4)];
    assert.equal(guest.call(sizes, count, length), 'success');
    assert.deepEqual([guest.u32(count), guest.u32(length)], [0, 0]);
  }
});

describe('clocks', () => {
  const read = (guest: Guest, name: 'clock_time_get' | 'clock_res_get', id: number) => {
    const at = guest.room(8);
    const error =
      name === 'clock_time_get' ? guest.call(name, id, 0n, at) : guest.call(name, id, at);
    return error === 'success' ? guest.u64(at) : error;
  };

  test('a virtual clock moves on by its step alone, and starts where it is told', () => {
    const guest = new Guest({ clock: virtualClock({ startNs: 1_000_000n, stepNs: 7n }) });
    assert.equal(read(guest, 'clock_time_get', 0), 1_000_000n);
    assert.equal(read(guest, 'clock_time_get', 0), 1_000_007n);
    assert.equal(read(guest, 'clock_time_get', 1), 14n);
    assert.equal(read(guest, 'clock_res_get', 1), 7n);
  });

  test('the times of the system are rounded down to the resolution that the policy names', () => {
    const guest = new Guest({ clock: systemClock({ resolutionNs: 20_000_000n }) });
    for (const id of [0, 1]) {
      const time = read(guest, 'clock_time_get', id);
      assert.equal(typeof time === 'bigint' && time % 20_000_000n, 0n);
      assert.equal(read(guest, 'clock_res_get', id), 20_000_000n);
    }
    const realtime = read(guest, 'clock_time_get', 0);
    assert.ok(typeof realtime === 'bigint' && realtime > 1_600_000_000_000_000_000n);
  });

  test('CPU time is not there unless it is allowed, and a fifth clock never is', () => {
    const without = new Guest({ clock: systemClock() });
    const having = new Guest({ clock: systemClock({ cpuTime: true }) });
    for (const id of [2, 3]) {
      assert.equal(read(without, 'clock_time_get', id), 'inval');
      assert.equal(read(without, 'clock_res_get', id), 'inval');
      assert.equal(typeof read(having, 'clock_time_get', id), 'bigint');
      assert.notEqual(read(having, 'clock_res_get', id), 0n);
    }
    for (const id of [4, 0xffffffff]) {
      assert.equal(read(having, 'clock_time_get', id), 'inval');
      assert.equal(read(having, 'clock_res_get', id), 'inval');
    }
  });

  test('the monotonic clock never goes back', () => {
    const guest = new Guest({ clock: systemClock() });
    let last = 0n;
    for (let turn = 0; turn < 100; turn++) {
      const now = read(guest, 'clock_time_get', 1);
      assert.ok(typeof now === 'bigint' && now >= last);
      last = now;
    }
  });

  test('their pointers are checked', () => {
    const guest = new Guest();
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('clock_time_get', 0, 0n, end - 7), 'fault');
    assert.equal(guest.call('clock_res_get', 0, end - 7), 'fault');
  });
});

describe('random_get', () => {
  const draw = (guest: Guest, ...lengths: number[]): string =>
    lengths
      .map((length) => {
        const at = guest.room(length);
        assert.equal(guest.call('random_get', at, length), 'success');
        return Buffer.from(guest.bytes(at, length)).toString('hex');
      })
      .join('');

  test('one seed is one stream, however it is cut', () => {
    const seeded = () => new Guest({ random: seededRandom('a seed') });
    const whole = draw(seeded(), 100);
    assert.equal(draw(seeded(), 1, 63, 36), whole);
    assert.notEqual(draw(new Guest({ random: seededRandom('another') }), 100), whole);
    assert.equal(new Set(whole.match(/../g)).size > 40, true);
  });

  test('fills more than 64 KiB, exactly, and nothing for a length of zero', () => {
    const guest = new Guest({ random: systemRandom });
    const length = 2 * 65_536 + 5;
    guest.bytes(65_536, length + 1).fill(0);
    assert.equal(guest.call('random_get', 65_536, length), 'success');
    const filled = guest.bytes(65_536, length);
    for (let at = 0; at < length - 16; at += 16_384) {
      assert.notDeepEqual([...filled.subarray(at, at + 16)], Array(16).fill(0));
    }
    assert.equal(guest.bytes(65_536 + length, 1)[0], 0);
    assert.equal(guest.call('random_get', guest.memory.buffer.byteLength, 0), 'success');
  });

  test('out of bounds it is EFAULT, and nothing is drawn', () => {
    let drawn = 0;
    const guest = new Guest({ random: () => void drawn++ });
    const end = guest.memory.buffer.byteLength;
    assert.equal(guest.call('random_get', end - 4, 5), 'fault');
    assert.equal(guest.call('random_get', 0xffffffff, 0xffffffff), 'fault');
    assert.equal(drawn, 0);
  });
});

test('sched_yield succeeds', () => {
  assert.equal(new Guest().call('sched_yield'), 'success');
});

describe('ending', () => {
  for (const code of [0, 1, 255, 0xffffffff]) {
    test(`proc_exit ${code}`, () => {
      const guest = new Guest();
      const end = guest.host.run(() => guest.raw('proc_exit', code | 0));
      assert.deepEqual(end, { kind: 'exited', code });
    });
  }

  test('proc_raise ends by the signals that end, and by no other', () => {
    const ended = (signal: number) => {
      const guest = new Guest();
      return guest.host.run(() => guest.call('proc_raise', signal));
    };
    assert.deepEqual(ended(6), { kind: 'signaled', signal: 'SIGABRT' });
    assert.deepEqual(ended(9), { kind: 'signaled', signal: 'SIGKILL' });
    assert.deepEqual(ended(30), { kind: 'signaled', signal: 'SIGSYS' });
    for (const ignored of [0, 13, 16, 17, 22, 27]) {
      assert.deepEqual(ended(ignored), { kind: 'returned', value: 'success' });
    }
    for (const stopping of [18, 19, 20, 21]) {
      assert.deepEqual(ended(stopping), { kind: 'returned', value: 'notsup' });
    }
    for (const unknown of [31, 255, 0xffffffff]) {
      assert.deepEqual(ended(unknown), { kind: 'returned', value: 'inval' });
    }
  });
});
