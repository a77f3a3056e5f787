/**
 * The proxy process is killed while sandboxes start: at the fork, while their policy is on its way, while their sockets
 * are, and when they have begun to speak. Nothing passes that the policy does not allow, nobody hangs, and the next
 * sandbox has a network. What counts is what the servers of the small internet saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v curl']).status === 0 ? rootless : 'curl is not installed';
let world: WorldClient;

const allow = ['one.test:80,443', '198.51.100.20:7000/udp'];
const policy = (intercept: boolean) =>
  ({ level: 'strict', network: { mode: 'filtered', allow, intercept } }) as const;
/**
 * What is allowed, and what would pass if the sockets were anybody's. A question for a name that died with the proxy is asked
 * again after a second, not after the resolver's five, which curl does not wait for.
 */
const ATTEMPT = [
  'sh',
  '-c',
  `export RES_OPTIONS=timeout:1
curl -s -m 3 http://one.test/allowed
curl -s -m 3 http://198.51.100.20/refused
curl -s -m 3 http://198.51.100.20:9999/refused
curl -s -m 3 --resolve two.test:80:198.51.100.10 http://two.test/refused
true`,
];

/** The first run whose proxy was not of those that were killed: whoever starts right behind may be told of the end, too. */
async function afterKills(next: ReturnType<typeof policy>): Promise<WorldRun> {
  for (let tries = 0; ; tries++) {
    const run = await world.run(ATTEMPT, next).catch((error: Error) => error);
    const message =
      run instanceof Error ? run.message : run.violations.map(({ reason }) => reason).join('\n');
    if (!(run instanceof Error) && !message.includes('proxy process')) return run;
    assert.match(message, /proxy process|network/);
    assert.ok(tries < 5, message);
  }
}

describe('the proxy is killed while sandboxes start', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  for (const intercept of [false, true]) {
    test(intercept ? 'with interception' : 'without interception', async () => {
      for (let round = 0; round < 16; round++) {
        const run = world.run(ATTEMPT, policy(intercept)).catch((error: Error) => error);
        // The fork, the handover and the first requests are all within these.
        await sleep(round * 8);
        const proxies = world.processes('proxy-process');
        for (const pid of proxies) process.kill(pid, 'SIGKILL');
        const ended = await run;
        const when = `killed after ${round * 8} ms`;
        if (ended instanceof Error) {
          assert.match(ended.message, /proxy process|network/, when);
          continue;
        }
        const seen = ended.seen.requests.map(({ host, path }) => host + path);
        assert.ok(
          seen.every((each) => each === 'one.test/allowed'),
          `${when}: ${seen}`,
        );
        assert.deepEqual(ended.seen.strays, [], when);
      }
      const next = await afterKills(policy(intercept));
      assert.deepEqual(
        next.seen.requests.map(({ host, path }) => host + path),
        ['one.test/allowed'],
        next.stderr,
      );
    });
  }

  test('many start at once, and it is killed again and again: whoever ends, ends refused or served', async () => {
    const runs = Array.from({ length: 12 }, (_, at) =>
      world.run(ATTEMPT, policy(at % 2 === 0)).catch((error: Error) => error),
    );
    const all = Promise.all(runs);
    for (let kill = 0; kill < 5; kill++) {
      await sleep(60);
      for (const pid of world.processes('proxy-process')) process.kill(pid, 'SIGKILL');
    }
    for (const ended of await all) {
      if (ended instanceof Error) assert.match(ended.message, /proxy process|network/);
      else {
        assert.ok(ended.seen.requests.every(({ path }) => path === '/allowed'));
        assert.deepEqual(ended.seen.strays, []);
      }
    }
    const next = await afterKills(policy(false));
    assert.equal(next.seen.requests.length, 1);
    // Those that were killed are gone, and nobody started one too many.
    assert.equal(world.processes('proxy-process').length, 1);
  });
});
