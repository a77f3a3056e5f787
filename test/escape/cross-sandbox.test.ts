/**
 * Two sandboxes that are open at the same time, of the same plan: what one leaves lying, the other must not find.
 * Every way that the kernel offers: shared memory, SysV IPC, message queues, keyrings, abstract sockets, signals, /proc.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { LauncherSandbox } from '../../src/launcher/launcher-sandbox.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import { needs, Range, ranFrom, Wall, without } from './harness.ts';

const SECRET = 'the-neighbours-secret';

/** `leave`: puts the secret everywhere and stays. `find`: one line for each place where it was found. */
const neighbour = `
#include <mqueue.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/msg.h>
#include <sys/sem.h>
#define KEY 0x7ca15504
static const char *secret;
static struct sockaddr_un name(socklen_t *length) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path + 1, "caisson-neighbour", 17);
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 18);
  return address;
}
static int leave(void) {
  size_t length = strlen(secret) + 1;
  int fd = open("/dev/shm/neighbour", O_CREAT | O_WRONLY, 0666);
  fchmod(fd, 0666);
  write(fd, secret, length);
  int shm = shmget(KEY, 4096, IPC_CREAT | 0666);
  char *memory = shm < 0 ? (void *)-1 : shmat(shm, NULL, 0);
  if (memory != (void *)-1) memcpy(memory, secret, length);
  struct { long type; char text[64]; } message = {1, ""};
  memcpy(message.text, secret, length);
  int queue = msgget(KEY, IPC_CREAT | 0666);
  if (queue >= 0) msgsnd(queue, &message, 64, 0);
  int sem = semget(KEY, 1, IPC_CREAT | 0666);
  if (sem >= 0) semctl(sem, 0, SETVAL, 77);
  struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 64};
  umask(0);
  mqd_t posix = mq_open("/caisson-neighbour", O_CREAT | O_RDWR, 0666, &attributes);
  if (posix != (mqd_t)-1) mq_send(posix, secret, length, 0);
  syscall(SYS_add_key, "user", "neighbour", secret, length, -3);
  socklen_t size;
  struct sockaddr_un address = name(&size);
  int sock = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(sock, (void *)&address, size);
  listen(sock, 4);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int peer = accept(sock, NULL, NULL);
    if (peer >= 0) { write(peer, secret, length); close(peer); }
  }
  return 0;
}
static void tell(const char *where, const char *text) { if (strcmp(text, secret) == 0) puts(where); }
static void find(void) {
  char text[4096] = "";
  int fd = open("/dev/shm/neighbour", O_RDONLY);
  if (fd >= 0) read(fd, text, 63);
  tell("/dev/shm", text);
  int shm = shmget(KEY, 0, 0);
  char *memory = shm < 0 ? (void *)-1 : shmat(shm, NULL, SHM_RDONLY);
  if (memory != (void *)-1) tell("SysV shared memory", memory);
  struct { long type; char text[64]; } message = {0, ""};
  int queue = msgget(KEY, 0);
  if (queue >= 0 && msgrcv(queue, &message, 64, 0, IPC_NOWAIT) > 0) tell("SysV queue", message.text);
  int sem = semget(KEY, 0, 0);
  if (sem >= 0 && semctl(sem, 0, GETVAL) == 77) puts("SysV semaphore");
  mqd_t posix = mq_open("/caisson-neighbour", O_RDONLY | O_NONBLOCK);
  memset(text, 0, sizeof text);
  if (posix != (mqd_t)-1 && mq_receive(posix, text, 64, NULL) > 0) tell("POSIX queue", text);
  memset(text, 0, sizeof text);
  long key = syscall(SYS_keyctl, 10, -3L, "user", "neighbour", 0L);
  if (key >= 0) syscall(SYS_keyctl, 11, key, text, 63L);
  tell("keyring", text);
  socklen_t size;
  struct sockaddr_un address = name(&size);
  int sock = socket(AF_UNIX, SOCK_STREAM, 0);
  memset(text, 0, sizeof text);
  if (connect(sock, (void *)&address, size) == 0) read(sock, text, 63);
  tell("abstract socket", text);
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    char path[300], line[256] = "";
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || atoi(entry->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
    int file = open(path, O_RDONLY);
    ssize_t got = file < 0 ? 0 : read(file, line, 255);
    if (file >= 0) close(file);
    if (got > 0 && memmem(line, (size_t)got, "leave", 5) && memmem(line, (size_t)got, secret, strlen(secret))) puts("/proc");
  }
}
int main(int argc, char **argv) {
  secret = argv[2];
  if (strcmp(argv[1], "leave") == 0) return leave();
  if (strcmp(argv[1], "signal") == 0) {
    for (int pid = 1; pid < 400000; pid++) if (pid != getpid()) kill(pid, SIGKILL);
    return 0;
  }
  find();
  return 0;
}`;

interface Pair {
  readonly wall: Wall;
  readonly program: string;
  readonly whole: { kind: KindPlan; job: Job };
}

/** What the second of two open sandboxes finds of the first. */
async function found(
  { wall, program }: Pair,
  { kind, job }: Pair['whole'],
  word = 'find',
): Promise<{ places: string[]; firstLives: boolean }> {
  const plan = wall.client.preparePlan(encodePlan(kind));
  await plan.ready;
  const open = async (): Promise<LauncherSandbox> => {
    const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
    await sandbox.opened;
    return sandbox;
  };
  const inside = (verb: string): Job => ({ ...job, mounts: [], argv: [program, verb, SECRET] });
  const [first, second] = [await open(), await open()];
  const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
  const holder = first.spawn({ ...inside('leave'), ...streams });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  const { stdout } = ranFrom(await second.run(inside(word)));
  const alive = ranFrom(await first.run(inside('find'))).stdout.includes('/proc\n');
  await Promise.all([first.close(), second.close()]);
  await wall.client.forgetPlan(plan);
  return { places: stdout.split('\n').filter(Boolean).sort(), firstLives: alive };
}

async function pair(range: Range): Promise<Pair> {
  // A session of its own with a keyring, as after a login: what it holds, every child of the launcher possesses.
  const session = range.program(
    'session',
    'int main(int argc, char **argv) { syscall(SYS_keyctl, 1, NULL); execv(argv[1], argv + 1); return 1; }',
  );
  const wall = await Wall.open([session, locateLauncher().path]);
  const program = range.program('neighbour', neighbour);
  const whole = wall.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [] });
  return { wall, program, whole };
}

/** The shm of the template, which all sandboxes of a plan then share. */
function sharedShm({ kind, job }: Pair['whole']): Pair['whole'] {
  const mounts = kind.mounts.map((mount) =>
    mount.kind === 'tmpfs' && mount.target === '/dev/shm'
      ? { ...mount, flags: mount.flags.filter((flag) => flag !== 'private') }
      : mount,
  );
  return { kind: { ...kind, mounts }, job };
}

/** The host's proc in the place of the sandbox's. */
function hostProc({ kind, job }: Pair['whole']): Pair['whole'] {
  const mounts = kind.mounts
    .filter(({ target }) => !target.startsWith('/proc/'))
    .map((mount) =>
      mount.kind === 'proc'
        ? ({ kind: 'bind', source: '/proc', target: '/proc', flags: ['recursive'] } as const)
        : mount,
    );
  return { kind: { ...kind, mounts }, job };
}

test('nothing of one is found by the other; each way is open without its mechanism', {
  skip: needs.rootAndGcc,
}, async () => {
  const before = ipcs();
  try {
    using range = new Range();
    const at = await pair(range);
    await using wall = at.wall;
    assert.ok(wall.client.pid);
    const { whole } = at;

    const sysv = ['SysV queue', 'SysV semaphore', 'SysV shared memory'];
    const open = without(whole, 'ipc namespace', 'rlimits', 'landlock');
    assert.deepEqual((await found(at, open)).places, ['POSIX queue', ...sysv]);
    removeIpc();
    // A POSIX queue is a file and has a limit: two more layers, each of which stops it alone.
    for (const layer of ['rlimits', 'landlock'] as const) {
      assert.deepEqual((await found(at, without(whole, 'ipc namespace', layer))).places, sysv);
      removeIpc();
    }
    assert.deepEqual((await found(at, without(whole, 'rlimits', 'landlock'))).places, []);

    assert.deepEqual((await found(at, sharedShm(whole))).places, ['/dev/shm']);
    assert.deepEqual((await found(at, without(whole, 'seccomp'))).places, ['keyring']);

    const both = without(whole, 'net namespace', 'landlock');
    assert.deepEqual((await found(at, both)).places, ['abstract socket']);
    assert.deepEqual(
      (await found(at, without(whole, 'net namespace'))).places,
      [],
      'Landlock alone',
    );
    assert.deepEqual((await found(at, without(whole, 'landlock'))).places, [], 'namespace alone');

    assert.deepEqual((await found(at, hostProc(whole))).places, ['/proc']);
    assert.deepEqual((await found(at, whole)).places, []);
  } finally {
    removeIpc();
  }
  assert.deepEqual(ipcs(), before, 'nothing is left in the host');
});

test('signals reach nobody outside', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const at = await pair(range);
  await using wall = at.wall;
  const after = await found(at, at.whole, 'signal');
  assert.equal(after.firstLives, true);
  assert.equal(wall.client.isGone, false);
  // Every layer but the pid namespace gone: it alone keeps them in, and the id of each sandbox is its own.
  const bare = without(at.whole, 'landlock', 'seccomp', 'no capabilities', 'cgroup');
  assert.equal((await found(at, bare, 'signal')).firstLives, true);

  // Without that namespace: the same user, seen from the host, ends it.
  const { kind, job } = at.whole;
  const plan = wall.client.preparePlan(encodePlan(kind));
  const execution = wall.client.spawn(plan, {
    ...job,
    argv: ['sleep', '60'],
    stdin: 'stream',
    stdout: 'stream',
    stderr: 'stream',
  });
  const init = await execution.started;
  const children = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').trim();
  const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${children}/status`, 'utf8'))?.[1] ?? '';
  assert.notEqual(uid, '0');
  const killed = spawnSync('setpriv', [
    `--reuid=${uid}`,
    '--clear-groups',
    'kill',
    '-KILL',
    children,
  ]);
  assert.equal(killed.status, 0, killed.stderr.toString());
  assert.equal(ranFrom(await execution.result).code, 137);
  await wall.client.forgetPlan(plan);
});

/** Keys of SysV objects, and names of POSIX queues, of the host. */
function ipcs(): string[] {
  return ['shm', 'msg', 'sem'].flatMap((kind) =>
    readFileSync(`/proc/sysvipc/${kind}`, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => `${kind} ${line.trim().split(/\s+/, 2).join(' ')}`),
  );
}

/** What an ablated run left in the host's own IPC namespace. */
function removeIpc(): void {
  const key = '0x7ca15504';
  spawnSync('ipcrm', ['-M', key, '-Q', key, '-S', key]);
  const remove = 'import ctypes; ctypes.CDLL("librt.so.1").mq_unlink(b"/caisson-neighbour")';
  spawnSync('python3', ['-c', remove]);
}
