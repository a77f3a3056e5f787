/**
 * What a guest of an isolate does to be more than a guest. The effect is looked at from outside: this process lives, the
 * host's memory stays within its limit, the next evaluation is answered by a fresh host.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Caisson, type EvaluateOptions, type Evaluation } from '../../src/index.ts';

const MiB = 2 ** 20;
const LIMIT = 64 * MiB;

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

async function attack(source: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  const memoryBytes = LIMIT;
  const evaluation = await caisson.evaluate('javascript', `export default () => { ${source} }`, {
    memoryBytes,
    cpuMs: 20_000,
    ...options,
  });
  const next = await caisson.evaluate('javascript', '6 * 7', { memoryBytes });
  assert.equal(next.value, 42, 'the next evaluation is answered');
  return evaluation;
}

describe('memory', () => {
  const tricks: Record<string, string> = {
    'an array of 10^9': 'return new Array(1e9).fill(1)',
    'objects pushed for ever': 'const a = []; for (;;) a.push({})',
    'long strings': 'const a = []; for (;;) a.push("x".repeat(2 ** 27) + a.length)',
    'strings that double':
      'let s = "x"; const a = []; for (;;) a.push((s += s.slice(0, 1e6)) + a.length)',
    'WebAssembly memory that grows':
      'const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 }); for (;;) { m.grow(500); new Uint8Array(m.buffer).fill(1); }',
    'many WebAssembly memories':
      'const g = []; for (;;) { const m = new WebAssembly.Memory({ initial: 500 }); new Uint8Array(m.buffer).fill(1); g.push(m); }',
    'a buffer that is resized':
      'const b = new ArrayBuffer(8, { maxByteLength: 2 ** 33 }); let n = 8; const u = new Uint8Array(b); for (;;) { b.resize((n += 2 ** 24)); u.fill(1); }',
    'a shared buffer that is grown':
      'const b = new SharedArrayBuffer(8, { maxByteLength: 2 ** 33 }); let n = 8; const u = new Uint8Array(b); for (;;) { b.grow((n += 2 ** 24)); u.fill(1); }',
    'a result of a gigabyte':
      'return Array.from({ length: 1000 }, (_, i) => String(i).repeat(1e6))',
  };
  for (const [name, source] of Object.entries(tricks)) {
    test(name, async () => {
      const { kind, limitsHit } = await attack(source);
      assert.equal(kind, 'out-of-memory');
      assert.deepEqual(limitsHit, ['memory']);
    });
  }

  test('typed arrays: refused to the guest, which may go on', async () => {
    const { value } = await attack(
      'const g = []; try { for (;;) g.push(new Uint8Array(MiB).fill(1)) } catch (e) { return e.name }'.replace(
        'MiB',
        String(MiB),
      ),
    );
    assert.equal(value, 'RangeError');
  });

  test('none of it is ever more than the limit, a host and 16 MiB', async () => {
    // One look is a moment of it; how many there are is up to the machine.
    let most = 0;
    for (let tries = 0; tries < 20 && most <= LIMIT / 2; tries++) {
      const { usage } = await peakOf(() => attack(tricks['many WebAssembly memories'] as string));
      most = Math.max(most, usage);
    }
    assert.ok(most > LIMIT / 2, `${most} bytes were seen: the watch works`);
    assert.ok(most <= LIMIT + 64 * MiB + 16 * MiB, `${most} bytes`);
  });
});

describe('time', () => {
  const loops: Record<string, string> = {
    'an endless loop': 'for (;;);',
    'endless microtasks': 'const f = () => Promise.resolve().then(f); return f();',
    'a regular expression': 'return /(a+)+$/.test("a".repeat(50) + "b")',
    'big numbers': 'let b = 3n; for (;;) { b = b ** 3n; b = BigInt.asUintN(1e6, b) + 3n }',
    'a comparator':
      'const a = Array.from({ length: 1e6 }, (_, i) => i); for (;;) a.sort(() => Math.random() - 0.5)',
    'a flood of output': 'for (;;) console.log("x".repeat(10_000))',
    'a catch around everything': 'for (;;) try { for (;;); } catch {} finally { for (;;); }',
  };
  for (const [name, source] of Object.entries(loops)) {
    test(name, async () => {
      const { kind, clock } = await attack(source, { cpuMs: 300 });
      assert.deepEqual([kind, clock], ['timed-out', 'cpu']);
    });
  }

  test('a thread that sleeps for ever', async () => {
    const source = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)';
    const { kind } = await attack(source, { timeoutMs: 500 });
    assert.equal(kind, 'timed-out');
  });

  test('waiting for a host function that does not answer', async () => {
    const grants = { never: () => new Promise(() => {}) };
    const { kind, clock } = await attack('return never()', { grants, timeoutMs: 300 });
    assert.deepEqual([kind, clock], ['timed-out', 'wall']);
  });

  test('a flood of calls', async () => {
    let calls = 0;
    const { kind } = await attack('for (;;) f(1)', { grants: { f: () => ++calls }, cpuMs: 300 });
    assert.notEqual(kind, 'exited');
  });
});

test('evaluations that wait behind a host that is lost are answered by another', async () => {
  const source =
    'export default (n) => { const g = []; while (n < 0) g.push(new Uint8Array(new WebAssembly.Memory({ initial: 500 }).buffer).fill(1)); return n }';
  const inputs = Array.from({ length: 60 }, (_, i) => (i % 20 === 10 ? -1 : i));
  const done = await Promise.all(
    inputs.map((n) => caisson.evaluate('javascript', source, { args: [n], memoryBytes: LIMIT })),
  );
  assert.deepEqual(
    done.map(({ kind, value }) => (kind === 'out-of-memory' ? -1 : value)),
    inputs,
  );
});

/** Most that any host of ours had resident meanwhile, as the kernel tells it from outside, bytes. */
async function peakOf(run: () => Promise<unknown>): Promise<{ usage: number }> {
  let usage = 0;
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        if (!argv.includes(`isolate/host.ts\0${LIMIT}`)) continue;
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        usage = Math.max(usage, Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
      } catch {
        // Gone meanwhile.
      }
    }
  }, 2);
  await run();
  clearInterval(timer);
  return { usage };
}
