/** A set-user-ID program that the guest runs to become somebody else, or leaves behind for an accomplice on the host. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Mechanism, needs, ORDINARY, Range, Wall, weakLauncher, without } from './harness.ts';

/** Set-user-ID root: overwrites argv[1]. */
const opener = `
int main(int argc, char **argv) {
  setuid(0);
  int fd = open(argv[1], O_WRONLY | O_TRUNC);
  return fd < 0 || write(fd, "overwritten", 11) != 11;
}`;

/** A bad sandbox: an ordinary user, in a mount namespace of its own, and as much of the rest as argv[1] says. */
const badSandbox = `
int main(int argc, char **argv) {
  unshare(CLONE_NEWNS);
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mount(argv[2], argv[2], NULL, MS_BIND, NULL);
  if (strchr(argv[1], 's')) mount(NULL, argv[2], NULL, MS_BIND | MS_REMOUNT | MS_NOSUID, NULL);
  if (strchr(argv[1], 'n')) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  setgroups(0, NULL);
  setresgid(${ORDINARY}, ${ORDINARY}, ${ORDINARY});
  setresuid(${ORDINARY}, ${ORDINARY}, ${ORDINARY});
  execv(argv[3], argv + 3);
  return 126;
}`;

test('running a set-user-ID program of the host', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const directory = range.directory('host');
  const victim = range.file('victim', 'untouched', 0o600);
  const attack = range.program('opener', opener);
  const bad = range.program('bad', badSandbox);
  const planted = join(directory, 'opener');
  range.file('host/opener', '');
  // Not through `program`: it must lie on the mount whose flags are tried.
  spawnSync('cp', [attack, planted]);
  chmodSync(planted, 0o4755);
  const after = (): string => {
    const content = readFileSync(victim, 'utf8');
    range.file('victim', 'untouched', 0o600);
    return content;
  };
  const badly = (how: string): string => {
    spawnSync(bad, [how, directory, planted, victim]);
    return after();
  };
  // What nosuid and no_new_privs are for, each alone.
  assert.equal(badly('-'), 'overwritten');
  assert.equal(badly('s'), 'untouched');
  assert.equal(badly('n'), 'untouched');

  // Ours has a third: no id of the user namespace stands for root. With the other two taken out it holds alone.
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('NO_NEW_PRIVS')]);
  const made = strong.prepare({
    policy: { filesystem: { read: [directory], write: [victim] } },
    argv: [planted, victim],
  });
  // Its owner is root, so that only root may write: not through an idmapped mount, which would make the guest its owner.
  const plain = without(made, 'idmap');
  const out: Mechanism[] = ['nosuid', 'seccomp', 'landlock', 'no capabilities'];
  await weak.run(without(plain, ...out)).catch(() => {});
  assert.equal(after(), 'untouched');
  await strong.run(plain).catch(() => {});
  assert.equal(after(), 'untouched');
});

/** Tries every way to leave a set-user-ID or set-group-ID program behind. */
const planter = `
int main(int argc, char **argv) {
  chdir(argv[1]);
  int self = open("/proc/self/exe", O_RDONLY);
  const char *names[] = {"chmod", "fchmod", "fchmodat", "fchmodat2", "creat", "open", "mknod", "group", "high"};
  for (int i = 0; i < 9; i++) {
    int fd = open(names[i], O_RDWR | O_CREAT, i == 4 || i == 5 ? 04755 : 0755);
    if (i == 6) { close(fd); unlink(names[i]); mknod(names[i], S_IFREG | 06755, 0); fd = open(names[i], O_RDWR); }
    char page[4096];
    ssize_t n;
    lseek(self, 0, SEEK_SET);
    while (fd >= 0 && (n = read(self, page, sizeof page)) > 0) write(fd, page, (size_t)n);
    if (i == 0) syscall(SYS_fchmodat, AT_FDCWD, names[i], 04755);
    if (i == 1) syscall(SYS_fchmod, fd, 04755);
    if (i == 2) fchmodat(AT_FDCWD, names[i], 04755, 0);
    if (i == 3) syscall(452, AT_FDCWD, names[i], 04755, 0);
    if (i == 7) syscall(SYS_fchmod, fd, 02755);
    if (i == 8) syscall(SYS_fchmod, fd, 04755ul | 1ul << 32);
    close(fd);
  }
  return 0;
}`;

test('leaving a set-user-ID program of root behind', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const attack = range.program('planter', planter);
  await using wall = await Wall.open();
  const policy = { filesystem: { read: [join(range.path, 'bin')], write: ['.'] } };
  const made = wall.prepare({ policy, argv: [attack, workspace], workspace });
  const names = [
    'chmod',
    'fchmod',
    'fchmodat',
    'fchmodat2',
    'creat',
    'open',
    'mknod',
    'group',
    'high',
  ];
  /** Programs that whoever runs them becomes their owner by. */
  const left = async (...out: Mechanism[]): Promise<string[]> => {
    assert.equal((await wall.run(without(made, ...out))).code, 0);
    const found = names.filter((name) => {
      const { mode, size, uid } = statSync(join(workspace, name));
      assert.equal(uid, 0, 'the workspace’s owner is root');
      return (mode & 0o6000) !== 0 && size > 0;
    });
    for (const name of names) spawnSync('rm', [join(workspace, name)]);
    return found;
  };
  const unfiltered = await left('seccomp');
  for (const name of ['chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'group', 'high']) {
    assert.ok(unfiltered.includes(name), name);
  }
  assert.deepEqual(await left(), []);
});
