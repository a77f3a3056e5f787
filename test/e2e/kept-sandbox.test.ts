/**
 * One sandbox, several commands: what one of them leaves behind ends with it when it is ended, and the others go on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caisson } from '../../src/index.ts';

const LISTING = ['sh', '-c', 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done'];

test('a command that is ended takes its daemons along, in whatever session; the others stay', async () => {
  await using caisson = await Caisson.open();
  await using sandbox = await caisson.create({ policy: 'strict' });
  await sandbox.exec(['sh', '-c', 'setsid sleep 7771 & sleep 7772 & exit 0']);
  const daemons = 'setsid sh -c "(sleep 5551 &); sleep 5552" & (setsid sleep 5553 &); sleep 5554';
  const outcome = await sandbox.exec(['sh', '-c', daemons], { timeoutMs: 300 });
  assert.equal(outcome.kind, 'timed-out');
  const left = (await sandbox.exec(LISTING)).stdout.text.match(/sleep \d+/g)?.sort();
  assert.deepEqual(left, ['sleep 7771', 'sleep 7772']);
});

test('a guest does not learn from PID 1 where the launcher lies', async () => {
  await using caisson = await Caisson.open();
  const { stdout } = await caisson.run(['cat', '/proc/1/cmdline'], { policy: 'strict' });
  assert.equal(stdout.text.replaceAll('\0', ''), 'caisson-init');
});
