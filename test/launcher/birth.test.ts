/**
 * A sandbox has two voices in its launcher: the nursery, that says what it was born as, and its own init, that says when it
 * is ready. Nothing orders the two sockets. All of them are made to wait at once here, so that inits are heard first.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { needs, ranFrom, Wall } from '../escape/harness.ts';
import { until } from '../until.ts';

const SANDBOXES = 20;

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** What is left of the run before may have gone meanwhile. */
function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
    }
}

/** Inits, each with the process that waits for its job. */
async function areBorn(launcher: number, before: readonly number[]): Promise<void> {
  await until('sandboxes are born', () => {
    const born = childrenOf(launcher).filter((pid) => !before.includes(pid));
    return born.length === SANDBOXES && born.every((pid) => childrenOf(pid).length === 1);
  });
}

test('sandboxes that are ready before their launcher reads of their birth run, and can be ended', {
  skip: needs.root,
}, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['/bin/sh', '-c', 'sleep 0.1; echo ran; sleep 60'] });
  // Without groups one nursery makes them all, and its answers are read one at a time.
  const { cgroup: _, ...ungrouped } = kind;
  const plan = wall.client.preparePlan(encodePlan(ungrouped));
  await plan.ready;
  const quick = { ...job, argv: ['/bin/sh', '-c', 'sleep 0.1; echo ran'] };
  assert.equal(ranFrom(await wall.client.run(plan, quick)).stdout, 'ran\n');

  const launcher = wall.client.pid ?? 0;
  const before = childrenOf(launcher);
  signal(before, 'SIGSTOP');
  const streamed = { ...job, stdout: 'stream' } as const;
  const long = wall.client.spawn(plan, streamed);
  const runs = Array.from({ length: SANDBOXES - 1 }, () => wall.client.run(plan, quick));
  await wall.client.stats(); // answered in its turn: the launcher has asked for all of them
  signal([launcher], 'SIGSTOP');
  signal(before, 'SIGCONT');
  await areBorn(launcher, before);
  signal([launcher], 'SIGCONT');

  const ran = (await Promise.all(runs)).map((raw) => ranFrom(raw));
  assert.deepEqual(
    ran.map(({ code, stdout }) => ({ code, stdout })),
    ran.map(() => ({ code: 0, stdout: 'ran\n' })),
  );
  assert.ok((await long.started) > 0);
  long.kill();
  assert.equal((await long.result).cause, 5);
});
