/** Streams whose client does not read for a while: nothing is lost, nobody waits for ever, and the launcher sleeps. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job } from '../../src/plan/plan.ts';
import { needs, Range, Wall, without } from '../escape/harness.ts';
import { statOf } from '../proc-stat.ts';
import { openUngrouped } from './stopped.ts';

const skip = needs.root;

const cpuTicks = (pid: number): number => statOf(pid)?.cpuTicks ?? assert.fail('it is gone');

function memoryBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
}

test('a launcher sleeps while output of a guest that has ended is not read', { skip }, async () => {
  await using own = await openUngrouped();
  const { sandbox } = await own.open();
  const more = { stdout: 'stream', stderr: 'stream' } as const;
  const write = 'head -c 300000 /dev/zero';
  const runs = [
    sandbox.spawn(own.job(write, more)),
    own.wall.client.spawn(own.plan, own.job(write, more)),
    sandbox.spawn(own.job(`${write}; exec >&-; sleep 60`, more)),
  ];
  await Promise.all(runs.map((run) => run.started));
  await sleep(500);
  const before = cpuTicks(own.launcher);
  await sleep(1000);
  const used = cpuTicks(own.launcher) - before;
  assert.ok(used < 20, `${used} ticks of 100`);
  for (const run of runs.slice(0, 2)) {
    assert.equal(Buffer.concat(await run.stdout.toArray()).length, 300_000);
    assert.equal((await run.result).status, 0);
  }
  runs[2]?.kill();
});

test('streams that were held back for the others of a client go on when it reads again', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox } = await own.open();
  const runs = Array.from({ length: 48 }, () =>
    sandbox.spawn(
      own.job('read -r word; head -c 400000 /dev/zero', { stdin: 'stream', stdout: 'stream' }),
    ),
  );
  await Promise.all(runs.map((run) => run.started));
  for (const run of runs) run.stdin.end('\n');
  await sleep(20); // the sockets have it
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500); // this client does nothing
  const sizes = await Promise.all(
    runs.map(async (run) => Buffer.concat(await run.stdout.toArray()).length),
  );
  assert.deepEqual(new Set(sizes), new Set([400_000]));
  for (const run of runs) assert.equal((await run.result).status, 0);
});

test('what waits for a client that is always behind does not grow', {
  skip,
  timeout: 120_000,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox } = await own.open();
  const runs = Array.from({ length: 8 }, () =>
    sandbox.spawn(own.job('exec head -c 60000000 /dev/zero', { stdout: 'stream' })),
  );
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, memoryBytes(own.launcher));
  }, 20);
  const sizes = await Promise.all(
    runs.map(async (run) => {
      let size = 0;
      for await (const chunk of run.stdout) size += (chunk as Buffer).length;
      return size;
    }),
  );
  clearInterval(watching);
  assert.deepEqual(new Set(sizes), new Set([60_000_000]));
  assert.ok(most < 32 * 1024 * 1024, `${most} bytes`);
});

test('a launcher whose client goes without having read ends in order', { skip }, async () => {
  using range = new Range();
  const said = range.file('said', '');
  const { path } = locateLauncher();
  const command = ['sh', '-c', `"$0" "$@"; echo $? >${said}`, path];
  const wall = await Wall.open(command);
  const { kind, job } = without(wall.prepare({ argv: [] }), 'cgroup');
  const plan = wall.client.preparePlan(encodePlan(kind));
  const sandbox = wall.client.openSandbox(plan, job);
  const script = (text: string): Job => ({
    ...job,
    argv: ['/bin/sh', '-c', `head -c 300000 /dev/zero; ${text}`],
    stdout: 'stream',
  });
  await sandbox.opened;
  const runs = [sandbox.spawn(script('sleep 60')), sandbox.spawn(script(':'))];
  runs.push(wall.client.spawn(plan, script('sleep 60')), wall.client.spawn(plan, script(':')));
  await Promise.all(runs.map((run) => run.started));
  await sleep(300);
  await wall.client.close();
  assert.equal(readFileSync(said, 'utf8'), '0\n');
});
