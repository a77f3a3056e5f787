/**
 * The system call filter, from inside a real guest: each call by which kernels were broken into or namespaces left, and
 * every number that there is. Ablated: the plan without its filter.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { errnos } from '../../src/plan/seccomp/action.ts';
import {
  compileActions,
  compileSeccomp,
  expectedAction,
  seccompActions,
} from '../../src/plan/seccomp/compile.ts';
import { auditArch, syscallNames } from '../../src/plan/seccomp/numbers.ts';
import { encodeProgram } from '../../src/plan/seccomp/program.ts';
import { everyCall } from '../plan/seccomp/every-call.ts';
import { needs, Range, Wall, without } from './harness.ts';

const arch = process.arch === 'x64' ? 'x86_64' : 'aarch64';

/**
 * One line for each: NAME ERRNO, 0 where the attack got what it wanted. Numbers above 400 are the same on every
 * architecture.
 */
const attacks = `
#include <linux/bpf.h>
#include <linux/perf_event.h>
static void say(const char *name, long result) {
  printf("%s %d\\n", name, result < 0 ? errno : 0);
  fflush(stdout);
}
static void alone(void (*attack)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { attack(); _exit(0); }
  waitpid(pid, NULL, 0);
}
/* The chain of most kernel exploits of the last years: root of a namespace of one's own first. */
static void nested(void) {
  long result = syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET);
  say("unshare", result);
  if (result < 0) return;
  say("AF_PACKET", socket(17, SOCK_RAW, 0));
  say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
  say("fsopen", syscall(430, "tmpfs", 0));
  say("open_tree", syscall(428, AT_FDCWD, "/tmp", 1));
}
static void nested_clone(void) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  say("clone", pid);
}
static void nested_clone3(void) {
  uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
  long pid = syscall(435, args, sizeof args);
  if (pid == 0) _exit(0);
  say("clone3", pid);
}
static void join(void) {
  int fd = open("/proc/self/ns/uts", O_RDONLY);
  /* As root of a namespace of one's own, else the kernel refuses by itself. */
  syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWUTS);
  int own = open("/proc/self/ns/uts", O_RDONLY);
  say("setns", syscall(SYS_setns, own >= 0 ? own : fd, 0));
}
#if defined __x86_64__
static void foreign(void) {
  int pid;
  __asm__ volatile("int $0x80" : "=a"(pid) : "a"(20 /* getpid there */) : "memory");
  printf("i386 %d\\n", pid == getpid() ? 0 : ENOSYS);
  fflush(stdout);
}
#endif
int main(void) {
  unsigned char params[120] = {0};
  struct perf_event_attr counter = {.type = PERF_TYPE_SOFTWARE, .size = sizeof counter, .config = PERF_COUNT_SW_TASK_CLOCK,
                                    .exclude_kernel = 1, .exclude_hv = 1};
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
  alone(nested);
  alone(nested_clone);
  alone(nested_clone3);
  alone(join);
  say("io_uring_setup", syscall(425, 1, params));
  say("userfaultfd", syscall(SYS_userfaultfd, 1));
  say("keyctl", syscall(SYS_keyctl, 0, -3, 1));
  say("add_key", syscall(SYS_add_key, "user", "a", "b", 1L, -3));
  say("perf_event_open", syscall(SYS_perf_event_open, &counter, 0, -1, -1, 0));
  say("bpf", syscall(SYS_bpf, 0, &map, sizeof map));
  say("AF_VSOCK", socket(40, SOCK_STREAM, 0));
  say("NETLINK_AUDIT", socket(16, SOCK_RAW, 9));
  say("NETLINK_GENERIC", socket(16, SOCK_RAW, 16));
  say("NETLINK_ROUTE", socket(16, SOCK_RAW, 0));
  say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  say("setuid bit", fchmod(open("/tmp/s", O_CREAT | O_RDWR, 0700), 04755));
#if defined __x86_64__
  alone(foreign);
#endif
  return 0;
}`;

/** Which the host itself refuses to anybody, as its settings say: nothing can be shown of them here. */
const setting = (name: string): number => {
  try {
    return Number(readFileSync(`/proc/sys/${name}`, 'utf8'));
  } catch {
    return 0;
  }
};

test('what the filter refuses would work without it', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('attacks', attacks);
  const policy = { filesystem: { read: [range.path] } };
  const whole = wall.prepare({ policy, argv: [program] });
  const results = async (prepared: typeof whole): Promise<Map<string, number>> => {
    const { stdout, stderr } = await wall.run(prepared);
    assert.equal(stderr, '');
    return new Map(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ (?=\d+$)/) as [string, string])
        .map(([name, errno]) => [name, Number(errno)]),
    );
  };
  // Landlock refuses every change of mounts by itself: the second layer, taken out as well.
  const open = await results(without(whole, 'seccomp', 'landlock'));
  const byHost = new Set([
    ...(setting('kernel/unprivileged_bpf_disabled') > 0 ? ['bpf'] : []),
    ...(setting('kernel/perf_event_paranoid') > 2 ? ['perf_event_open'] : []),
    ...(setting('kernel/io_uring_disabled') > 0 ? ['io_uring_setup'] : []),
  ]);
  for (const [name, errno] of open) {
    if (!byHost.has(name)) assert.equal(errno, 0, `${name} without the filter`);
  }
  assert.ok(open.size >= 18);

  const closed = await results(whole);
  const { EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT } = errnos;
  assert.deepEqual(Object.fromEntries(closed), {
    unshare: EPERM,
    clone: EPERM,
    clone3: ENOSYS,
    setns: EPERM,
    io_uring_setup: ENOSYS,
    userfaultfd: EPERM,
    keyctl: EPERM,
    add_key: EPERM,
    perf_event_open: EPERM,
    bpf: EPERM,
    AF_VSOCK: EAFNOSUPPORT,
    NETLINK_AUDIT: EPROTONOSUPPORT,
    NETLINK_GENERIC: EPROTONOSUPPORT,
    NETLINK_ROUTE: 0,
    ptrace: EPERM,
    'setuid bit': EPERM,
    // i386: the process is killed before it can say anything.
  });

  // Landlock alone stops the mounts; the namespaces themselves it does not see.
  const landlock = await results(without(whole, 'seccomp'));
  assert.equal(landlock.get('unshare'), 0);
  assert.equal(landlock.get('mount'), EPERM);
});

test('no policy opens the floor, and preset all keeps it', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('attacks', attacks);
  const policy = { filesystem: { read: [range.path] }, syscalls: { preset: 'all' } };
  const { stdout } = await wall.run(wall.prepare({ policy, argv: [program] }));
  for (const name of [
    'unshare',
    'clone',
    'clone3',
    'setns',
    'io_uring_setup',
    'userfaultfd',
    'keyctl',
    'add_key',
    'perf_event_open',
    'bpf',
    'AF_VSOCK',
    'NETLINK_GENERIC',
  ]) {
    assert.match(stdout, new RegExp(`^${name} [1-9]`, 'm'), name);
  }
  assert.match(stdout, /^ptrace 0$/m, 'what is above the floor, preset all opens');
});

test('a nested user namespace, seen from the host', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'nest',
    `int main(void) { unshare(CLONE_NEWUSER); write(1, "x", 1); pause(); return 0; }`,
  );
  const policy = { filesystem: { read: [range.path] } };
  const whole = wall.prepare({ policy, argv: [program] });
  const namespaces = async (prepared: typeof whole): Promise<number> => {
    const plan = wall.client.preparePlan(encodePlan(prepared.kind));
    const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
    const execution = wall.client.spawn(plan, { ...prepared.job, ...streams });
    const init = await execution.started;
    await new Promise((resolve) => execution.stdout.once('data', resolve));
    const seen = new Set(treeOf(init).map((pid) => readlinkSync(`/proc/${pid}/ns/user`)));
    execution.kill();
    await execution.result;
    await wall.client.forgetPlan(plan);
    return seen.size;
  };
  assert.equal(await namespaces(without(whole, 'seccomp')), 2);
  assert.equal(await namespaces(whole), 1);
});

test("the keyring of the launcher's session", { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  // The launcher is started from a session with a key in it, as after a login.
  const session = range.program(
    'session',
    `int main(int argc, char **argv) {
      if (syscall(SYS_keyctl, 1 /* join a new one */, NULL) < 0) return 1;
      if (syscall(SYS_add_key, "user", "token", "secret", 6L, -3) < 0) return 2;
      execv(argv[1], argv + 1);
      return 3;
    }`,
  );
  const thief = range.program(
    'thief',
    `int main(void) {
      char text[64] = "";
      long key = syscall(SYS_keyctl, 10 /* search */, -3L, "user", "token", 0L);
      if (key >= 0) syscall(SYS_keyctl, 11 /* read */, key, text, 63L);
      fputs(text, stdout);
      return 0;
    }`,
  );
  await using wall = await Wall.open([session, locateLauncher().path]);
  const whole = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [thief] });
  assert.equal((await wall.run(without(whole, 'seccomp'))).stdout, 'secret');
  assert.equal((await wall.run(whole)).stdout, '');
});

test('every number called inside a real guest answers as the table says', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const source = readFileSync(join(import.meta.dirname, '../plan/seccomp/probe.c'), 'utf8');
  const probe = range.program('probe', source.replace('#define _GNU_SOURCE', ''));
  await using wall = await Wall.open();
  const calls = everyCall(syscallNames[arch]);
  const policy = { filesystem: { read: [range.path] }, limits: { timeout: '60s', cpuTime: '60s' } };
  const argv = [probe, '-', ...calls.map(({ text }) => text)];
  const prepared = wall.prepare({ policy, argv });
  assert.deepEqual(
    Buffer.from(prepared.kind.seccomp ?? []),
    Buffer.from(compileSeccomp({ arch, preset: 'default', notify: true })),
  );
  // Its refusals moved to where the kernel has no errnos, so that the kernel's own are not taken for them.
  const mark = 3000;
  const actions = seccompActions({ arch, preset: 'default', notify: true });
  const marked = compileActions(auditArch[arch], actions, ({ errno }) => mark + errnos[errno]);
  // Those that are answered outside, too.
  const notified = (prepared.kind.notified ?? []).map((call) => ({
    ...call,
    errno: mark + call.errno,
  }));
  const kind = { ...prepared.kind, seccomp: encodeProgram(marked), notified };
  const { stdout, code, stderr } = await wall.run({ ...prepared, kind });
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, calls.length);
  let refused = 0;
  const wrong = calls.flatMap(({ number, args, text }, index) => {
    const expected = expectedAction(actions, number, args);
    const [, outcome] = (lines[index] ?? '').split(/ (.*)/s);
    const value = Number(outcome);
    if (value >= mark) refused += 1;
    const met =
      expected.kind === 'allow' ? !(value >= mark) : value === mark + errnos[expected.errno];
    return met ? [] : [`${text}: table ${JSON.stringify(expected)}, guest ${outcome}`];
  });
  assert.deepEqual(wrong, []);
  assert.ok(refused > 600, `${refused} refused, those with the x32 bit among them`);
  // Without the filter nothing comes from it.
  const bare = await wall.run(without(prepared, 'seccomp'));
  assert.equal(
    bare.stdout.split('\n').some((line) => Number(line.split(' ')[1]) >= mark),
    false,
  );
});

/** A process and all below it. */
function treeOf(pid: number): number[] {
  const task = `/proc/${pid}/task`;
  const children = readdirSync(task).flatMap((thread) =>
    readFileSync(`${task}/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean),
  );
  return [pid, ...children.map(Number).flatMap(treeOf)];
}
