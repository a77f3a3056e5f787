/**
 * Decisions on pointers: a filter sees an address, never what lies there, and what lies there may be changed by another
 * thread after the look. No filter of ours looks at a pointer; who is told of a refused call in a user notification answers
 * without a look, and never lets it go on (test/escape/violations.test.ts).
 * Ablated: a supervisor that reads the path of openat(2) in a notification and lets the call go on.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileSeccomp, seccompActions } from '../../src/plan/seccomp/compile.ts';
import { syscallNames } from '../../src/plan/seccomp/numbers.ts';
import { policyTable } from '../../src/plan/seccomp/policy-table.ts';
import { offset, op, ret } from '../../src/plan/seccomp/program.ts';
import { needs, Range, Wall, without } from './harness.ts';

/** The arguments that the filters may look at, all of them numbers in registers (syscalls(2)). */
const numbers: Readonly<Record<string, readonly number[]>> = {
  clone: [0],
  ioctl: [1],
  socket: [0, 1, 2],
  socketpair: [0],
  personality: [0],
  chmod: [1],
  fchmod: [1],
  fchmodat: [2],
  fchmodat2: [2],
  seccomp: [1],
};
/** Of a refused call: whether it is worth a record. */
const numbersOfRecorded: Readonly<Record<string, readonly number[]>> = { ...numbers, unshare: [0] };

test('the table looks at numbers in registers alone', () => {
  const looked: Record<string, number[]> = {};
  for (const [name, row] of policyTable) {
    for (const action of [row.action, row.minimal, row.open]) {
      if (typeof action === 'string' || action.kind !== 'check') continue;
      const seen = action.clauses.flatMap(({ when }) => when.map(({ argument }) => argument));
      looked[name] = [...new Set([...(looked[name] ?? []), ...seen])].sort();
    }
  }
  assert.deepEqual(looked, numbers);
});

for (const arch of ['x86_64', 'aarch64'] as const) {
  for (const preset of ['default', 'minimal', 'all'] as const) {
    for (const notify of [false, true])
      test(`${arch}, ${preset}: the bytes load number, architecture and low halves of those arguments; and notify ${notify ? 'of what is refused' : 'nobody'}`, () => {
        const bytes = Buffer.from(compileSeccomp({ arch, preset, notify }));
        const checked = [...seccompActions({ arch, preset, notify })].filter(
          ([, { kind }]) => kind === 'check',
        );
        const allowed = new Set<number>([offset.number, offset.arch]);
        for (const [number] of checked) {
          const name = syscallNames[arch].get(number) ?? '';
          const looked = notify ? numbersOfRecorded : numbers;
          for (const argument of looked[name] ?? []) allowed.add(offset.argumentLow(argument));
        }
        const answers = new Set<number>();
        for (let at = 0; at < bytes.length; at += 8) {
          const [code, k] = [bytes.readUInt16LE(at), bytes.readUInt32LE(at + 4)];
          assert.ok(Object.values(op).includes(code as never), `operation ${code} at ${at / 8}`);
          if (code === op.load) assert.ok(allowed.has(k), `loads ${k} at ${at / 8}`);
          if (code === op.ret) answers.add((k & 0xffff0000) >>> 0);
        }
        assert.deepEqual(
          answers,
          new Set(
            [ret.allow, ret.errno, ret.killProcess, ...(notify ? [ret.userNotif] : [])].filter(
              (one) => answers.has(one),
            ),
          ),
        );
        assert.ok(answers.has(ret.killProcess), 'of a foreign architecture');
      });
  }
}

/** A process on the same memory that changes the path for ever. */
const racer = `
static char path[256], stack[16384];
static const char *good, *bad;
static int race(void *nothing) {
  for (;;) { memcpy(path, bad, strlen(bad) + 1); memcpy(path, good, strlen(good) + 1); }
  return nothing != NULL;
}
static pid_t start_race(void) {
  strcpy(path, good);
  return clone(race, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
}`;

/**
 * The supervisor that must never be: it reads the path, refuses what ends in "secret", and says "go on" to the rest.
 * The guest asks for a harmless path and changes it while it is looked at.
 */
const believer = `
#include <linux/filter.h>
#include <linux/seccomp.h>
${racer}
static void guest(int channel) {
  struct sock_filter code[] = {{0x20, 0, 0, 0}, {0x15, 0, 1, SYS_openat}, {6, 0, 0, 0x7fc00000}, {6, 0, 0, 0x7fff0000}};
  struct sock_fprog program = {4, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int listener = (int)syscall(SYS_seccomp, 1, 8 /* new listener */, &program);
  if (listener < 0) _exit(3);
  write(channel, &listener, sizeof listener);
  char byte;
  read(channel, &byte, 1);
  pid_t racer = start_race();
  int loot = 0;
  time_t end = time(NULL) + 30;
  while (!loot && time(NULL) < end) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    char text[32] = "";
    if (fd >= 0) { read(fd, text, 31); close(fd); loot = strcmp(text, "loot") == 0; }
  }
  kill(racer, SIGKILL);
  _exit(loot ? 42 : 0);
}
int main(int argc, char **argv) {
  good = argv[1]; bad = argv[2];
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  pid_t pid = fork();
  if (pid == 0) guest(pair[1]);
  int number, status;
  if (read(pair[0], &number, sizeof number) != sizeof number) return 4;
  int pidfd = (int)syscall(434, pid, 0);
  int listener = (int)syscall(438, pidfd, number, 0);
  if (listener < 0) return 5;
  write(pair[0], "x", 1);
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/mem", pid);
  int memory = open(name, O_RDONLY);
  for (;;) {
    struct seccomp_notif request = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) break;
    char asked[256] = "";
    pread(memory, asked, 255, (off_t)request.data.args[1]);
    struct seccomp_notif_resp answer = {.id = request.id, .flags = 1 /* go on */};
    size_t length = strlen(asked);
    if (length < 6 || strcmp(asked + length - 6, "secret") == 0 || strncmp(asked, good, 1) != 0)
      answer = (struct seccomp_notif_resp){.id = request.id, .error = -EACCES};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    if (waitpid(pid, &status, WNOHANG) == pid) return WEXITSTATUS(status);
  }
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}`;

const racing = `
${racer}
int main(int argc, char **argv) {
  good = argv[1], bad = argv[2];
  pid_t racer = start_race();
  int opened = 0, loot = 0;
  /* So often, and where there is something to win so many seconds: both must have a processor meanwhile. */
  time_t end = time(NULL) + (argc > 3 ? atoi(argv[3]) : 0);
  for (int i = 0; (i < 100000 || time(NULL) < end) && !loot; i++) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    char text[32] = "";
    if (fd >= 0) { opened = 1; read(fd, text, 31); close(fd); loot = strcmp(text, "loot") == 0; }
  }
  kill(racer, SIGKILL);
  return loot ? 42 : opened ? 7 : 0;
}`;

test('a path changed behind the look of a supervisor; ours is enforced where the file is', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const good = range.file('open/public', 'fine');
  const bad = range.file('shut/secret', 'loot');
  // Of the same length, so that halfway through a change it is one or the other, or nothing.
  assert.equal(good.length, bad.length);
  const naive = range.program('believer', believer);
  assert.equal(
    spawnSync(naive, [good, bad]).status,
    42,
    'what was looked at is not what was opened',
  );

  await using wall = await Wall.open();
  const program = range.program('racing', racing);
  const policy = { filesystem: { read: [join(range.path, 'open'), join(range.path, 'bin')] } };
  const whole = wall.prepare({ policy, argv: [program, good, bad] });
  const everything = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [program, good, bad, '20'],
  });
  assert.equal((await wall.run(everything)).code, 42, 'with the directory inside');
  assert.equal((await wall.run(whole)).code, 7);
  // Landlock alone: the directory is mounted, its rule is not there; nor is that of /tmp, below which it lies.
  const { landlock } = whole.kind;
  assert.ok(landlock);
  const paths = landlock.paths.filter(({ path }) => path !== '/tmp');
  const mounted = {
    kind: { ...everything.kind, landlock: { ...landlock, paths } },
    job: { ...everything.job, argv: whole.job.argv, landlock: whole.job.landlock },
  };
  assert.equal((await wall.run(mounted)).code, 7, 'Landlock alone');
  assert.equal((await wall.run(without(whole, 'landlock'))).code, 7, 'the mounts alone');
});

test('the running guest has one filter, and it is the compiled one', {
  skip: needs.rootAndGcc,
}, async () => {
  await using wall = await Wall.open();
  const whole = wall.prepare({ argv: ['grep', 'Seccomp', '/proc/self/status'] });
  const status = async (prepared: typeof whole): Promise<string> =>
    (await wall.run(prepared)).stdout.replaceAll('\t', ' ');
  const own =
    /Seccomp_filters:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  assert.equal(await status(whole), `Seccomp: 2\nSeccomp_filters: ${Number(own) + 1}\n`);
  assert.match(await status(without(whole, 'seccomp')), new RegExp(`Seccomp_filters: ${own}\n`));
});
