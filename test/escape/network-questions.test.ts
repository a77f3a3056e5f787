/**
 * A guest and whoever answers its questions: answers that come when it has ended, and yeses that open no more than what
 * was asked. What counts is what the name server and the servers of the small internet saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorldClient } from '../e2e/network/world-client.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v curl']).status === 0 ? rootless : 'curl is not installed';
let world: WorldClient;
const policy = {
  level: 'strict',
  network: { mode: 'filtered', allow: ['one.test:80'], deny: ['two.test:*'] },
} as const;

describe('questions of a guest', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
    // Its proxy process has started.
    await world.run(['curl', '-sS', '-m', '5', 'http://one.test/'], policy);
  });
  after(() => world.stop());

  test('a yes that comes when the guest has ended opens nothing, and the next sandbox asks anew', async () => {
    const late = await world.runAnswered(
      ['curl', '-sS', '-m', '2', 'http://three.test/late'],
      policy,
      { allow: true, afterMs: 4000 },
    );
    assert.notEqual(late.code, 0);
    assert.deepEqual(late.asked, ['three.test:*']);
    await sleep(3000);
    const next = await world.run(['curl', '-sS', '-m', '3', 'http://three.test/next'], policy);
    assert.notEqual(next.code, 0);
    assert.ok(!next.seen.names.includes('three.test'), 'nobody asked for it outside');
    assert.deepEqual(next.seen.requests, []);
    const allowed = await world.run(['curl', '-sS', '-m', '5', 'http://one.test/in'], policy);
    assert.equal(allowed.seen.requests.length, 1, allowed.stderr);
  });

  test('a yes opens what was asked for, to that sandbox alone; what is denied is no question', async () => {
    const script = `curl -s -m 15 http://three.test/yes
curl -s -m 15 http://moved.test/other-name-of-it
curl -s -m 2 http://two.test/denied
curl -s -m 5 http://inner.test/inward
true`;
    const run = await world.runAnswered(['sh', '-c', script], policy, { allow: true, afterMs: 0 });
    assert.deepEqual(
      run.seen.requests.map(({ host, path }) => host + path),
      ['three.test/yes', 'moved.test/other-name-of-it'],
    );
    // A yes to a name is none to the private address that it leads to.
    assert.deepEqual(run.asked, ['three.test:*', 'moved.test:*', 'inner.test:*']);
    const other = await world.run(['curl', '-s', '-m', '3', 'http://three.test/other'], policy);
    assert.deepEqual(other.seen.requests, []);
  });
});
