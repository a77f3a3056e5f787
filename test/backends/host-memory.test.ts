/**
 * What a host process has in memory before any guest, and that a guest with limit L never makes it more than L, that base
 * and 16 MiB: as the kernel tells it, of the process and of its control group.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostProgram } from '../../src/backends/host-program.ts';
import { Caisson, type Evaluation } from '../../src/index.ts';
import { HOST_SLACK_BYTES } from '../../src/plan/host-policy.ts';
import { isolateAttacks } from '../escape/light-walls/isolate-attacks.ts';
import { smallModule, wasmAttacks } from '../escape/light-walls/wasm-attacks.ts';
import { build } from '../wasm/build-module.ts';
import { hostsOf } from './hosts-memory.ts';

const MiB = 2 ** 20;

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

const tricks = {
  isolate: isolateAttacks.filter(({ ends, name }) => {
    return ends.includes('out-of-memory') && /memor|objects|array|buffer|10\^6|MB|big/.test(name);
  }),
  wasm: wasmAttacks.filter(({ ends }) => ends.includes('out-of-memory')),
};

for (const engine of ['isolate', 'wasm'] as const) {
  const { baseBytes } = hostProgram({ engine, memoryBytes: 64 * MiB, keeps: false }, []);
  const run = (memoryBytes: number) =>
    engine === 'wasm'
      ? caisson.evaluate('wasm', smallModule, { memoryBytes, export: 'run' })
      : caisson.evaluate('javascript', '1', { memoryBytes });

  describe(engine, () => {
    test('a host before any guest is within what is counted for it', async (t) => {
      const memoryBytes = 63 * MiB;
      await run(memoryBytes);
      const seen = () => hostsOf(engine).filter((host) => host.memoryBytes === memoryBytes);
      // The one that stands by is begun when the other is taken, and takes its time.
      const areUp = () =>
        seen().filter(({ residentBytes }) => residentBytes > baseBytes / 4).length >= 2;
      for (let tries = 0; !areUp() && tries < 200; tries++) await sleep(50);
      await sleep(300);
      const hosts = seen();
      assert.ok(hosts.length >= 2, 'one that evaluates and one that stands by');
      for (const { residentBytes } of hosts) {
        t.diagnostic(`${(residentBytes / MiB).toFixed(1)} MiB of ${baseBytes / MiB}`);
        assert.ok(residentBytes <= baseBytes);
        assert.ok(residentBytes > baseBytes / 4, 'what is counted is not far from what is used');
      }
    });

    for (const limit of [32 * MiB, 96 * MiB]) {
      test(`no trick makes it more than ${limit / MiB} MiB, a host and 16 MiB`, async (t) => {
        const most = limit + baseBytes + HOST_SLACK_BYTES;
        let resident = 0;
        let groups = 0;
        const timer = setInterval(() => {
          for (const { memoryBytes, residentBytes, pid } of hostsOf(engine)) {
            if (memoryBytes !== limit) continue;
            resident = Math.max(resident, residentBytes);
            groups = Math.max(groups, groupPeak(pid));
          }
        }, 3);
        for (const { language, source, options } of tricks[engine]) {
          const memoryBytes = limit;
          await caisson.evaluate(language, source, {
            ...options,
            memoryBytes,
            cpuMs: 700,
            timeoutMs: 2000,
          });
        }
        clearInterval(timer);
        t.diagnostic(`${resident / MiB} MiB resident, ${groups / MiB} MiB in its group`);
        assert.ok(resident > limit / 2, `${resident} bytes were seen: the watch works`);
        assert.ok(resident <= most, `${resident} bytes are resident, ${most} are the most`);
        assert.ok(groups <= most, `${groups} bytes were in the group, ${most} are the most`);
      });
    }
  });
}

describe('what earlier guests had is no loss of the next', () => {
  const memoryBytes = 64 * MiB;
  /** Fills 55 MiB. */
  const big = (k: number) =>
    build({
      functions: [
        {
          code: [
            ['i32.const', 0],
            ['i32.const', 1],
            ['i32.const', 58_000_000],
            ['memory.fill', 0],
            ['i32.const', k],
            'drop',
          ],
          export: 'run',
        },
      ],
      memory: { minimum: 900 },
    });
  const array = 'const a = new Uint8Array(2e7).fill(1); export default () => a.length + ';
  const small = 'export default () => 1 + ';
  const cases: Record<string, (i: number) => Promise<Evaluation>> = {
    'WASM, nothing kept': () => caisson.evaluate('wasm', big(0), { memoryBytes, export: 'run' }),
    'WASM, kept': (i) =>
      caisson.evaluate('wasm', big(i), { memoryBytes, export: 'run', keep: 'context' }),
    'contexts of 20 MB': (i) =>
      caisson.evaluate('javascript', array + i, { memoryBytes, keep: 'context' }),
    'isolates of 150 programs': async (i) => {
      const some = Array.from({ length: 10 }, (_, k) =>
        caisson.evaluate('javascript', `${small}${10 * i + k}`, { memoryBytes, keep: 'isolate' }),
      );
      return (
        (await Promise.all(some)).find(({ kind }) => kind !== 'exited') ??
        ((await some[0]) as Evaluation)
      );
    },
  };
  test('a heap of 54 MiB, after 1500 contexts of one isolate and 14 that are kept', async () => {
    const calls = 'export default (x) => ({ x, y: [1, 2, 3].map(String) })';
    for (let i = 0; i < 1500; i++) {
      await caisson.evaluate('javascript', calls, { memoryBytes, args: [i], keep: 'isolate' });
    }
    for (let i = 0; i < 14; i++) {
      const source = `const a = new Uint8Array(2e6).fill(${i}); export default () => a.length`;
      await caisson.evaluate('javascript', source, { memoryBytes, keep: 'context' });
    }
    const heap = `const a = []; for (let i = 0; i < 54; i++) a.push(new Array(131072).fill(i));
      export default () => a.length`;
    for (const keep of ['context', 'isolate', 'nothing'] as const) {
      const { kind, value } = await caisson.evaluate('javascript', heap, { memoryBytes, keep });
      assert.deepEqual([keep, kind, value], [keep, 'exited', 54]);
    }
  });

  for (const [name, evaluate] of Object.entries(cases)) {
    test(name, async () => {
      for (let i = 0; i < 15; i++) {
        const { kind, code } = await evaluate(i);
        assert.deepEqual([i, kind, code], [i, 'exited', 0]);
      }
    });
  }
});

/** Most that its control group ever had; 0 where it has none of memory. */
function groupPeak(pid: number): number {
  try {
    const line = /^\d+:memory:(.+)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    // One that has ended is told as standing in the root, the group of all.
    if (line === '/') return 0;
    const unified = /^0::(.+)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    const files = [
      ...globSync(`/sys/fs/cgroup/memory${line ?? '/none'}/memory.max_usage_in_bytes`),
      ...globSync(`/sys/fs/cgroup${unified ?? '/none'}/memory.peak`),
    ];
    return Math.max(0, ...files.map((path) => Number(readFileSync(path, 'utf8'))));
  } catch {
    return 0;
  }
}
