/** A client that has gone wrong ends nobody else: the launcher stays, runs the next command, and keeps nothing of it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeExec } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { decodeErrorBody, frameType, rawFrame } from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';
import { needs, Wall, without } from '../escape/harness.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { SeededRandom } from '../seeded-random.ts';
import { until } from '../until.ts';
import { RandomFrames } from './random-frames.ts';
import { RawClient } from './raw-client.ts';
import { childrenOf } from './stopped.ts';

const skip = needs.root;
const PLAN = 1;
const LAST = 1000;

interface Prepared {
  readonly plans: readonly Uint8Array[];
  readonly job: Job;
}

async function prepare(): Promise<Prepared> {
  await using wall = await Wall.open();
  const grouped = wall.prepare({ argv: ['/bin/sh', '-c', 'echo ran'] });
  const plain = without(grouped, 'cgroup');
  return { plans: [encodePlan(plain.kind), encodePlan(grouped.kind)], job: grouped.job };
}

const cgroupsOf = (pid: number): string[] =>
  ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)]
    .filter((path) => existsSync(`${path}/cgroup.procs`))
    .flatMap((path) => readdirSync(path).map((name) => `${path}/${name}`))
    .filter((path) => path.includes(`caisson-${pid}`));

/** Whatever it was told before, it runs a command. */
async function runs(client: RawClient, { plans: [plan], job }: Prepared, id: number) {
  assert.ok(client.isAlive, 'it has ended');
  client.plan(id, plan ?? new Uint8Array());
  client.send(encodeExec(id + 1, { plan: id }, job));
  assert.equal(String((await client.result(id + 1))?.stdout.bytes), 'ran\n');
  client.empty(frameType.CLOSE, id);
}

for (const seed of [1, 2, 3, 4]) {
  test(`frames in any order, broken and whole (seed ${seed})`, {
    skip,
    timeout: 120_000,
  }, async () => {
    const prepared = await prepare();
    const client = new RawClient();
    await runs(client, prepared, LAST);
    const frames = new RandomFrames(new SeededRandom(seed), prepared.plans, prepared.job);
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 60; i++) client.send(frames.next());
      client.record(frameType.STATS, LAST + 2 + round, () => {});
      // One that was told of everything is one that has read everything.
      assert.ok(await client.answer(frameType.STATS_REPLY, LAST + 2 + round), 'it is stuck');
    }
    for (let id = 1; id <= 24; id++) {
      client.empty(frameType.KILL, id);
      client.empty(frameType.CLOSE, id);
    }
    await runs(client, prepared, LAST + 20);
    const { pid } = client;
    const launcher = new NotedProcesses([pid]);
    assert.equal(await client.close(), 0);
    assert.deepEqual(launcher.left(), []);
    assert.deepEqual(cgroupsOf(pid), []);
  });
}

test('of what was ended no descriptor and no process is left', {
  skip,
  timeout: 120_000,
}, async () => {
  const prepared = await prepare();
  await using client = new RawClient();
  await runs(client, prepared, LAST);
  await sleep(300); // it is gone then
  const [before, children] = [client.descriptors, childrenOf(client.pid).length];
  const job = { ...prepared.job, argv: ['/bin/sh', '-c', 'exec cat /dev/zero'] };
  for (let round = 0; round < 3; round++) {
    client.plan(PLAN, prepared.plans[0] ?? new Uint8Array());
    for (let id = 10; id < 40; id++) {
      const stream = { ...job, stdin: 'stream', stdout: 'stream' } as const;
      client.send(encodeExec(id, { plan: PLAN }, stream), rawFrame(frameType.STDIN, id));
      if (id % 3 === 0) client.empty(frameType.KILL, id);
    }
    for (let id = 10; id < 40; id++) client.empty(id % 2 ? frameType.KILL : frameType.DENY, id);
    for (let id = 10; id < 40; id++) assert.ok(await client.result(id));
    client.heard.length = 0;
    client.empty(frameType.CLOSE, PLAN);
  }
  await until('no process is left', () => childrenOf(client.pid).length <= children);
  await until('no descriptor is left', () => client.descriptors <= before);
});

test('an id that is in use is refused, and its owner goes on', { skip }, async () => {
  const prepared = await prepare();
  await using client = new RawClient();
  client.plan(PLAN, prepared.plans[0] ?? new Uint8Array());
  const job = { ...prepared.job, argv: ['cat'], stdin: 'stream', stdout: 'capture' } as const;
  client.send(encodeExec(2, { plan: PLAN }, job));
  client.send(encodeExec(PLAN, { plan: PLAN }, job));
  const refused = decodeErrorBody((await client.answer(frameType.ERROR, PLAN)) ?? Buffer.alloc(0));
  assert.equal(refused.class, 1);
  client.plan(2, prepared.plans[0] ?? new Uint8Array()); // an exec's
  assert.ok(await client.answer(frameType.ERROR, 2));
  client.send(rawFrame(frameType.STDIN, 2, Buffer.from('whole')), rawFrame(frameType.STDIN, 2));
  assert.equal(String((await client.result(2))?.stdout.bytes), 'whole');
});

test('credit without measure is no more than all there is', { skip, timeout: 60_000 }, async () => {
  const prepared = await prepare();
  await using client = new RawClient();
  client.plan(PLAN, prepared.plans[0] ?? new Uint8Array());
  const argv = ['/bin/sh', '-c', 'read -r word; head -c 3000000 /dev/zero'];
  const job = { ...prepared.job, argv, stdin: 'stream', stdout: 'stream' } as const;
  client.send(encodeExec(2, { plan: PLAN }, job));
  for (let i = 0; i < 20_000; i++)
    client.record(frameType.CREDIT, 2, (writer) => {
      writer.u32(1, 1, 'stream');
      writer.u32(2, 0xffff_ffff, 'bytes');
    });
  client.send(rawFrame(frameType.STDIN, 2, Buffer.from('go\n')));
  assert.equal((await client.result(2))?.status, 0);
  assert.equal(client.received(frameType.STDOUT, 2), 3_000_000);
});
