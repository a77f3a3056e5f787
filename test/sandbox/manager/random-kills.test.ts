/** Manager and launcher are killed at any moment, while sandboxes are made, used and destroyed: one start cleans up. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../../src/index.ts';
import { Footprint } from './footprint.ts';

const needs = { root: process.geteuid?.() === 0 ? false : 'needs root' } as const;
const ROUNDS = 6;
const state = mkdtempSync(join(tmpdir(), 'caisson-kills-'));
after(() => rmSync(state, { recursive: true }));

test('after each of several random kills, one start leaves nothing', {
  skip: needs.root,
}, async (t) => {
  const program = join(import.meta.dirname, 'dying-manager.ts');
  let found = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const [after, victims] = [Math.random() * 2500, round % 3];
    t.diagnostic(`round ${round}: ${after.toFixed(0)} ms, victims ${victims}`);
    const child = spawn(process.execPath, [program, state, '30'], { stdio: 'ignore' });
    const footprint = new Footprint(child.pid);
    const stop = performance.now() + after;
    while (performance.now() < stop) {
      footprint.note();
      await sleep(50);
    }
    footprint.note();
    const launchers = footprint.launchers();
    // The manager, its launcher first, or both at once.
    if (victims > 0) for (const pid of launchers) process.kill(pid, 'SIGKILL');
    if (victims === 1) await sleep(100);
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    {
      await using caisson = await Caisson.open({ stateDirectory: state });
      await using manager = await caisson.manager();
      found += manager.recovered.sandboxes.length;
      assert.deepEqual(manager.recovered.left, []);
      assert.equal((await manager.run(['echo', 'on'])).stdout.text, 'on\n');
    }
    await footprint.assertGone();
    const overlays = readdirSync(state).includes('overlays')
      ? readdirSync(join(state, 'overlays'))
      : [];
    assert.deepEqual(overlays, []);
  }
  t.diagnostic(`${found} sandboxes were found and reported`);
});
