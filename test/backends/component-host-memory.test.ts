/** That a host with the compiler of components is within what is counted for it, before a component and while it compiles. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostProgram } from '../../src/backends/host-program.ts';
import { Caisson } from '../../src/index.ts';
import { HOST_SLACK_BYTES } from '../../src/plan/host-policy.ts';
import { hostsOf } from './hosts-memory.ts';
import { VALUES } from './wasm/component/texts.ts';
import { wasmTools } from './wasm/component/wasm-tools.ts';

const MiB = 2 ** 20;
/** The smallest guests leave the compiler the least room. */
const memoryBytes = 1 * MiB;
const { baseBytes } = hostProgram({ engine: 'component', memoryBytes, keeps: true }, []);

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

test('a host with its compiler is within what is counted for it', async (t) => {
  const { parse } = await wasmTools();
  let most = 0;
  const timer = setInterval(() => {
    for (const host of hostsOf('wasm')) {
      if (host.memoryBytes === memoryBytes) most = Math.max(most, host.residentBytes);
    }
  }, 5).unref();
  const sources = [
    VALUES,
    ...Array.from({ length: 12 }, (_, index) => functions(40 * (index + 1))),
  ];
  for (const source of sources) {
    const { error } = await caisson.evaluate('wasm', parse(source), {
      memoryBytes,
      export: 'nothing',
    });
    assert.match(error?.message ?? '', /it exports/);
  }
  const seen = () => hostsOf('wasm').filter((host) => host.memoryBytes === memoryBytes);
  for (let tries = 0; seen().length < 2 && tries < 200; tries++) await sleep(50);
  await sleep(300);
  clearInterval(timer);
  const hosts = seen();
  assert.equal(hosts.length, 2, 'one that evaluates and one that stands by; none was lost');
  t.diagnostic(`${(most / MiB).toFixed(1)} MiB of ${baseBytes / MiB} at most`);
  assert.ok(most <= memoryBytes + baseBytes + HOST_SLACK_BYTES);
  assert.ok(most > baseBytes / 4, 'what is counted is not far from what is used');
});

/** A component of so many exports that take and give strings. */
function functions(count: number): string {
  const each = (index: number): string => `
    (func $f${index} (param "a" string) (param "b" (list string)) (result string)
      (canon lift (core func $i "f") (memory (core memory $i "memory"))
        (realloc (core func $i "realloc"))))
    (export "f${index}" (func $f${index}))`;
  return `(component
    (core module $m (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
      (func (export "f") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
    (core instance $i (instantiate $m))
    ${Array.from({ length: count }, (_, index) => each(index)).join('')})`;
}
