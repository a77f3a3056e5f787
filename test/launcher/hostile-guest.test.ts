/** What a guest does to whoever looks after it: its launcher, its init, the processes beside it. Seen from the host. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../../src/core/error.ts';
import type { Execution } from '../../src/launcher/execution.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job } from '../../src/plan/plan.ts';
import {
  firstOutput,
  type Mechanism,
  needs,
  Range,
  ranFrom,
  Wall,
  without,
} from '../escape/harness.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { groupsOf, isGroupOf } from '../nothing-left.ts';
import { until } from '../until.ts';
import { childrenOf, descendantsOf, isAsleep } from './stopped.ts';

const skip = needs.rootAndGcc;

/** Each attack says what it achieved, one character for each step, and exits with 7. */
const source = `
static void say(int done) { (void)!write(1, done ? "y" : "n", 1); }
static int spawn_idle(void) { int p = fork(); if (p == 0) { for (;;) pause(); } return p; }
int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "signals")) {
    for (int round = 0; round < 300; round++)
      for (int s = 1; s <= 64; s++) { union sigval v = {0}; kill(1, s); sigqueue(1, s, v); }
  } else if (!strcmp(what, "descriptors")) {
    for (int fd = 3; fd < 4096; fd++) say(fcntl(fd, F_GETFD) >= 0 && fd < 6);
    syscall(SYS_close_range, 0, ~0u, 0);
  } else if (!strcmp(what, "trace")) {
    for (int pid = 1; pid < 12; pid++) {
      if (pid == getpid()) continue;
      int fd = (int)syscall(434 /* pidfd_open */, pid, 0);
      say(ptrace(PTRACE_ATTACH, pid, 0, 0) == 0);
      say(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
      say(fd >= 0 && syscall(438 /* pidfd_getfd */, fd, 3, 0) >= 0);
      char path[64];
      snprintf(path, sizeof path, "/proc/%d/mem", pid);
      say(open(path, O_RDWR) >= 0);
    }
  } else if (!strcmp(what, "limits")) {
    struct rlimit none = {0, 0}; /* of whoever has the same uid (prlimit(2)): init, and who waits for the next command */
    say(prlimit(1, RLIMIT_NOFILE, &none, NULL) == 0);
    for (int pid = 2; pid < 64; pid++) if (pid != getpid()) prlimit(pid, RLIMIT_NOFILE, &none, NULL);
  } else if (!strcmp(what, "own")) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    say(fd >= 0 && write(fd, "-1000", 5) == 5);
    struct rlimit more = {1 << 20, 1 << 20};
    say(setrlimit(RLIMIT_NOFILE, &more) == 0);
    say(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 && 0);
  } else if (!strcmp(what, "orphans")) {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int parents[8], born[2];
    char one;
    if (pipe(born) < 0) return 9;
    for (int i = 0; i < 8; i++)
      if ((parents[i] = fork()) == 0) { setsid(); if (fork() == 0) { spawn_idle(); (void)!write(born[1], "x", 1); for (;;) pause(); } _exit(0); }
    for (int i = 0; i < 8; i++) { waitpid(parents[i], NULL, 0); (void)!read(born[0], &one, 1); }
  } else if (!strcmp(what, "namespaces")) {
    int made = 0;
    for (int i = 0; i < 1000; i++) made += unshare(i % 40 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) == 0;
    for (int i = 0; i < 1000; i++) made += mount("none", "/tmp", "tmpfs", 0, NULL) == 0;
    say(made > 1000);
  } else if (!strcmp(what, "forks")) {
    write(1, "up", 2);
    for (;;) { int p = fork(); if (p == 0) _exit(0); if (p > 0) waitpid(p, NULL, 0); }
  } else if (!strcmp(what, "fill")) {
    write(1, "up", 2);
    for (;;) if (fork() < 0) usleep(5000);
  } else if (!strcmp(what, "stop")) {
    char go;
    (void)!read(0, &go, 1);
    kill(-1, SIGSTOP);
  } else if (!strcmp(what, "unlink")) {
    say(mkdir("/tmp/d", 0755) == 0 && chdir("/tmp/d") == 0 && rmdir("/tmp/d") == 0);
  }
  return 7;
}`;

let range: Range;
let program: string;
before(() => {
  if (skip !== false) return;
  range = new Range();
  program = range.program('guest', source);
});
after(() => {
  if (skip === false) range[Symbol.dispose]();
});

/** A launcher with a neighbour in it, who notices when he is disturbed; and at the end nothing of them may be left. */
async function open(...out: Mechanism[]) {
  const wall = await Wall.open();
  // What a fork had taken is charged until the kernel finds time to free it, and some of these do nothing but fork.
  const limits = { processes: 64, memory: '4 GiB' };
  const policy = { filesystem: { read: [range.path] }, limits };
  const argv = [program, 'none'];
  const from = without(wall.prepare({ argv, policy }), ...out);
  const plan = wall.client.preparePlan(encodePlan(from.kind));
  await wall.client.run(plan, from.job);
  const neighbour = wall.client.openSandbox(plan, { ...from.job, argv: [] });
  await neighbour.opened;
  const ticking = neighbour.spawn({
    ...from.job,
    argv: ['/bin/sh', '-c', 'echo up; read -r word; echo $word; exit 5'],
    stdin: 'stream',
    stdout: 'stream',
  });
  assert.equal(String(await firstOutput(ticking)), 'up\n');
  const launcher = wall.client.pid ?? 0;
  const job = (what: string, more?: Partial<Job>): Job => ({
    ...from.job,
    argv: [program, what],
    ...more,
  });
  return {
    wall,
    plan,
    launcher,
    job,
    box: async () => {
      const sandbox = wall.client.openSandbox(plan, { ...from.job, argv: [] });
      return { sandbox, init: await sandbox.opened };
    },
    [Symbol.asyncDispose]: async () => {
      ticking.stdin.end('whole\n');
      assert.equal(String(Buffer.concat(await ticking.stdout.toArray())), 'whole\n');
      assert.equal((await ticking.result).status, 5 << 8);
      const below = new NotedProcesses(descendantsOf(launcher));
      await wall.client.close();
      assert.deepEqual(below.left(), [], 'a process is left');
      assert.deepEqual(groupsOf(launcher), [], 'a group is left');
    },
  };
}

const started = async (run: Execution): Promise<void> => {
  assert.equal(String(await firstOutput(run)), 'up');
};

test('a launcher beside it is not taken for what is left of it', () => {
  const beside = 'caisson-1869-1481245-4026531836';
  for (const digits of [1836, 26531, 4812, 186]) assert.ok(!isGroupOf(digits, beside), `${digits}`);
  assert.ok(isGroupOf(1869, beside));
});

const hostMounts = (): number => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;

for (const [what, leftBehind] of [
  ['signals', 0],
  ['descriptors', 0],
  ['trace', 0],
  ['own', 0],
  ['orphans', 16],
  ['unlink', 0],
] as const) {
  test(`${what}: it ends as it ended, and achieves nothing`, {
    skip,
    timeout: 60_000,
  }, async () => {
    await using own = await open('seccomp', 'landlock');
    const ran = ranFrom(await own.wall.client.run(own.plan, own.job(what)));
    assert.deepEqual([ran.code, ran.raw.cause, ran.raw.limitsHit], [7, 0, 0]);
    assert.equal(ran.stdout.replaceAll('n', ''), what === 'unlink' ? 'y' : '');
    assert.equal(ran.raw.leftBehind, leftBehind);
    const { sandbox } = await own.box();
    for (let i = 0; i < 3; i++) assert.equal(ranFrom(await sandbox.run(own.job(what))).code, 7);
    assert.equal(ranFrom(await sandbox.run(own.job('none'))).code, 7);
    await sandbox.close();
  });
}

test('a thousand namespaces and mounts are its own, and gone with it', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await open('seccomp', 'landlock');
  const mounts = hostMounts();
  const ran = ranFrom(await own.wall.client.run(own.plan, own.job('namespaces')));
  assert.equal(ran.code, 7);
  assert.equal(ran.stdout, 'y'); // it is let do so here, else nothing would be shown
  assert.equal(hostMounts(), mounts);
});

test('frozen while it forks, thawed and ended while it stands', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await open();
  const { sandbox } = await own.box();
  const run = sandbox.spawn(own.job('forks', { stdout: 'stream' }));
  await started(run);
  const used: number[] = [];
  for (let i = 0; i < 30; i++) {
    await sandbox.freeze(true);
    const before = await sandbox.usage();
    await sleep(10);
    used.push((await sandbox.usage()).cpuUserUs - before.cpuUserUs);
    await sandbox.freeze(false);
  }
  // Who stands is on its way off the processor, and a machine that is one of many may lose that for a while.
  assert.ok(used.filter((us) => us >= 2000).length <= 3, `${used}`);
  await sandbox.freeze(true);
  run.kill();
  await sandbox.freeze(false);
  assert.equal((await run.result).cause, 5);
  // Ended while it is being frozen: whichever comes first.
  for (let i = 0; i < 20; i++) {
    const short = sandbox.run(own.job('none'));
    await sandbox.freeze(true);
    await sandbox.freeze(false);
    assert.equal((await short).status, 7 << 8);
  }
  await sandbox.freeze(true);
  await sandbox.close();
});

test('at its limit of processes the next command waits, is refused, and then runs', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await open();
  const { sandbox, init } = await own.box();
  const run = sandbox.spawn(own.job('fill', { stdout: 'stream' }));
  await started(run);
  await sleep(300);
  const many = Array.from({ length: 4 }, () =>
    sandbox.run(own.job('none', { limits: { wallMs: 800 } })),
  );
  for (const each of await Promise.allSettled(many)) {
    if (each.status === 'fulfilled')
      assert.ok(each.value.cause === 1 || each.value.status === 7 << 8);
    else
      assert.ok(
        isCaissonError(each.reason) && each.reason.code === 'RESOURCE_EXHAUSTED',
        String(each.reason),
      );
  }
  run.kill();
  assert.equal((await run.result).cause, 5);
  await until('the whole of it is ended', () => descendantsOf(init).length <= 1);
  assert.equal(ranFrom(await sandbox.run(own.job('none'))).code, 7);
  await sandbox.close();
});

test('what it has stopped is ended on time', { skip, timeout: 60_000 }, async () => {
  await using own = await open('landlock'); // which would let it signal nobody else
  const { sandbox, init } = await own.box();
  const first = sandbox.spawn(own.job('forks', { stdout: 'stream' }));
  await started(first);
  const stops = sandbox.spawn(own.job('stop', { stdin: 'stream' }));
  await stops.started;
  // Whoever waits for the next command is there, and is stopped with the others.
  const waits = () => childrenOf(init).length === 3 && isAsleep(childrenOf(init).at(-1));
  await until('somebody waits for the next command', waits);
  stops.stdin.end('x');
  assert.equal((await stops.result).status, 7 << 8);
  assert.equal((await sandbox.run(own.job('none', { limits: { wallMs: 300 } }))).cause, 1);
  first.kill();
  assert.equal((await first.result).cause, 5);
  assert.equal(ranFrom(await sandbox.run(own.job('none'))).code, 7);
  await sandbox.close();
});

test('what it does to the limits of its init is its own sandbox’s end', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await open('seccomp', 'landlock');
  const { sandbox } = await own.box();
  const first = ranFrom(await sandbox.run(own.job('limits')));
  assert.equal(first.stdout, 'y');
  assert.ok(first.code === 7 || first.code === 137, `${first.code}`); // init may be the first to go
  // Who waited has no room for its descriptors; then init is gone, and whatever is asked is refused.
  for (let i = 0; i < 3; i++) {
    await assert.rejects(async () => await sandbox.run(own.job('none')), isCaissonError);
  }
  await sandbox.closed;
  await sandbox.close();
});
