/** A thousand sandboxes, two hundred at a time, really run; asked of the kernel what they were and that they are gone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Caisson, type ObservedEvent, policyFromDocument } from '../../../src/index.ts';
import { TRANSITIONS } from '../../../src/sandbox/manager/states.ts';
import { Footprint } from './footprint.ts';

const AT_ONCE = 200;
const ALL = 1000;
const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;

const state = mkdtempSync(join(tmpdir(), 'caisson-manager-'));
after(() => rmSync(state, { recursive: true }));
const policy = policyFromDocument({
  version: 1,
  name: 'many',
  level: 'strict',
  limits: { memory: '64MiB', timeout: '2m' },
});

test('1,000 sandboxes are made, used and destroyed, 200 at a time, and nothing is left', {
  skip: needs.root,
}, async () => {
  const footprint = new Footprint();
  const states = new Map<string, string[]>();
  const observer = (event: ObservedEvent): void => {
    if (event.kind === 'state')
      states.set(event.id, [...(states.get(event.id) ?? []), event.state]);
  };
  let most = 0;
  {
    await using caisson = await Caisson.open({ stateDirectory: state, observer });
    await using manager = await caisson.manager({
      pool: { concurrency: AT_ONCE, memoryBytes: AT_ONCE * 64 * 2 ** 20 },
    });
    let open = 0;
    let noted = false;
    const gate = Promise.withResolvers<void>();
    const one = async (number: number): Promise<string> => {
      await using sandbox = await manager.create({ policy, labels: { number: String(number) } });
      most = Math.max(most, ++open);
      if (open === AT_ONCE && !noted) {
        noted = true;
        const seen = footprint.note();
        // init and what waits in it, for each; seven namespaces, or as many as the wall makes.
        assert.ok(seen.processes >= AT_ONCE, JSON.stringify(seen));
        assert.ok(seen.namespaces >= AT_ONCE * 3, JSON.stringify(seen));
        assert.ok(seen.groups >= AT_ONCE, JSON.stringify(seen));
        assert.deepEqual(manager.load().used.concurrency, AT_ONCE);
        gate.resolve();
      }
      // The first two hundred wait for each other, so that as many are really there at once.
      await gate.promise;
      const { kind, code, stdout } = await sandbox.exec(['echo', String(number)]);
      open--;
      assert.deepEqual([kind, code], ['exited', 0]);
      return stdout.text.trim();
    };
    const outputs = await Promise.all(Array.from({ length: ALL }, (_, i) => one(i)));
    assert.deepEqual(
      outputs,
      outputs.map((_, i) => String(i)),
    );
    assert.deepEqual([manager.load().running, manager.load().waiting], [0, 0]);
    const runs = await Promise.all(
      Array.from({ length: ALL }, (_, i) => manager.run(['echo', String(i)], { policy })),
    );
    assert.ok(runs.every(({ stdout }, i) => stdout.text === `${i}\n`));
    assert.equal(manager.list({ state: 'Completed' }).length, 1000);
    footprint.note();
  }
  assert.equal(most, AT_ONCE);
  await footprint.assertGone();
  assert.equal(states.size, 2 * ALL);
  for (const [first, ...rest] of states.values()) {
    assert.equal(first, 'Initializing');
    rest.reduce((from, to) => {
      assert.ok(TRANSITIONS[from as 'Running'].includes(to as 'Running'), `${from} → ${to}`);
      return to;
    }, first);
    assert.equal(rest.at(-1), 'Completed');
  }
});
