/**
 * The cgroup file system (CVE-2022-0492: a release_agent runs as root of the host): not mounted, not mountable, not
 * reachable through /sys or /proc, and a limit that the guest cannot lift or leave.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Mount } from '../../src/plan/plan.ts';
import { needs, Range, Wall, without } from './harness.ts';

const attack = `
static void say(const char *what, long result) { printf("%s %d\\n", what, result < 0 ? errno : 0); fflush(stdout); }
int main(int argc, char **argv) {
  /* As the published exploit does it: root of a namespace of one's own, a cgroup mount, a release_agent. */
  uid_t uid = getuid();
  gid_t gid = getgid();
  say("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP));
  int fd = open("/proc/self/setgroups", O_WRONLY);
  write(fd, "deny", 4);
  char map[64];
  snprintf(map, sizeof map, "0 %u 1", uid);
  fd = open("/proc/self/uid_map", O_WRONLY);
  write(fd, map, strlen(map));
  snprintf(map, sizeof map, "0 %u 1", gid);
  fd = open("/proc/self/gid_map", O_WRONLY);
  write(fd, map, strlen(map));
  mkdir("/tmp/c", 0700);
  say("cgroup2", mount("none", "/tmp/c", "cgroup2", 0, NULL));
  mkdir("/tmp/d", 0700);
  say("cgroup", mount("none", "/tmp/d", "cgroup", 0, "memory"));
  const char *places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs", "/proc/1/root/sys/fs/cgroup",
                          "/tmp/c/cgroup.procs", "/tmp/d/release_agent"};
  for (int i = 0; i < 6; i++) if (access(places[i], F_OK) == 0) printf("sees %s\\n", places[i]);
  for (int i = 1; i < argc; i++) {
    fd = open(argv[i], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    printf("open %s %d\\n", argv[i], fd < 0 ? errno : 0);
    if (fd >= 0) printf("write %s %d\\n", argv[i], write(fd, "0", 1) < 0 ? errno : 0);
  }
  return 0;
}`;

test('no cgroup file system by any way; with the layers gone it is there', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program('attack', attack);
  const policy = { filesystem: { read: [range.path] } };
  const whole = wall.prepare({ policy, argv: [program] });
  const out = async (prepared: typeof whole): Promise<string> => (await wall.run(prepared)).stdout;

  const open = await out(without(whole, 'seccomp', 'landlock', 'no capabilities'));
  assert.match(open, /^unshare 0$/m);
  assert.match(open, /^cgroup2 0$/m);
  assert.match(open, /^sees \/tmp\/c\/cgroup\.procs$/m);
  for (const layer of ['seccomp', 'landlock'] as const) {
    const other = layer === 'seccomp' ? 'landlock' : 'seccomp';
    const held = await out(without(whole, other, 'no capabilities'));
    assert.match(held, /^cgroup2 1$/m, `${layer} alone`);
    assert.doesNotMatch(held, /^sees/m, `${layer} alone`);
  }
  const held = await out(whole);
  assert.match(held, /^unshare 1$/m);
  assert.doesNotMatch(held, /^sees/m);
});

test('cgroup files of the host, bound in by mistake, cannot be written', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  // A group of our own below which nothing of anybody else lies.
  const base = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].find((path) =>
    existsSync(`${path}/cgroup.procs`),
  );
  assert.ok(base);
  const group = `${base}/caisson-escape-${process.pid}`;
  mkdirSync(group);
  try {
    const program = range.program('attack', attack);
    const policy = { filesystem: { read: [range.path] } };
    const targets = ['/cg/cgroup.procs', '/cg/notify_on_release', '/cg/planted'];
    const whole = wall.prepare({ policy, argv: [program, ...targets] });
    const bind = (flags: Extract<Mount, { kind: 'bind' }>['flags']): Mount => ({
      kind: 'bind',
      source: group,
      target: '/cg',
      flags,
    });
    const bound = (flags: Extract<Mount, { kind: 'bind' }>['flags']): typeof whole => {
      const bare = without(whole, 'landlock');
      return { ...bare, kind: { ...bare.kind, mounts: [...bare.kind.mounts, bind(flags)] } };
    };
    // Wide open, as root of the host would have it: a plan never says so, the id of the guest holds it still.
    const writable = (await wall.run(bound([]))).stdout;
    assert.match(writable, /^open \/cg\/cgroup\.procs 13$/m, 'not the owner');
    const readonly = (await wall.run(bound(['readonly']))).stdout;
    assert.match(readonly, /^open \/cg\/planted (?:30|13)$/m);
    assert.deepEqual(readFileSync(`${group}/cgroup.procs`, 'utf8'), '');
  } finally {
    rmdirSync(group);
  }
});

test('the limits hold, the guest stands in them from its first instruction, and the group is gone afterwards', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const before = groups();
  {
    await using wall = await Wall.open();
    const program = range.program(
      'where',
      `int main(void) { char text[4096]; int fd = open("/proc/self/cgroup", O_RDONLY); write(1, text, (size_t)read(fd, text, 4096)); return 0; }`,
    );
    const policy = {
      filesystem: { read: [range.path] },
      limits: { memory: '64MiB', processes: 16 },
    };
    const whole = wall.prepare({ policy, argv: [program] });
    // Seen with the host's eyes, its groups are those of this launcher; in its own namespace it is at the root.
    const outside = (await wall.run(without(whole, 'cgroup namespace'))).stdout;
    assert.match(outside, new RegExp(`/caisson-${wall.client.pid}-`));
    const inside = (await wall.run(whole)).stdout;
    for (const line of inside.trim().split('\n')) {
      assert.doesNotMatch(line, /caisson-/, 'it does not even learn the name');
    }
    // Ablated: without its group it stands where the launcher stands.
    const bare = (await wall.run(without(whole, 'cgroup', 'cgroup namespace'))).stdout;
    assert.doesNotMatch(bare, /caisson-\d+-\d+\/\d+/);
    assert.notDeepEqual(groups(), before);
  }
  assert.deepEqual(groups(), before);
});

/** Groups of launchers that live, at the top of each hierarchy. Those of others may come and go: ours alone are counted. */
function groups(): string[] {
  const roots = [
    '',
    ...['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'freezer', 'unified'].map(
      (name) => `/${name}`,
    ),
  ];
  return roots.flatMap((root) => {
    const path = `/sys/fs/cgroup${root}`;
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => new RegExp(`^caisson-(?:${childrenOfOurs().join('|')})-`).test(name))
      .map((name) => `${path}/${name}`);
  });
}

/** Launchers that this process started: groups of others come and go meanwhile. */
function childrenOfOurs(): string[] {
  const own = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  for (const pid of own.split(' ').filter(Boolean)) known.add(pid);
  return [...known, 'none'];
}
const known = new Set<string>();
