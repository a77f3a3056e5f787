/**
 * Taking what is finite: processes, memory, file systems, inodes, descriptors, output, processor time, arguments. The host
 * notices nothing of it, and after the death of everything that held the limits nothing goes on.
 * Ablated: the same program with its limit taken out; it stops by itself a little beyond.
 * Long because each thing that can be taken has a program and a test of its own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../bench/process-tree.ts';
import { Caisson } from '../../src/index.ts';
import { limitBit, resultCause } from '../../src/launcher/protocol/decode-result.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Mount } from '../../src/plan/plan.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { statOf } from '../proc-stat.ts';
import { named, running } from '../processes.ts';
import { until } from '../until.ts';
import { mountsBelow, needs, type Ran, Range, ranFrom, Wall, without } from './harness.ts';

const limits = {
  timeout: '20s',
  memory: '96MiB',
  processes: 24,
  openFiles: 64,
  scratch: '4MiB',
  output: '64KiB',
  fileSize: '8MiB',
};

test('a fork bomb', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const mark = `bomb-${process.pid % 100_000}`;
  const counted = range.program(
    'counted',
    `int main(void) { int made = 0; while (made < 400) { pid_t pid = fork(); if (pid == 0) for (;;) pause(); if (pid < 0) break; made++; }
     printf("%d\\n", made); return 0; }`,
  );
  const policy = { filesystem: { read: [range.path] }, limits };
  const whole = wall.prepare({ policy, argv: [counted] });
  assert.equal((await wall.run(without(whole, 'cgroup', 'rlimits'))).stdout, '400\n');
  const cgroup = await wall.run(without(whole, 'rlimits'));
  assert.equal(cgroup.stdout, '23\n', 'the cgroup alone: 24 with the one that forks');
  const rlimit = Number((await wall.run(without(whole, 'cgroup'))).stdout);
  assert.ok(rlimit < 48, `the rlimit alone, further out: ${rlimit}`);

  const bomb = range.program(
    'bomb',
    `int main(void) { prctl(PR_SET_NAME, "${mark}"); signal(SIGTERM, SIG_IGN); for (;;) if (fork() == 0) setsid(); }`,
  );
  const other = wall.prepare({ argv: ['true'] });
  // What a fork had taken is charged until the kernel finds time to free it.
  const short = { ...policy, limits: { ...limits, memory: '4GiB', timeout: '4s' } };
  let over = false;
  const running = wall.run(wall.prepare({ policy: short, argv: [bomb] })).finally(() => {
    over = true;
  });
  await until('it goes off', () => named(mark).length > 12);
  await wall.run(other);
  assert.equal(over, false, 'others go on meanwhile');
  const ended = await running;
  assert.equal(ended.raw.cause, resultCause.wall);
  assert.ok(ended.raw.limitsHit & limitBit.processes);
  assert.deepEqual(named(mark), []);
});

test('memory, by every way that there is', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'fill',
    `
#include <sys/shm.h>
#define WANTED (160u << 20)
int main(int argc, char **argv) {
  char *memory = NULL;
  if (strcmp(argv[1], "heap") == 0) memory = mmap(NULL, WANTED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (strcmp(argv[1], "shared") == 0) memory = mmap(NULL, WANTED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (strcmp(argv[1], "memfd") == 0) {
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    ftruncate(fd, WANTED);
    memory = mmap(NULL, WANTED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (strcmp(argv[1], "sysv") == 0) memory = shmat(shmget(IPC_PRIVATE, WANTED, 0600), NULL, 0);
  if (strcmp(argv[1], "family") == 0) { /* each a little, below any limit of one process */
    for (int i = 0; i < 16; i++) {
      if (fork()) continue;
      char *part = malloc(WANTED / 16);
      memset(part, 1, WANTED / 16);
      pause();
    }
    sleep(1);
    puts("filled");
    return 0;
  }
  if (memory == MAP_FAILED || memory == NULL) return 9;
  memset(memory, 1, WANTED);
  puts("filled");
  return 0;
}`,
  );
  const policy = {
    filesystem: { read: [range.path] },
    limits: { ...limits, fileSize: '1GiB' },
  };
  for (const way of ['heap', 'shared', 'memfd', 'sysv', 'family']) {
    const whole = wall.prepare({ policy, argv: [program, way] });
    assert.equal((await wall.run(without(whole, 'cgroup'))).stdout, 'filled\n', way);
    const held = await wall.run(whole);
    assert.equal(held.raw.cause, resultCause.memory, way);
    assert.equal(held.stdout, '', way);
    assert.ok(held.raw.memoryPeakBytes <= 97 << 20, `${way}: ${held.raw.memoryPeakBytes}`);
  }
});

test('file systems: bytes, inodes, and the places that are nobody’s', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'fill',
    `int main(int argc, char **argv) {
      static char block[65536];
      char path[300];
      for (int i = 1; i < argc; i++) {
        snprintf(path, sizeof path, "%s/fill", argv[i]);
        long bytes = 0, files = 0;
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        while (fd >= 0 && bytes < (6 << 20)) { ssize_t n = write(fd, block, sizeof block); if (n <= 0) break; bytes += n; }
        if (fd >= 0) { close(fd); unlink(path); }
        while (files < 3000) { snprintf(path, sizeof path, "%s/%ld", argv[i], files); if (mkdir(path, 0700) < 0) break; files++; }
        printf("%s %ld %ld\\n", argv[i], bytes >> 20, files);
      }
      return 0;
    }`,
  );
  const workspace = range.directory('work');
  const policy = { filesystem: { read: [range.path, '.'] }, limits };
  const places = ['/tmp', '/dev/shm'];
  const others = ['/', '/etc', '/dev', '/usr', '/proc', workspace, '/dev/pts'];
  const whole = wall.prepare({ policy, argv: [program, ...places, ...others], workspace });
  const endless = (mount: Mount): Mount => {
    if (mount.kind !== 'tmpfs') return mount;
    const { bytes: _bytes, inodes: _inodes, ...rest } = mount;
    return rest;
  };
  const bare = { ...whole, kind: { ...whole.kind, mounts: whole.kind.mounts.map(endless) } };
  assert.match(
    (await wall.run(without(bare, 'cgroup'))).stdout,
    /^\/tmp 6 3000\n\/dev\/shm 6 3000$/m,
  );
  const { stdout } = await wall.run(whole);
  const [tmp = '', shm = '', ...rest] = stdout.trim().split('\n');
  for (const line of [tmp, shm]) {
    const [, bytes, files] = line.split(' ').map(Number);
    assert.equal(bytes, 4, line);
    assert.ok((files ?? 0) > 500 && (files ?? 0) < 1100, line);
  }
  assert.deepEqual(
    rest,
    others.map((place) => `${place} 0 0`),
  );
  assert.deepEqual(readdirSync(workspace), []);
});

test('descriptors, the size of a file, and core dumps', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'many',
    `int main(int argc, char **argv) {
      int open_ones = 0;
      while (open_ones < 200 && dup(0) >= 0) open_ones++;
      for (int fd = 3; fd < 300; fd++) close(fd);
      signal(SIGXFSZ, SIG_IGN);
      static char block[1 << 20];
      long written = 0;
      int fd = open("big", O_CREAT | O_WRONLY, 0600);
      while (written < (12 << 20)) { ssize_t n = write(fd, block, sizeof block); if (n <= 0) break; written += n; }
      unlink("big");
      printf("%d %ld\\n", open_ones, written >> 20);
      fflush(stdout);
      if (argc > 1) abort();
      return 0;
    }`,
  );
  const workspace = range.directory('work');
  const policy = { filesystem: { read: ['.', range.path], write: ['.'] }, limits };
  const whole = wall.prepare({ policy, argv: [program], workspace });
  assert.equal((await wall.run(without(whole, 'rlimits'))).stdout, '200 12\n');
  assert.equal((await wall.run(whole)).stdout, '61 8\n');

  const crash = wall.prepare({ policy, argv: [program, 'crash'], workspace });
  const raised = crash.kind.rlimits.map((one) =>
    one.resource === 4 ? { ...one, soft: 1n << 30n, hard: 1n << 30n } : one,
  );
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
  assert.equal(
    (await wall.run({ ...crash, kind: { ...crash.kind, rlimits: raised } })).raw.status & 0x7f,
    6,
  );
  // Where the host hands cores to a program or keeps them elsewhere, none would lie here.
  if (/^core(?:\.%p)?$/.test(pattern))
    assert.ok(readdirSync(workspace).some((name) => name.startsWith('core')));
  for (const name of readdirSync(workspace))
    (await import('node:fs')).rmSync(join(workspace, name));
  assert.equal((await wall.run(crash)).raw.status, 6, 'aborted, and no core (bit 0x80)');
  assert.deepEqual(readdirSync(workspace), []);
});

test('an output flood: kept is what the limit says, and the launcher does not grow', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'flood',
    `int main(int argc, char **argv) { static char block[65536]; memset(block, 'y', sizeof block); long left = atol(argv[1]) << 20;
     while (left > 0) { ssize_t n = write(1, block, sizeof block); if (n <= 0) break; left -= n; } return 0; }`,
  );
  const resident = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${wall.client.pid}/status`, 'utf8'))?.[1]) /
    1024;
  const policy = { filesystem: { read: [range.path] }, limits };
  const whole = wall.prepare({ policy, argv: [program, '48'] });
  const endless = {
    ...whole,
    kind: { ...whole.kind, limits: { ...whole.kind.limits, outputBytes: 1 << 26 } },
  };
  const before = resident();
  assert.equal((await wall.run(endless)).raw.stdout.bytes.length, 48 << 20, 'all of it is kept');
  const held: Ran = await wall.run(whole);
  assert.equal(held.raw.stdout.bytes.length, 64 << 10);
  assert.equal(held.raw.stdout.totalBytes, 48 << 20);
  assert.ok(held.raw.limitsHit & limitBit.output);

  // A reader that does not read: the guest waits, the launcher keeps no more than it promised.
  const settled = resident();
  const endlessly = wall.prepare({ policy, argv: [program, '100000'] });
  const plan = wall.client.preparePlan(encodePlan(endlessly.kind));
  const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
  const execution = wall.client.spawn(plan, { ...endlessly.job, ...streams });
  await execution.started;
  await sleep(400);
  assert.ok(resident() - settled < 8, `${before} ${settled} ${resident()} MiB`);
  execution.kill();
  execution.stdout.resume();
  execution.stderr.resume();
  await execution.result;
  await wall.client.forgetPlan(plan);
});

test('a sandbox that stands still holds up nobody', { skip: needs.root }, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['true'] });
  const plan = wall.client.preparePlan(encodePlan(kind));
  const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
  await sandbox.opened;
  await sandbox.files({ op: 'stat', path: '/tmp' });
  const argv = [
    'sh',
    '-c',
    'echo $#',
    'sh',
    ...Array.from({ length: 15 }, () => 'x'.repeat(100_000)),
  ];
  const ask = () =>
    [
      sandbox.files({ op: 'write', path: '/tmp/big', data: Buffer.alloc(1 << 20), flags: 1 }),
      sandbox.run({ ...job, mounts: [], argv }),
    ] as const;
  // Ablated: awake, it takes both at once; neither fits into a socket's buffer.
  const [written, counted] = ask();
  assert.equal((await written).errno, 0);
  assert.equal(ranFrom(await counted).stdout, '15\n');

  await sandbox.freeze(true);
  const [frozenWrite, frozenRun] = ask();
  const settled = [frozenWrite, frozenRun].map((one) =>
    one.then(
      () => true,
      () => true,
    ),
  );
  const waited = sleep(100).then(() => false);
  assert.equal(await Promise.race([...settled, waited]), false, 'it stands still');
  const late = sleep(20_000, undefined, { ref: false });
  const other = await Promise.race([wall.run({ kind, job }), late]);
  assert.equal(other?.code, 0, 'others run meanwhile');
  await sandbox.freeze(false);
  assert.equal((await frozenWrite).errno, 0);
  assert.equal(ranFrom(await frozenRun).stdout, '15\n');
  await sandbox.close();
  await wall.client.forgetPlan(plan);
});

test('arguments and variables without end', { skip: needs.root }, async () => {
  await using caisson = await Caisson.open();
  const refused = { code: 'REQUEST_INVALID' };
  await assert.rejects(caisson.run(['true', 'x'.repeat(10 << 20)]), refused);
  await assert.rejects(caisson.run(['true', ...Array(40_000).fill('x')]), refused);
  await assert.rejects(caisson.run(['true'], { env: { A: 'x'.repeat(1 << 20) } }), refused);
  const vars = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`V${i}`, 'x']));
  await assert.rejects(caisson.run(['true'], { env: vars }), refused);
  // Just inside: 1.5 MiB of arguments run.
  const many = Array.from({ length: 15 }, () => 'x'.repeat(100_000));
  assert.equal((await caisson.run(['sh', '-c', 'echo $#', 'sh', ...many])).stdout.text, '15\n');
});

test('a processor spun past its limit, alone and by a family in sessions of its own', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const mark = `spin-${process.pid % 100_000}`;
  const program = range.program(
    'spin',
    `int main(int argc, char **argv) {
      prctl(PR_SET_NAME, "${mark}");
      signal(SIGXCPU, SIG_IGN);
      signal(SIGTERM, SIG_IGN);
      if (argc > 1) for (int i = 0; i < 3; i++) if (fork() == 0) { setsid(); break; }
      for (;;) ;
    }`,
  );
  const spun = (argv: string[], timeout: string) => {
    const cpu = { ...limits, cpuTime: '400ms', timeout };
    return wall.prepare({ policy: { filesystem: { read: [range.path] }, limits: cpu }, argv });
  };
  for (const argv of [[program], [program, 'family']]) {
    // As long as it takes on a machine that has others to serve.
    let used = 0;
    for (const timeout of ['1500ms', '5s', '20s']) {
      const whole = spun(argv, timeout);
      const { cpuMs: _, ...clockless } = whole.kind.limits;
      const bare = without({ ...whole, kind: { ...whole.kind, limits: clockless } }, 'rlimits');
      const ran = await wall.run(bare);
      assert.equal(ran.raw.cause, resultCause.wall, 'only the wall clock ends it');
      used = ran.raw.cpuUserUs + ran.raw.cpuSystemUs;
      if (used > 600_000) break;
    }
    assert.ok(used > 600_000, `${used} µs`);
    const held = await wall.run(spun(argv, '20s'));
    assert.equal(held.raw.cause, resultCause.cpu);
    assert.ok(held.raw.limitsHit & limitBit.cpu);
    assert.deepEqual(named(mark), []);
  }
});

test('kill -9 of the launcher: everything is gone at once, and its groups with the next one', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const mark = `orphan-${process.pid % 100_000}`;
  const program = range.program(
    'orphan',
    `int main(void) { prctl(PR_SET_NAME, "${mark}"); for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
     for (int i = 0; i < 3; i++) if (fork() == 0) { setsid(); if (i == 1) raise(SIGSTOP); }
     write(1, "x", 1); for (;;) pause(); }`,
  );
  // Ablated: what a plain child does when the one that started it dies.
  const shell = spawn('sh', ['-c', `${program} & sleep 60 & wait`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => shell.stdout.once('data', resolve));
  shell.kill('SIGKILL');
  shell.stdout.destroy();
  await once(shell, 'exit');
  assert.ok(named(mark).length >= 2, 'it lives on');
  for (const pid of named(mark)) process.kill(pid, 'SIGKILL');
  for (const pid of running('sleep', '60'))
    if (statOf(pid)?.parent === shell.pid) process.kill(pid, 'SIGKILL');
  await until('nothing of it is left', () => named(mark).length === 0);

  for (const frozen of [false, true]) {
    const wall = await Wall.open();
    const workspace = range.directory('work');
    const policy = { filesystem: { read: ['.', range.path], write: ['.'] } };
    const { kind, job } = wall.prepare({ policy, argv: [program], workspace });
    const plan = wall.client.preparePlan(encodePlan(kind), { slots: 3 });
    const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
    await sandbox.opened;
    const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
    const execution = sandbox.spawn({ ...job, mounts: [], ...streams });
    await new Promise((resolve) => execution.stdout.once('data', resolve));
    if (frozen) await sandbox.freeze(true);
    const launcher = wall.client.pid ?? 0;
    const below = processTree(launcher);
    assert.ok(below.length > 4 && named(mark).length >= 4);
    const tree = new NotedProcesses(below);
    /** A zombie is dead; when it is buried is up to whoever it was left to. */
    const alive = () => tree.left().filter((each) => !/ [ZX]$/.test(each));
    process.kill(launcher, 'SIGKILL');
    await assert.rejects(execution.result, { code: 'LAUNCHER_GONE' });
    await until(
      () => `of what was ${frozen ? 'frozen' : 'running'} nothing is alive: ${alive()}`,
      () => alive().length === 0,
    );
    assert.deepEqual(named(mark), []);
    assert.deepEqual(mountsBelow(workspace), []);
    assert.deepEqual(readdirSync(workspace), []);
    await wall.client.close();

    // What then remains, the next launcher removes.
    await using next = await Wall.open();
    await next.run(next.prepare({ argv: ['true'] }));
    assert.deepEqual(groupsOf(launcher), []);
  }
});

function groupsOf(launcher: number): string[] {
  const roots = [
    '',
    ...['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'freezer', 'unified'].map(
      (name) => `/${name}`,
    ),
  ];
  return roots
    .map((root) => `/sys/fs/cgroup${root}`)
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path).filter((name) => name.startsWith(`caisson-${launcher}-`)));
}
