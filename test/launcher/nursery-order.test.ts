/** Nurseries that are killed, refuse or answer late: whoever waits for them is answered, and nothing is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../../src/core/error.ts';
import { LauncherClient } from '../../src/launcher/client.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import type { RawResult } from '../../src/launcher/protocol/decode-result.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { needs, ranFrom } from '../escape/harness.ts';
import { until } from '../until.ts';
import { childrenOf, openUngrouped, signal, type Ungrouped } from './stopped.ts';

const skip = needs.root;

async function allMade(runs: readonly Promise<RawResult>[]): Promise<void> {
  const said = (await Promise.all(runs)).map((raw) => ranFrom(raw).stdout);
  assert.deepEqual(new Set(said), new Set(['made\n']));
}

async function waiting({ wall }: Ungrouped, count: number): Promise<void> {
  let now = 0;
  await until(
    () => `${count} wait, and not ${now}`,
    async () => {
      ({ waiting: now } = await wall.client.stats());
      return now === count;
    },
  );
}

test('a plan that is forgotten while sandboxes are made for it leaves none', { skip }, async () => {
  await using own = await openUngrouped();
  const other = own.wall.client.preparePlan(encodePlan({ ...own.kind, hostname: 'other' }), {
    slots: 3,
  });
  signal(own.helpers, 'SIGSTOP');
  await other.ready;
  await waiting(own, 3);
  await own.wall.client.forgetPlan(other);
  signal(own.helpers, 'SIGCONT');
  await waiting(own, 0);
  await until('nothing is left of them', () => childrenOf(own.launcher).length === 2);
});

test('many sandboxes asked of a nursery that stands still: others are answered, and all are made', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox } = await own.open();
  signal(own.helpers, 'SIGSTOP');
  const job = own.job('echo made');
  const runs = Array.from({ length: 700 }, () => own.wall.client.run(own.plan, job));
  await own.wall.client.stats(); // the launcher has heard of all of them
  assert.equal(ranFrom(await sandbox.run(own.job('echo here'))).stdout, 'here\n');
  signal(own.helpers, 'SIGCONT');
  await allMade(runs);
});

test('hundreds of sandboxes asked for at once: nobody waits for whoever waits for him', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const runs = Array.from({ length: 700 }, () =>
    own.wall.client.run(own.plan, own.job('echo made')),
  );
  await allMade(runs);
});

test('a nursery is found dead by the next request, while others wait for it', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  signal(own.helpers, 'SIGSTOP');
  const job = own.job('echo made');
  const first = own.wall.client.run(own.plan, job);
  await sleep(100);
  signal([own.launcher], 'SIGSTOP');
  const second = own.wall.client.run(own.plan, job); // heard before the end of the nursery is
  await sleep(50);
  signal(own.helpers, 'SIGKILL');
  await sleep(50);
  signal([own.launcher], 'SIGCONT');
  for (const run of [first, second]) assert.equal(ranFrom(await run).stdout, 'made\n');
  assert.equal(ranFrom(await own.wall.client.run(own.plan, job)).stdout, 'made\n');
});

test('a nursery that cannot make a sandbox says so, as often as it is asked', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const limited = 'echo 0 > /proc/sys/user/max_pid_namespaces && exec "$@"';
  await using client = new LauncherClient('unshare', [
    '-Ur',
    'sh',
    '-c',
    limited,
    'sh',
    locateLauncher().path,
    'serve',
  ]);
  const plan = client.preparePlan(encodePlan(own.kind));
  await plan.ready;
  const said = (error: unknown) =>
    isCaissonError(error) && error.message.startsWith('clone sandbox');
  for (let round = 0; round < 5; round++) {
    const runs = Array.from({ length: 8 }, () => client.run(plan, own.job('echo made')));
    for (const run of runs) await assert.rejects(run, said);
  }
  assert.equal((await client.stats()).waiting, 0);
});

test('a run that is killed before its sandbox is there ends, and nothing of it runs', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  signal(own.helpers, 'SIGSTOP');
  const runs = Array.from({ length: 100 }, () =>
    own.wall.client.spawn(own.plan, own.job('echo ran', { stdout: 'stream' })),
  );
  await own.wall.client.stats(); // answered in its turn: the launcher has heard of what was sent before
  for (const run of runs) run.kill();
  await own.wall.client.stats();
  signal(own.helpers, 'SIGCONT');
  for (const run of runs) {
    const result = await run.result;
    assert.deepEqual([result.cause, run.stdout.read()], [5, null]);
  }
});
