/** A launcher that may open no more descriptors refuses what needs one, says why, keeps none, and goes on afterwards. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../../src/core/error.ts';
import type { Dial } from '../../src/launcher/dials.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { firstOutput, needs, ranFrom, Wall } from '../escape/harness.ts';
import { until } from '../until.ts';
import { openUngrouped } from './stopped.ts';

const skip = needs.root;
const MOST = 12;

const descriptors = (pid: number): number[] => readdirSync(`/proc/${pid}/fd`).map(Number);

function allow(pid: number, more: number): void {
  const taken = new Set(descriptors(pid));
  let limit = 0;
  for (let free = 0; taken.has(limit) || free++ < more; ) limit++;
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`]);
}

const allowAll = (pid: number) => execFileSync('prlimit', [`--pid=${pid}`, '--nofile=1024:']);

/** How many it has when nothing comes or goes: what a run left is closed, and somebody waits for the next command. */
async function settled(launcher: number): Promise<number> {
  let count = -1;
  for (let same = 0; same < 30; ) {
    await sleep(10);
    const now = descriptors(launcher).length;
    same = now === count ? same + 1 : 0;
    count = now;
  }
  return count;
}

/** `what` is done with ever more descriptors: refused at first, and each time done when there are enough. */
async function sweep(
  launcher: number,
  refused: (error: unknown) => boolean,
  what: () => Promise<void>,
): Promise<number> {
  await what();
  let refusals = 0;
  const before = await settled(launcher);
  for (let more = 0; more < MOST; more++) {
    allow(launcher, more);
    try {
      await what();
    } catch (error) {
      if (!refused(error)) throw error;
      refusals++;
    }
    allowAll(launcher);
    await what();
    await until('none is left', () => descriptors(launcher).length <= before);
  }
  await what();
  return refusals;
}

const exhausted = (error: unknown): boolean =>
  isCaissonError(error) && error.code === 'RESOURCE_EXHAUSTED';

test('runs, with and without a terminal', { skip, timeout: 60_000 }, async () => {
  await using own = await openUngrouped();
  const { client } = own.wall;
  const run = async () => {
    assert.equal(ranFrom(await client.run(own.plan, own.job('echo ran'))).stdout, 'ran\n');
  };
  assert.ok((await sweep(own.launcher, exhausted, run)) > 0);
  const terminal = async () => {
    const pty = { rows: 24, columns: 80 };
    const at = client.spawn(own.plan, own.job('read -r word; echo $word', { pty }));
    at.stdin.write('ran\n');
    const said = String(Buffer.concat(await at.stdout.toArray().catch(() => [])));
    await at.result;
    assert.equal(said, 'ran\r\nran\r\n');
  };
  assert.ok((await sweep(own.launcher, exhausted, terminal)) > 0);
});

test('a sandbox that stays, its commands and files', { skip, timeout: 60_000 }, async () => {
  await using own = await openUngrouped();
  const open = async () => {
    const { sandbox } = await own.open();
    await sandbox.close();
  };
  assert.ok((await sweep(own.launcher, exhausted, open)) > 0);
  const { sandbox } = await own.open();
  const use = async () => {
    const streamed = own.job('cat', { stdin: 'stream', stdout: 'stream' });
    const runs = [sandbox.spawn(streamed), sandbox.spawn(streamed), sandbox.spawn(streamed)];
    for (const run of runs) run.stdin.end('x');
    const ends = await Promise.allSettled(runs.map((run) => run.result));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    assert.equal((await sandbox.files({ op: 'stat', path: '/' })).errno, 0);
  };
  assert.ok((await sweep(own.launcher, exhausted, use)) > 0);
  assert.equal(ranFrom(await sandbox.run(own.job('echo whole'))).stdout, 'whole\n');
});

test('a connection into a sandbox', { skip, timeout: 60_000 }, async () => {
  await using wall = await Wall.open();
  const script = `import socket
s = socket.create_server(('127.0.0.1', 8080))
print('up')
while True: s.accept()[0].close()`;
  const argv = ['python3', '-uc', script];
  const { kind, job } = wall.prepare({ argv, policy: { network: { listen: [8080] } } });
  const plan = wall.client.preparePlan(encodePlan(kind));
  const { promise: dial, resolve: onDial } = Promise.withResolvers<Dial>();
  const run = wall.client.spawn(plan, { ...job, stdout: 'stream', stderr: 'stream' }, { onDial });
  await firstOutput(run);
  const reach = await dial;
  const refused = (error: unknown) =>
    isCaissonError(error) && error.code === 'NETWORK_FAILED' && error.details.errno === 'EMFILE';
  const launcher = wall.client.pid ?? 0;
  const refusals = await sweep(launcher, refused, async () => {
    (await reach(8080)).close();
  });
  assert.ok(refusals > 0);
  run.kill();
  assert.equal((await run.result).cause, 5);
});

test('sandboxes in groups of their own, and such as are kept ready', {
  skip,
  timeout: 60_000,
}, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['/bin/sh', '-c', 'echo ran'] });
  const plan = wall.client.preparePlan(encodePlan(kind), { slots: 2 });
  const twoAtOnce = async () => {
    const runs = await Promise.allSettled([wall.client.run(plan, job), wall.client.run(plan, job)]);
    for (const run of runs) {
      if (run.status === 'rejected') throw run.reason;
      assert.equal(ranFrom(run.value).stdout, 'ran\n');
    }
  };
  const launcher = wall.client.pid ?? 0;
  await twoAtOnce();
  allow(launcher, 0);
  const many = await Promise.allSettled(Array.from({ length: 12 }, twoAtOnce));
  assert.ok(many.some((one) => one.status === 'rejected'));
  for (const one of many)
    if (one.status === 'rejected') assert.ok(exhausted(one.reason), one.reason);
  allowAll(launcher);
  for (let i = 0; i < 4; i++) await twoAtOnce();
});
