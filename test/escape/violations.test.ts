/**
 * Refused calls that are handed out of the sandbox to be recorded: the one who answers could be drowned, deceived, or
 * replaced. Ablated: the plan that ends nothing, and the filter that lets a guest have a listener of its own.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Execution } from '../../src/launcher/execution.ts';
import type { RawViolation } from '../../src/launcher/protocol/decode-violation.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { KindPlan } from '../../src/plan/plan.ts';
import { ALLOW } from '../../src/plan/seccomp/action.ts';
import { compileActions, seccompActions } from '../../src/plan/seccomp/compile.ts';
import { auditArch, syscallNames } from '../../src/plan/seccomp/numbers.ts';
import { encodeProgram } from '../../src/plan/seccomp/program.ts';
import { needs, ORDINARY, Range, ranFrom, Wall } from './harness.ts';

const arch = process.arch === 'x64' ? 'x86_64' : 'aarch64';
const numberOf = (name: string): number =>
  [...syscallNames[arch]].find(([, known]) => known === name)?.[0] ?? -1;
const nameOf = (violation: RawViolation): string =>
  syscallNames[arch].get(violation.number ?? -1) ?? '(more)';
const told = (violations: readonly RawViolation[]) =>
  Object.fromEntries(violations.map((one) => [nameOf(one), one.count]));

/** What the level says, where the harness would say `record`. */
const asLevel = { onViolation: undefined };

/** NAME tries each call named after it: `NAME ERRNO` a line. */
const tries = `
static long attempt(const char *name) {
  if (!strcmp(name, "mount")) return mount("none", "/tmp", "tmpfs", 0, NULL);
  if (!strcmp(name, "wild")) return mount((char *)8, (char *)-1L, (char *)16, MS_BIND, (void *)-1L);
  if (!strcmp(name, "unshare")) return syscall(SYS_unshare, CLONE_NEWUSER);
  if (!strcmp(name, "files")) return syscall(SYS_unshare, CLONE_FILES);
  if (!strcmp(name, "clone")) return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (!strcmp(name, "ptrace")) return ptrace(PTRACE_TRACEME, 0, 0, 0);
  if (!strcmp(name, "bpf")) return syscall(SYS_bpf, 0, NULL, 0);
  if (!strcmp(name, "keyctl")) return syscall(SYS_keyctl, 0, -3, 1);
  return errno = EINVAL, -1;
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    long result = attempt(argv[i]);
    printf("%s %d\\n", argv[i], result < 0 ? errno : 0);
    fflush(stdout);
  }
  return 7;
}`;

const policy = (range: Range, more: Readonly<Record<string, unknown>> = {}) => ({
  filesystem: { read: [range.path] },
  ...more,
});

test('an attempt to get out ends the run on strict, and is named', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('tries', tries);
  for (const attempt of ['mount', 'unshare', 'clone', 'ptrace', 'bpf']) {
    const argv = [program, 'keyctl', 'files', attempt, 'mount'];
    const ends = wall.prepare({ policy: policy(range, asLevel), argv });
    // Without what ends it: the guest hears EPERM and goes on.
    const record = await wall.run(
      wall.prepare({ policy: policy(range, { onViolation: 'record' }), argv }),
    );
    assert.equal(record.stdout, `keyctl 1\nfiles 1\n${attempt} 1\nmount 1\n`);
    assert.equal(record.code, 7);

    assert.ok(
      ends.kind.notified?.some((call) => call.ends),
      'strict ends by default',
    );
    const ended = await wall.run(ends);
    assert.equal(
      ended.stdout,
      'keyctl 1\nfiles 1\n',
      'what is probed goes on, the attempt does not',
    );
    assert.equal(ended.raw.cause, 6);
    assert.deepEqual(told(ended.raw.violations), { keyctl: 1, [attempt]: 1 });
    const [, last] = ended.raw.violations;
    assert.equal(last?.ended, true);
    assert.equal(last.program, 'tries');
    assert.ok((last.pid ?? 0) > 1);
  }
});

test('moderate records with count and program; ordinary refusals are not among it', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('tries', tries);
  const argv = [program, 'mount', 'mount', 'files', 'unshare', 'mount', 'ptrace'];
  const ran = await wall.run(
    wall.prepare({
      policy: { level: 'moderate', filesystem: { read: [range.path], write: [] } },
      argv,
    }),
  );
  assert.equal(ran.code, 7);
  assert.equal(ran.raw.cause, 0);
  assert.deepEqual(told(ran.raw.violations), { mount: 3, unshare: 1, ptrace: 1 });
  assert.deepEqual(new Set(ran.raw.violations.map(({ program: who }) => who)), new Set(['tries']));
});

test('an ordinary user has it too', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const program = range.program('tries', tries);
  await using wall = await Wall.ordinary(range.copyOfLauncher());
  assert.equal(wall.facts.euid, ORDINARY);
  const prepared = wall.prepare({
    policy: policy(range, { onViolation: 'kill' }),
    argv: [program, 'keyctl', 'mount'],
  });
  const { cgroup: _, ...kind } = prepared.kind;
  const ran = await wall.run({ ...prepared, kind });
  assert.equal(ran.raw.cause, 6);
  assert.deepEqual(told(ran.raw.violations), { keyctl: 1 });
  assert.equal(ran.stdout, '');
});

test('arguments in memory are never looked at', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('tries', tries);
  const ran = await wall.run(
    wall.prepare({ policy: policy(range), argv: [program, 'wild', 'wild', 'mount'] }),
  );
  // Whoever read them would have said EFAULT.
  assert.equal(ran.stdout, 'wild 1\nwild 1\nmount 1\n');
  assert.deepEqual(told(ran.raw.violations), { mount: 3 });
  assert.equal(ran.raw.violations[0]?.args[3], 4096n, 'the register alone: MS_BIND');
  const source = readFileSync(new URL('../../native/launcher/notify.c', import.meta.url), 'utf8');
  assert.doesNotMatch(source, /CONTINUE|process_vm|\/mem"/);
});

/**
 * The guest puts a filter of its own over ours, whose listener would answer for both, and lets every call continue
 * (SECCOMP_USER_NOTIF_FLAG_CONTINUE). Prints `listener ERRNO`, `shown N` (listeners among its descriptors) and
 * `unshare ERRNO` of a child below that filter.
 */
const ownListener = `
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
static int listeners(void) {
  int found = 0;
  DIR *all = opendir("/proc/self/fd");
  for (struct dirent *entry; all && (entry = readdir(all));) {
    char path[300], target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "seccomp")) found++;
  }
  return found;
}
int main(void) {
  struct sock_filter over[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0x7fc00000),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {4, over};
  printf("before %d\\n", listeners());
  long fd = syscall(SYS_seccomp, 1, 8, &program);
  printf("listener %d\\n", fd < 0 ? errno : 0);
  printf("shown %d\\n", listeners());
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    long result = syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS);
    printf("unshare %d\\n", result < 0 ? errno : 0);
    fflush(stdout);
    _exit(0);
  }
  if (fd >= 0) {
    struct seccomp_notif call = {0};
    if (ioctl((int)fd, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
      struct seccomp_notif_resp answer = {.id = call.id, .flags = 1 /* CONTINUE */};
      ioctl((int)fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
  }
  waitpid(pid, NULL, 0);
  return 0;
}`;

test('a guest cannot answer in our place, nor see where we do', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('listener', ownListener);
  const whole = wall.prepare({ policy: policy(range), argv: [program] });

  // Our listener gone (as when the launcher has died), and the filter without its check.
  const { notified: _, ...unheard } = whole.kind;
  const actions = new Map(seccompActions({ arch, preset: 'default', notify: true })).set(
    numberOf('seccomp'),
    ALLOW,
  );
  const open: KindPlan = {
    ...unheard,
    seccomp: encodeProgram(compileActions(auditArch[arch], actions)),
  };
  const escaped = await wall.run({ ...whole, kind: open });
  assert.equal(escaped.stdout, 'before 0\nlistener 0\nshown 1\nunshare 0\n');

  // The check alone: what nobody answers is refused as by a kernel without the call.
  const checked = await wall.run({ ...whole, kind: unheard });
  assert.equal(checked.stdout, 'before 0\nlistener 16\nshown 0\nunshare 38\n');

  const held = await wall.run(whole);
  assert.equal(held.stdout, 'before 0\nlistener 16\nshown 0\nunshare 1\n');
  assert.deepEqual(told(held.raw.violations), { unshare: 1 });
});

/** Eight processes, so many calls each. */
const flood = `
int main(int argc, char **argv) {
  long each = atol(argv[1]);
  puts("begun");
  fflush(stdout);
  for (int i = 0; i < 8; i++)
    if (fork() == 0) {
      char name[16];
      snprintf(name, sizeof name, "%s%d", argv[2], i);
      prctl(PR_SET_NAME, name);
      for (long n = 0; n < each; n++) {
        if (argv[2][0] == 'm') { snprintf(name, sizeof name, "m%d.%d", i & 7, (int)(n & 1023)); prctl(PR_SET_NAME, name); if (fork() == 0) { mount("", "", "", 0, 0); _exit(0); } wait(NULL); }
        else if (mount("none", "/tmp", "tmpfs", 0, NULL) == 0 || errno != EPERM) _exit(1);
      }
      _exit(0);
    }
  int status, bad = 0;
  while (wait(&status) > 0) bad += status != 0;
  return bad;
}`;

const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);

test('a flood of refused calls holds nobody up, and is counted in bounded memory', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('flood', flood);
  const quiet = range.program('tries', tries);
  const serve = wall.client.pid ?? 0;
  const many = wall.prepare({ policy: policy(range), argv: [program, '12500', 'f'] });
  const other = wall.prepare({ policy: policy(range), argv: [quiet, 'keyctl'] });
  const plan = wall.client.preparePlan(encodePlan(many.kind));
  await plan.ready;
  await wall.run(other);
  const before = residentKiB(serve);
  const flooding: Execution = wall.client.spawn(plan, { ...many.job, stdout: 'stream' });
  await new Promise((resolve) => flooding.stdout.once('data', resolve));
  let over = false;
  const result = flooding.result.finally(() => {
    over = true;
  });
  let served = 0;
  for (let run = 0; run < 20; run++) {
    const { raw, code } = await wall.run(other);
    assert.equal(code, 7);
    assert.deepEqual(told(raw.violations), { keyctl: 1 });
    if (!over) served++;
  }
  assert.ok(served >= 3, `${served} others were served while the flood went on`);
  assert.ok(residentKiB(serve) - before < 1024, 'and nothing piled up');
  const { violations, status } = await result;
  assert.equal(status, 0, 'each of its calls was refused with EPERM');
  assert.equal(
    violations.reduce((sum, { count }) => sum + count, 0),
    100_000,
  );
  assert.deepEqual(
    violations.map(nameOf),
    Array.from({ length: 8 }, () => 'mount'),
  );
  await wall.client.forgetPlan(plan);
});

test('more programs than are kept apart are counted together', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('flood', flood);
  const ran = await wall.run(wall.prepare({ policy: policy(range), argv: [program, '20', 'm'] }));
  assert.equal(ran.code, 0);
  assert.equal(ran.raw.violations.length, 65);
  assert.equal(ran.raw.violations.at(-1)?.number, undefined);
  assert.equal(
    ran.raw.violations.reduce((sum, { count }) => sum + count, 0),
    160,
  );
});

test('each command of a kept sandbox has its own record, and ends alone', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('tries', tries);
  const prepare = (...what: string[]) =>
    wall.prepare({ policy: policy(range, asLevel), argv: [program, ...what] });
  const { kind, job } = prepare('keyctl');
  const plan = wall.client.preparePlan(encodePlan(kind));
  await plan.ready;
  const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
  const run = async (...what: string[]) =>
    ranFrom(await sandbox.run({ ...prepare(...what).job, mounts: [] }));
  const first = await run('keyctl');
  const second = await run('keyctl', 'mount', 'keyctl');
  const third = await run('keyctl', 'keyctl');
  assert.deepEqual(told(first.raw.violations), { keyctl: 1 });
  assert.deepEqual(told(second.raw.violations), { keyctl: 1, mount: 1 });
  assert.equal(second.raw.cause, 6);
  assert.equal(second.stdout, 'keyctl 1\n');
  assert.deepEqual(told(third.raw.violations), { keyctl: 2 });
  assert.equal(third.code, 7);
  await sandbox.close();
  await wall.client.forgetPlan(plan);
});

test('a violation seen from outside ends the run as denied', { skip: needs.root }, async () => {
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['sleep', '60'] });
  const plan = wall.client.preparePlan(encodePlan(kind));
  await plan.ready;
  const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
  const denied = new AbortController();
  const execution = wall.client.spawn(plan, { ...job, ...streams }, { denied: denied.signal });
  await execution.started;
  const captured = wall.client.run(plan, job, { denied: denied.signal });
  denied.abort();
  assert.equal((await execution.result).cause, 6);
  assert.equal((await captured).cause, 6);
  await wall.client.forgetPlan(plan);
});
