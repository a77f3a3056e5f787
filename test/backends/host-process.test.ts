/**
 * A host process that a guest has made its own says whatever it likes. The library answers every evaluation, lets nothing
 * through but values, ends such a host, and neither throws where nobody catches nor grows.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { serialize } from 'node:v8';
import { hostFrame } from '../../src/backends/host-frames.ts';
import { HostProcess } from '../../src/backends/host-process.ts';
import type { EvaluateHooks, HostEvaluated } from '../../src/backends/program.ts';
import { isCaissonError } from '../../src/core/error.ts';
import { bodyOf, frameOf, HostDouble, job, QUIET, VALUE } from './host-double.ts';

const MiB = 2 ** 20;

/** Nothing may reach nobody: Node ends a process for it. */
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

async function evaluateOn(
  double: HostDouble,
  hooks: EvaluateHooks = QUIET,
): Promise<HostEvaluated | 'not-begun'> {
  const host = new HostProcess(double.guest);
  await host.ready;
  const evaluated = await host.evaluate(job(), hooks);
  await sleep(5);
  assert.deepEqual(unhandled.splice(0), [], 'nothing was thrown at nobody');
  return evaluated;
}

/** It was ended for what it said, and the outcome says so. */
async function refused(
  answer: (host: HostDouble, id: number) => void,
  hooks?: EvaluateHooks,
): Promise<void> {
  const double = HostDouble.answering(answer);
  const evaluated = await evaluateOn(double, hooks);
  assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'ended', JSON.stringify(evaluated));
  assert.equal(evaluated.outcome.kind, 'denied');
  assert.ok(double.isKilled);
}

test('a host that says what hosts say is believed', async () => {
  const double = HostDouble.answering((host, id) => host.result(id, VALUE));
  const evaluated = await evaluateOn(double);
  assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
  assert.equal(evaluated.value, 42);
  assert.ok(!double.isKilled);
});

describe('a host is ended for', () => {
  const result = (host: HostDouble, id: number, changes: object): void =>
    host.result(id, { ...VALUE, ...changes });
  const says: Record<string, (host: HostDouble, id: number) => void> = {
    'a length below that of a header': (host) => host.stdout.write(Buffer.alloc(9)),
    'a length of 4 GiB': (host) => host.stdout.write(Buffer.alloc(9, 0xff)),
    'a length of 18 MiB': (host) => {
      const head = Buffer.alloc(9);
      head.writeUInt32LE(18 * MiB);
      host.stdout.write(head);
    },
    'an unknown type': (host, id) => host.say(99, id, 1),
    'a frame of the library': (host, id) => host.say(hostFrame.EVALUATE, id, {}),
    'a RESULT of another evaluation': (host, id) => host.result(id + 1, VALUE),
    'a RESULT of evaluation 0': (host) => host.result(0, VALUE),
    'a RESULT without a body': (host, id) => host.say(hostFrame.RESULT, id),
    'a RESULT that is null': (host, id) => host.say(hostFrame.RESULT, id, null),
    'a RESULT that is a number': (host, id) => host.say(hostFrame.RESULT, id, 7),
    'a RESULT of no known kind': (host, id) => result(host, id, { kind: 'ended', outcome: {} }),
    'a RESULT killed by nobody': (host, id) => result(host, id, { kind: 'killed' }),
    'time that is no number': (host, id) => result(host, id, { cpuMs: Number.NaN }),
    'negative memory': (host, id) => result(host, id, { memoryBytes: -1 }),
    'memory without end': (host, id) => result(host, id, { memoryBytes: 1 / 0 }),
    'fuel that is no count': (host, id) => result(host, id, { fuel: -1n }),
    'an error with exit code 0': (host, id) =>
      result(host, id, { kind: 'error', code: 0, error: { name: 'a', message: 'b' } }),
    'an exit code that none is': (host, id) =>
      result(host, id, { kind: 'error', code: 1e9, error: { name: 'a', message: 'b' } }),
    'an error without texts': (host, id) =>
      result(host, id, { kind: 'error', code: 1, error: { name: {}, message: 'b' } }),
    'an error at no place': (host, id) =>
      result(host, id, {
        kind: 'error',
        code: 1,
        error: { name: 'a', message: 'b', position: { file: [], line: 1 } },
      }),
    'a clock that there is not': (host, id) =>
      result(host, id, { kind: 'timed-out', clock: 'moon' }),
    'output that was cut by less than nothing': (host, id) =>
      host.result(id, VALUE, { dropped: { stdout: -5 } }),
    'output that was cut by no count': (host, id) =>
      host.result(id, VALUE, { dropped: { stdout: 1e308 } }),
    'a WRITE to no stream': (host, id) =>
      host.say(hostFrame.WRITE, id, { stream: '__proto__', bytes: Buffer.from('a') }),
    'a WRITE of no bytes': (host, id) =>
      host.say(hostFrame.WRITE, id, { stream: 'stdout', bytes: 'text' }),
    'an empty WRITE': (host, id) =>
      host.say(hostFrame.WRITE, id, { stream: 'stdout', bytes: new Uint8Array() }),
    'more output than is let through': (host, id) => {
      for (let i = 0; i < 100; i++)
        host.say(hostFrame.WRITE, id, { stream: 'stdout', bytes: new Uint8Array(11) });
    },
    'a CALL without a name': (host, id) => host.say(hostFrame.CALL, id, { call: 1, args: [] }),
    'a CALL that is null': (host, id) => host.say(hostFrame.CALL, id, null),
    'a CALL whose arguments are no list': (host, id) =>
      host.say(hostFrame.CALL, id, { call: 1, name: 'f', args: { length: 1 } }),
    'a CALL of what was not granted': (host, id) =>
      host.say(hostFrame.CALL, id, { call: 1, name: 'constructor', args: [] }),
    'a CALL twice': (host, id) => {
      for (let i = 0; i < 2; i++) host.say(hostFrame.CALL, id, { call: 1, name: 'f', args: [] });
    },
    'a PONG nobody asked for': (host, id) => host.say(hostFrame.PONG, id),
    'a second READY': (host) => host.say(hostFrame.READY, 0, { listening: true }),
  };
  for (const [name, say] of Object.entries(says)) test(name, () => refused(say));

  test('calls without end', async () => {
    const never: EvaluateHooks = { ...QUIET, call: () => new Promise(() => {}) };
    await refused((host, id) => {
      for (let call = 1; call <= 10_001; call++)
        host.say(hostFrame.CALL, id, { call, name: 'f', args: [] });
    }, never);
  });

  test('calls with more in them than may be open', async () => {
    const never: EvaluateHooks = { ...QUIET, call: () => new Promise(() => {}) };
    await refused((host, id) => {
      for (let call = 1; call <= 4; call++)
        host.say(hostFrame.CALL, id, { call, name: 'f', args: [new Uint8Array(5 * MiB)] });
    }, never);
  });
});

describe('bytes that V8 never wrote', () => {
  const value = serialize({ evaluated: VALUE, spent: false, dropped: {} });
  const bodies: Record<string, Uint8Array> = {
    'none that it knows': Buffer.from([0xff, 0x0f, 0x01]),
    'a header alone': value.subarray(0, 2),
    'half of it': value.subarray(0, value.length / 2),
    'a dense array of 2^32 - 1': tagged('A', 0xffff_ffff),
    'a sparse array of 2^32 - 1': tagged('a', 0xffff_ffff),
    'a buffer of 2^32 - 1': tagged('B', 0xffff_ffff),
    'a buffer that may grow to 2^32 - 1': Buffer.concat([
      Buffer.from([0xff, 0x0f, 0x7e]),
      varint(1),
      varint(0xffff_ffff),
      Buffer.from([0]),
    ]),
    'a string of 2^32 - 1': tagged('"', 0xffff_ffff),
    'a two-byte string of 2^31': tagged('c', 0x8000_0000),
    'a big number of 2^30': tagged('Z', 0x7fff_fffe),
    'shared memory': tagged('u', 0),
    'a transferred buffer': tagged('t', 0),
    'a WebAssembly module': tagged('w', 0),
    'a host object of no type': Buffer.from([0xff, 0x0f, 0x5c, 0x7f, 0x01, 0x00]),
    'a host object past its end': Buffer.concat([
      Buffer.from([0xff, 0x0f, 0x5c, 0x01]),
      varint(0xffff_ffff),
    ]),
    'a reference to nothing': tagged('^', 12),
    'an object that never ends': Buffer.from([0xff, 0x0f, 0x6f]),
    'a depth of 10^6': Buffer.concat([
      Buffer.from([0xff, 0x0f]),
      Buffer.alloc(2_000_000, Buffer.from([0x41, 0x01])),
    ]),
    'an error with odd tags': Buffer.from([0xff, 0x0f, 0x72, 0x45, 0x6d, 0x5c]),
    'a regular expression of 10^6 brackets': Buffer.concat([
      Buffer.from([0xff, 0x0f, 0x52, 0x22]),
      varint(1_000_000),
      Buffer.alloc(1_000_000, '('),
      varint(0),
    ]),
  };
  for (const [name, body] of Object.entries(bodies)) {
    for (const type of [hostFrame.RESULT, hostFrame.CALL, hostFrame.WRITE]) {
      test(`${name}, in a frame of type ${type}`, () =>
        refused((host, id) => host.sayBytes(type, id, body)));
    }
  }

  test('every result with one byte changed is a result or ends the host', async () => {
    for (let at = 0; at < value.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const body = Buffer.from(value);
        body[at] = (body[at] as number) ^ flip;
        const double = HostDouble.answering((host, id) => {
          host.sayBytes(hostFrame.RESULT, id, body);
        });
        const evaluated = await evaluateOn(double);
        assert.ok(evaluated !== 'not-begun');
        assert.ok(['value', 'ended'].includes(evaluated.kind), evaluated.kind);
      }
    }
  });

  test('a prototype is a name like any other', async () => {
    const polluted = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {}}}');
    const double = HostDouble.answering((host, id) => {
      host.say(hostFrame.RESULT, id, {
        ...polluted,
        evaluated: { ...VALUE, value: polluted, ['__proto__']: { kind: 'killed' } },
        dropped: JSON.parse('{"__proto__": {"stdout": 7}}'),
      });
    });
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    assert.deepEqual(Object.keys(evaluated).sort(), [
      'cpuMs',
      'kind',
      'memoryBytes',
      'value',
      'wallMs',
    ]);
  });
});

describe('what comes when it should not', () => {
  test('a second RESULT ends the host, and what waits goes elsewhere', async () => {
    const double = HostDouble.answering((host, id) => {
      if (id > 1) return;
      host.result(id, VALUE);
      host.result(id, VALUE);
    });
    const host = new HostProcess(double.guest);
    await host.ready;
    const [first, second] = await Promise.all([
      host.evaluate(job(), QUIET),
      host.evaluate(job(), QUIET),
    ]);
    assert.ok(first !== 'not-begun' && first.kind === 'value');
    // It has begun by then: nobody knows what it has done.
    assert.ok(second !== 'not-begun' && second.kind === 'ended');
    assert.ok(double.isKilled);
    assert.ok(host.isSpent);
  });

  test('a RESULT before it was asked for anything', async () => {
    const double = HostDouble.answering(() => {});
    const host = new HostProcess(double.guest);
    await host.ready;
    double.result(1, VALUE);
    await host.ended;
    assert.ok(double.isKilled);
    assert.equal(await host.evaluate(job(), QUIET), 'not-begun');
  });

  test('a CALL after RESULT', async () => {
    const double = HostDouble.answering((host, id) => {
      host.result(id, VALUE);
      host.say(hostFrame.CALL, id, { call: 1, name: 'f', args: [] });
    });
    let calls = 0;
    const evaluated = await evaluateOn(double, { ...QUIET, call: async () => ++calls });
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
    assert.deepEqual([calls, double.isKilled], [0, true]);
  });

  test('an answer that comes after the RESULT is not sent', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const double = HostDouble.answering((host, id) => {
      host.say(hostFrame.CALL, id, { call: 1, name: 'f', args: [] });
      host.result(id, VALUE);
    });
    const replies: unknown[] = [];
    double.heard.on('frame', (frame) => frame.type === hostFrame.REPLY && replies.push(frame));
    await evaluateOn(double, { ...QUIET, call: () => promise });
    resolve(1);
    await sleep(5);
    assert.deepEqual(replies, []);
  });

  test('silence: its clocks run out here', async () => {
    const double = HostDouble.answering(() => {});
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'timed-out');
    assert.ok(double.isKilled);
  });

  test('half a frame, and silence', async () => {
    const frame = frameOf(hostFrame.RESULT, 1, new Uint8Array(100));
    const double = HostDouble.answering((host) => host.stdout.write(frame.subarray(0, 50)));
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'timed-out');
  });

  test('PONGs in time and nothing else: its wall clock runs out', async () => {
    const double = HostDouble.answering(() => {});
    double.heard.on('frame', ({ type, id }) => {
      if (type === hostFrame.PING) double.say(hostFrame.PONG, id);
    });
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'timed-out');
    assert.equal(evaluated.clock, 'wall');
  });

  test('frames byte by byte are the same frames', async () => {
    const double = HostDouble.answering((host, id) => {
      const body = serialize({ evaluated: { ...VALUE, value: 'x'.repeat(2000) }, dropped: {} });
      for (const byte of frameOf(hostFrame.RESULT, id, body)) host.stdout.write(Buffer.of(byte));
    });
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
  });

  test('its end, in the middle', async () => {
    const double = HostDouble.answering((host) => host.end({ kind: 'exited', code: 3 }));
    const evaluated = await evaluateOn(double);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'ended');
  });

  test('the end of the launcher: what has begun is not done again', async () => {
    const double = HostDouble.answering((host) => host.lose(new Error('gone')));
    const host = new HostProcess(double.guest);
    await host.ready;
    const first = host.evaluate(job(), QUIET);
    const second = host.evaluate(job(), QUIET);
    await assert.rejects(first, /gone/);
    assert.equal(await second, 'not-begun');
  });
});

describe('host functions', () => {
  const thrown: Record<string, () => unknown> = {
    'what cannot be shown': () => {
      throw Object.create(null);
    },
    'an error whose message throws': () => {
      throw Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error('no');
        },
      });
    },
    'an error whose message is none': () => {
      throw Object.assign(new Error(), { message: () => 1 });
    },
    'a symbol': () => {
      throw Symbol('s');
    },
  };
  for (const [name, call] of Object.entries(thrown)) {
    test(`that throw ${name} fail in the guest alone`, async () => {
      const reply = await replyTo({ ...QUIET, call: async () => call() });
      assert.equal((reply as { ok: boolean }).ok, false);
    });
  }

  test('whose answer cannot be copied fail in the guest alone', async () => {
    for (const answer of [() => 1, Symbol(), { f: () => 1 }, new Proxy({}, {}), new WeakMap()]) {
      const reply = await replyTo({ ...QUIET, call: async () => answer });
      assert.equal((reply as { ok: boolean }).ok, false);
    }
  });

  test('answer no faster than the host takes it', async () => {
    const double = HostDouble.answering((host, id) => {
      host.stdin.removeAllListeners('data');
      host.stdin.pause();
      for (let call = 1; call <= 1000; call++)
        host.say(hostFrame.CALL, id, { call, name: 'f', args: [] });
    });
    const big = 'x'.repeat(MiB);
    const before = process.memoryUsage.rss();
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, double.stdin.writableLength + double.stdin.readableLength);
    }, 1);
    await evaluateOn(double, { ...QUIET, call: async () => big });
    clearInterval(timer);
    assert.ok(most > MiB, 'answers were written');
    assert.ok(most < 32 * MiB, `${most} bytes wait to be taken`);
    assert.ok(process.memoryUsage.rss() - before < 300 * MiB);
  });

  async function replyTo(hooks: EvaluateHooks): Promise<unknown> {
    const double = HostDouble.answering((host, id) => {
      host.say(hostFrame.CALL, id, { call: 1, name: 'f', args: [] });
    });
    const replies: unknown[] = [];
    double.heard.on('frame', (frame) => {
      if (frame.type !== hostFrame.REPLY) return;
      replies.push(bodyOf(frame));
      double.result(frame.id, VALUE);
    });
    const evaluated = await evaluateOn(double, hooks);
    assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
    return replies[0];
  }
});

test('arguments that cannot be copied are refused, and the next evaluation is answered', async () => {
  const double = HostDouble.answering((host, id) => host.result(id, VALUE));
  const host = new HostProcess(double.guest);
  await host.ready;
  const isRefusal = (error: unknown): boolean =>
    isCaissonError(error) && error.code === 'REQUEST_INVALID';
  await assert.rejects(host.evaluate(job({ args: [() => 1] }), QUIET), isRefusal);
  const evaluated = await host.evaluate(job(), QUIET);
  assert.ok(evaluated !== 'not-begun' && evaluated.kind === 'value');
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function tagged(tag: string, count: number): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0x0f]), Buffer.from(tag), varint(count)]);
}
