/**
 * Side channels between processes: what the guest has of speculation and clocks, seen from inside. Ablated: the plan
 * without its record. What this machine cannot do must fail the run, never be left out.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Caisson } from '../../src/compose.ts';
import type { SideChannelControl } from '../../src/plan/plan.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { needs, Range, Wall } from './harness.ts';

const status = (text: string, name: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim();

/** Whether prctl can turn one off for a process here: what /proc says then. */
const own = readFileSync('/proc/self/status', 'utf8');
const settable = (name: string) =>
  /^(thread vulnerable|conditional enabled)$/.test(status(own, name) ?? '');

const lines = {
  'store-bypass': ['Speculation_Store_Bypass', 'thread force mitigated'],
  'indirect-branch': ['SpeculationIndirectBranch', 'conditional force disabled'],
} as const;

for (const [control, [name, mitigated]] of Object.entries(lines)) {
  test(`${control}: off in the guest and what it starts, for good, or the run is refused`, {
    skip: needs.root,
  }, async () => {
    await using wall = await Wall.open();
    const which = control === 'store-bypass' ? 0 : 1;
    const program = `import ctypes, os
ctypes.CDLL(None).prctl(53, ${which}, 2, 0, 0)
os.execvp("sh", ["sh", "-c", "cat /proc/self/status"])`;
    const setup = wall.prepare({ argv: ['/usr/bin/python3', '-c', program] });
    const free = await wall.run(setup);
    assert.notEqual(status(free.stdout, name), undefined);
    assert.notEqual(status(free.stdout, name), mitigated, 'ablated');
    const kind = { ...setup.kind, sideChannels: [control as SideChannelControl] };
    if (settable(name)) {
      assert.equal(status((await wall.run({ ...setup, kind })).stdout, name), mitigated);
    } else if (status(own, name) === 'always disabled') {
      assert.equal((await wall.run({ ...setup, kind })).code, 0, 'off for everybody');
    } else {
      await assert.rejects(wall.run({ ...setup, kind }), /speculat/);
    }
  });
}

test('result grid: a guest that tells by how long it takes tells the cell alone', {
  skip: needs.root,
}, async () => {
  await using caisson = await Caisson.open();
  /** Times of the outcome, and when it was to be had. */
  const told = async (policy: PolicyDocument, how: 'run' | 'spawn' | 'exec', secret: boolean) => {
    const argv = ['sh', '-c', `sleep ${secret ? 0.15 : 0}; echo done`];
    await using sandbox = how === 'exec' ? await caisson.create({ policy }) : undefined;
    const begin = performance.now();
    const first: number[] = [];
    const outcome = await (async () => {
      if (sandbox !== undefined) return await sandbox.exec(argv);
      if (how === 'run') return await caisson.run(argv, { policy });
      const guest = await caisson.spawn(argv, { policy });
      for await (const _ of guest) first.push(performance.now() - begin);
      return await guest.outcome;
    })();
    assert.equal(outcome.kind, 'exited');
    const { usage, timing } = outcome;
    const times = [usage.wallMs, usage.cpuUserMs, usage.cpuSystemMs, ...Object.values(timing)];
    return {
      times,
      runMs: timing.runMs,
      first: first[0] ?? Number.POSITIVE_INFINITY,
      atMs: performance.now() - begin,
    };
  };
  const cell = 3000;
  const level = { version: 1, level: 'strict' } as const;
  const grid = { ...level, sideChannels: { resultGrid: '3s' } };
  for (const how of ['run', 'spawn', 'exec'] as const) {
    const free = { quick: await told(level, how, false), slow: await told(level, how, true) };
    assert.ok(free.slow.runMs >= 150 && free.quick.runMs !== free.slow.runMs, 'ablated');
    const [quick, slow] = await Promise.all([told(grid, how, false), told(grid, how, true)]);
    assert.deepEqual(quick.times, slow.times, how);
    for (const one of [quick, slow]) {
      assert.ok(
        one.times.every((time) => time % cell === 0),
        one.times.join(),
      );
      // A timer may come a moment later, never before.
      assert.ok(Math.min(one.atMs, one.first) >= cell, `${how}: ${one.atMs}, ${one.first}`);
    }
  }
});

test('result grid: each command of a shell has its own, and its time limit counts its own time', {
  skip: needs.root,
}, async () => {
  await using caisson = await Caisson.open();
  const policy = { version: 1, sideChannels: { resultGrid: '4s' } } as const;
  await using sandbox = await caisson.create({ policy });
  const shell = sandbox.shell();
  for (const word of ['first', 'second']) {
    const begin = performance.now();
    const { kind, stdout } = await shell.run(`echo ${word}`, { timeoutMs: 3500 });
    assert.deepEqual([kind, stdout.text], ['exited', `${word}\n`]);
    assert.ok(performance.now() - begin >= 4000);
  }
});

test('core scheduling: a cookie for the whole sandbox, or no sandbox', {
  skip: needs.root,
}, async () => {
  await using wall = await Wall.open();
  const setup = wall.prepare({ argv: ['/bin/true'] });
  assert.equal((await wall.run(setup)).code, 0, 'ablated');
  const kind = { ...setup.kind, sideChannels: ['core-cookie'] as const };
  if (wall.facts.sideChannels?.coreScheduling === 0) {
    assert.equal((await wall.run({ ...setup, kind })).code, 0);
  } else {
    await assert.rejects(wall.run({ ...setup, kind }), /core scheduling/);
  }
});

test('time stamp counter: reading it ends a program, and it cannot be had back', {
  skip:
    needs.rootAndGcc ||
    (process.arch === 'x64' ? false : 'the time stamp counter is of x86-64 here'),
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  assert.equal(wall.facts.sideChannels?.tsc, 0, 'the probe tried it');
  const program = range.program(
    'tsc',
    `int main(int argc, char **argv) {
  if (argc > 1 && argv[1][0] == 'u') printf("undo %d\\n", prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0) < 0 ? errno : 0);
  if (argc > 1 && argv[1][0] == 'c') execl(argv[0], argv[0], "", (char *)0);
  fflush(stdout);
  if (argc > 1 && argv[1][0] == 'n') return 3;
  unsigned low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  puts("read");
  return 0;
}`,
  );
  const run = async (policy: Readonly<Record<string, unknown>>, ...args: string[]) =>
    await wall.run(
      wall.prepare({
        policy: { filesystem: { read: [range.path] }, ...policy },
        argv: [program, ...args],
      }),
    );
  const deny = { sideChannels: { tsc: 'deny' } };
  assert.equal((await run({})).stdout, 'read\n', 'ablated');
  assert.equal((await run({}, 'undo')).stdout, 'undo 0\nread\n', 'ablated');
  assert.equal((await run(deny, 'nothing')).code, 3, 'a program that does not read it runs');
  for (const args of [[], ['child']]) {
    const ran = await run(deny, ...args);
    assert.equal(ran.code, 128 + 11, 'SIGSEGV');
    assert.equal(ran.stdout, '');
  }
  const undo = await run(deny, 'undo');
  assert.equal(undo.stdout, 'undo 1\n');
  assert.equal(undo.code, 128 + 11);
  // Without the filter's check it would come back.
  const setup = wall.prepare({
    policy: { ...deny, filesystem: { read: [range.path] } },
    argv: [program, 'undo'],
  });
  const open = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [program] });
  const { seccomp, notified } = open.kind;
  assert.ok(seccomp !== undefined && notified !== undefined);
  const unguarded = await wall.run({ ...setup, kind: { ...setup.kind, seccomp, notified } });
  assert.equal(unguarded.stdout, 'undo 0\nread\n', 'ablated');
});
