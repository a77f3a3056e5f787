/**
 * CVE-2016-8659, CVE-2022-31214: what joins a live sandbox, or has not confined itself yet, is taken over by who is inside.
 * Here that is the sandbox's init, and every command of a kept sandbox before its execve; both have the guest's own uid.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { NotedProcesses } from '../noted-processes.ts';
import {
  firstOutput,
  type Mechanism,
  needs,
  Range,
  Wall,
  weakLauncher,
  without,
  writePlan,
} from './harness.ts';

/** Traces init and every process that appears, for as long as it is let; keeps hold of what it got. */
const tracer = `
int main(void) {
  int own = getpid(), taken = 0;
  puts("ready");
  fflush(stdout);
  for (;;)
    for (int pid = 1; pid < own + 40; pid++)
      if (pid != own && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) taken++;
}`;

const reader = `
int main(void) {
  char text[4096];
  int fd = open("/proc/1/environ", O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (n > 0) write(1, text, (size_t)n);
  return 0;
}`;

const layers: readonly Mechanism[] = ['seccomp', 'landlock', 'no capabilities'];
const allBut = (kept: Mechanism): Mechanism[] => layers.filter((layer) => layer !== kept);

function tracerOf(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return /^TracerPid:\t(\d+)$/m.exec(status)?.[1] ?? '?';
}

test('tracing the init of a live sandbox', { skip: needs.gcc }, async () => {
  using range = new Range();
  const attack = range.program('tracer', tracer);
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('DUMPABLE')]);
  const policy = { filesystem: { read: [range.path] } };
  const made = strong.prepare({ policy, argv: [attack], job: { stdout: 'stream' } });
  /** Whether init has a tracer, as the host's kernel says, while the attack runs. */
  const taken = async (wall: Wall, ...out: Mechanism[]): Promise<boolean> => {
    // Where nothing is in its way it has all the time that it needs; elsewhere it gets more than it needs there.
    const tries = wall === weak && out.length === layers.length ? 1000 : 20;
    const { kind, job } = without(made, ...out);
    const plan = wall.client.preparePlan(encodePlan(kind));
    const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
    const init = await sandbox.opened;
    const execution = sandbox.spawn({ ...job, mounts: [], landlock: [] });
    await firstOutput(execution);
    // Further commands pass through the window between fork and execve, too.
    // One that was traced there never ends: its tracer does not wait for it.
    const more = { ...job, argv: ['/bin/true'], mounts: [], landlock: [] };
    sandbox.run({ ...more, stdout: 'capture' }).catch(() => {});
    let result = false;
    for (let i = 0; i < tries && !result; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      result = tracerOf(init) !== '0';
    }
    await sandbox.close();
    await execution.result.catch(() => {});
    return result;
  };

  assert.equal(await taken(weak, ...layers), true);
  // Each of the four alone keeps it out.
  assert.equal(await taken(strong, ...layers), false);
  for (const layer of layers) assert.equal(await taken(weak, ...allBut(layer)), false, layer);
  assert.equal(await taken(strong), false);
});

test('reading the secrets that the caller’s environment holds from init', {
  skip: needs.gcc,
}, async () => {
  using range = new Range();
  const attack = range.program('reader', reader);
  await using wall = await Wall.open();
  const made = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [attack] });
  const stolen = (program: string, ...out: Mechanism[]): boolean => {
    const plan = writePlan(join(range.path, 'read.plan'), without(made, ...out));
    const env = { SECRET: 'of-the-caller' };
    const { stdout } = spawnSync(program, ['run', plan, '--', attack], { env, encoding: 'utf8' });
    return stdout.includes('of-the-caller');
  };
  const weak = weakLauncher('DUMPABLE');
  assert.equal(stolen(weak, ...layers), true);
  assert.equal(stolen(locateLauncher().path, ...layers), false);
  assert.equal(stolen(weak, 'seccomp', 'landlock'), false, 'init has more capabilities');
  assert.equal(stolen(weak, 'seccomp', 'no capabilities'), false, 'init is in no Landlock domain');
  assert.equal(stolen(locateLauncher().path), false);
});

const vandal = `
int main(void) {
  for (int number = 1; number < 65; number++) kill(1, number);
  for (int what = 0; what < 16; what++) {
    struct rlimit none = {0, 0};
    prlimit(1, what, &none, NULL);
  }
  return 7;
}`;

test('a guest that breaks its own init breaks nobody else', { skip: needs.gcc }, async () => {
  using range = new Range();
  const attack = range.program('vandal', vandal);
  await using wall = await Wall.open();
  const made = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [attack] });
  const bystander = wall.prepare({ argv: ['/bin/echo', 'fine'] });
  const plan = wall.client.preparePlan(encodePlan(made.kind), { slots: 2 });
  for (let round = 0; round < 5; round++) {
    await wall.client.run(plan, made.job).catch(() => {});
    assert.equal((await wall.run(bystander)).stdout, 'fine\n');
  }
  const sandbox = wall.client.openSandbox(plan, { ...made.job, argv: [] });
  const init = new NotedProcesses([await sandbox.opened]);
  const inside = { ...made.job, mounts: [], landlock: [] };
  // Its own sandbox it may well end.
  for (let round = 0; round < 3; round++) await (async () => sandbox.run(inside))().catch(() => {});
  await sandbox.close();
  assert.deepEqual(init.left(), []);
  assert.equal((await wall.run(bystander)).stdout, 'fine\n');
});
