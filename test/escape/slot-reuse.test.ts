/**
 * A slot serves one job. What run N leaves behind (processes of every shape, files, memory, environment, keys) is gone
 * before run N+1 begins, and before the result of N is told; a sandbox that is closed leaves nothing either.
 * Ablated: the same programs in a plain child, or in a sandbox that is kept and used twice.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job } from '../../src/plan/plan.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { named } from '../processes.ts';
import { until } from '../until.ts';
import { needs, Range, ranFrom, Wall } from './harness.ts';

/** Leaves processes of every shape that outlive a parent, and ends. */
const litter = `
#include <sys/timerfd.h>
static int there[2];
static void await_so_many(int count) {
  char one;
  while (count > 0 && read(there[0], &one, 1) == 1) count--;
}
static void linger(const char *mark) {
  prctl(PR_SET_NAME, mark);
  for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
  (void)!write(there[1], "x", 1);
  for (int fd = 0; fd < 64; fd++) close(fd);
  for (;;) pause();
}
int main(int argc, char **argv) {
  const char *mark = argv[1];
  if (pipe(there) < 0) return 9;
  if (fork() == 0) linger(mark);
  if (fork() == 0) { setsid(); if (fork() == 0) { setsid(); linger(mark); } _exit(0); }
  pid_t stopped = fork();
  if (stopped == 0) linger(mark);
  await_so_many(3);
  kill(stopped, SIGSTOP);
  if (fork() == 0) {
    /* Its parent sleeps in vfork for ever. */
    prctl(PR_SET_NAME, mark);
    if (vfork() == 0) { setsid(); (void)!write(there[1], "x", 1); for (;;) syscall(SYS_pause_or_ppoll, NULL, 0, NULL, NULL, 0); }
    _exit(0);
  }
  pid_t traced = fork();
  if (traced == 0) { setpgid(0, 0); linger(mark); }
  await_so_many(2);
  puts("littered");
  return 0;
}`.replace('SYS_pause_or_ppoll', 'SYS_ppoll');

const mark = `litter-${process.pid % 100_000}`;

test('daemons, double forks, sessions, stopped and vforked ones: dead when the result is told', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const program = range.program('litter', litter);

  // Ablated: a plain child, ended with its process group as a careful caller would.
  const child = spawn(program, [mark], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise((resolve) => child.once('exit', resolve));
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {}
  await until('somebody has got away from the group', () => named(mark).length >= 2);
  const left = named(mark);
  for (const pid of left) process.kill(pid, 'SIGKILL');
  await until('none of them is left', () => named(mark).length === 0);

  await using wall = await Wall.open();
  const prepared = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [program, mark],
  });
  for (let round = 0; round < 3; round++) {
    const { stdout, raw } = await wall.run(prepared);
    assert.deepEqual(named(mark), [], 'at the moment of the result');
    assert.equal(stdout, 'littered\n');
    assert.ok(raw.leftBehind >= 5, `${raw.leftBehind} were found and killed`);
  }

  // In a sandbox that is kept they live on, as background jobs should; closing ends them all.
  const plan = wall.client.preparePlan(encodePlan(prepared.kind));
  for (const end of ['close', 'freeze and close', 'init is killed'] as const) {
    const sandbox = wall.client.openSandbox(plan, { ...prepared.job, argv: [] });
    const init = await sandbox.opened;
    const noted = new NotedProcesses([init]);
    await sandbox.run({ ...prepared.job, mounts: [] });
    assert.ok(named(mark).length >= 5, 'kept');
    if (end === 'freeze and close') await sandbox.freeze(true);
    if (end === 'init is killed') process.kill(init, 'SIGKILL');
    if (end !== 'init is killed') await sandbox.close();
    await sandbox.closed;
    assert.deepEqual(named(mark), [], end);
    assert.deepEqual(noted.left(), []);
  }
  await wall.client.forgetPlan(plan);
});

/** Leaves word everywhere; then looks for what an earlier run left. */
const diary = `
int main(int argc, char **argv) {
  const char *places[] = {"/tmp/diary", "/dev/shm/diary", "/tmp/.hidden/diary"};
  for (int i = 0; i < 3; i++) {
    if (access(places[i], F_OK) == 0) printf("file %s\\n", places[i]);
    mkdir("/tmp/.hidden", 0700);
    int fd = open(places[i], O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) { write(fd, "dear diary", 10); close(fd); }
  }
  if (getenv("DIARY")) puts("environment");
  long key = syscall(SYS_keyctl, 10, -4L, "user", "diary", 0L);
  if (key >= 0) puts("key");
  syscall(SYS_add_key, "user", "diary", "x", 1L, -4);
  if (getpid() > 40) printf("pid %d\\n", getpid());
  /* Memory that was not cleared: of the stack, the heap, pages given back. */
  size_t size = 32u << 20;
  unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < size; i++) if (memory[i]) { puts("memory"); break; }
  memset(memory, 0xd1, size);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur == 33) puts("rlimit");
  limit.rlim_cur = 33;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (umask(0777) != 022) puts("umask");
  for (int fd = 3; fd < 256; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("descriptor %d\\n", fd);
  char host[64] = "";
  gethostname(host, 63);
  printf("host %s\\n", host);
  return 0;
}`;

test('the next run finds nothing of the last: files, environment, keys, memory, limits', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const program = range.program('diary', diary);
  await using wall = await Wall.open();
  const policy = { filesystem: { read: [range.path] } };
  const { kind, job } = wall.prepare({ policy, argv: [program] });

  // Ablated: one sandbox, kept and used twice. What it keeps is what a slot used twice would leak.
  const plan = wall.client.preparePlan(encodePlan(kind), { slots: 3 });
  await plan.ready;
  const kept = wall.client.openSandbox(plan, { ...job, argv: [] });
  await kept.opened;
  const inside: Job = { ...job, mounts: [] };
  await kept.run({ ...inside, env: [['DIARY', '1']] });
  const again = ranFrom(await kept.run(inside)).stdout;
  assert.match(again, /file \/tmp\/diary\nfile \/dev\/shm\/diary\nfile \/tmp\/\.hidden\/diary/);
  await kept.close();

  for (let round = 0; round < 12; round++) {
    const env = round % 2 === 0 ? ([['DIARY', '1']] as const) : [];
    const { stdout, code } = ranFrom(await wall.client.run(plan, { ...job, env }));
    assert.equal(code, 0);
    assert.equal(stdout, `${round % 2 === 0 ? 'environment\n' : ''}host caisson\n`, `run ${round}`);
    if (round % 4 === 3) await sleep(30); // so that both fresh and warm ones have their turn
  }
  await wall.client.forgetPlan(plan);
});

test('no two runs share a namespace, and those of a run are gone from the kernel', {
  skip: needs.root,
}, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({
    argv: ['sh', '-c', 'readlink /proc/self/ns/*; readlink /proc/1/ns/net || true'],
  });
  const plan = wall.client.preparePlan(encodePlan(kind), { slots: 2 });
  await plan.ready;
  const lists: string[][] = [];
  for (let round = 0; round < 6; round++) {
    const { stdout } = ranFrom(await wall.client.run(plan, job));
    lists.push(stdout.trim().split('\n'));
    await sleep(20);
  }
  // Numbers are given out again once a namespace is gone, so that is what is asked of the kernel.
  const host = new Set(
    readdirSync('/proc/self/ns').map((name) => readlinkSync(`/proc/self/ns/${name}`)),
  );
  for (const list of lists) {
    assert.ok(list.length >= 7);
    for (const kindOf of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup']) {
      const own = list.find((each) => each.startsWith(`${kindOf}:`)) ?? '';
      assert.ok(own !== '' && !host.has(own), `${kindOf} is its own`);
    }
  }
  const launcher = wall.client.pid as number;
  assert.notDeepEqual(userNamespacesBelow(launcher), [], 'those of the slots are seen');
  await wall.client.forgetPlan(plan);
  const users = lists.map((list) => list.find((each) => each.startsWith('user:')) ?? '');
  // A slot that is on its way out may have been given a number again.
  const live = () => userNamespacesBelow(launcher).filter((each) => users.includes(each));
  await until('no user namespace of the slots lives', () => live().length === 0);
});

/** Of processes of that one: a number that is given out again may be somebody else's by now. */
function userNamespacesBelow(ancestor: number): string[] {
  const { stdout } = spawnSync('lsns', ['-n', '-t', 'user', '-o', 'NS,PID']);
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, pid]) => isBelow(Number(pid), ancestor) && Number(pid) !== ancestor)
    .map(([number]) => `user:[${number}]`);
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1; ) {
    if (at === ancestor) return true;
    try {
      at = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${at}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      return false;
    }
  }
  return false;
}

test('a kill means the process that was meant, not whoever has its number now', {
  skip: needs.root,
}, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['sleep', '60'] });
  const plan = wall.client.preparePlan(encodePlan(kind));
  const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
  const execution = wall.client.spawn(plan, { ...job, ...streams });
  const init = await execution.started;
  const held = readdirSync(`/proc/${wall.client.pid}/fd`).flatMap((fd) => {
    const path = `/proc/${wall.client.pid}/fdinfo/${fd}`;
    const pid = /^Pid:\s+(\d+)/m.exec(existsSync(path) ? readFileSync(path, 'utf8') : '')?.[1];
    return pid === undefined ? [] : [Number(pid)];
  });
  assert.ok(held.includes(init), 'the launcher holds a pidfd of the init');
  // Gone behind the launcher's back: killing what is no more reaches nobody and is no error.
  process.kill(init, 'SIGKILL');
  assert.equal(ranFrom(await execution.result).code, 137);
  execution.kill();
  const next = await wall.run(wall.prepare({ argv: ['echo', 'fine'] }));
  assert.equal(next.stdout, 'fine\n');
  await wall.client.forgetPlan(plan);
});
