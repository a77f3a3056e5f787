/** CVE-2014-8989 and kin: a group of the caller that stays with the guest opens files that nobody meant to show. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { needs, ORDINARY, Range, Wall, weakLauncher, without } from './harness.ts';

const GROUP = 42_424;

const reader = `
int main(int argc, char **argv) {
  char text[256];
  int fd = open(argv[1], O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (n > 0) write(1, text, (size_t)n);
  return 0;
}`;

/** A file below `host` that members of one group alone may read, and a guest of root's that tries. */
function scene(range: Range, group: number) {
  const attack = range.program('reader', reader);
  const secret = range.file('host/secret', 'for the group');
  chownSync(secret, 12_345, group);
  chmodSync(secret, 0o040);
  const read = [join(range.path, 'bin'), join(range.path, 'host')];
  const stolen = async (launcher: string): Promise<string> => {
    await using wall = await Wall.open(['setpriv', `--groups=${GROUP}`, launcher]);
    const made = wall.prepare({ policy: { filesystem: { read } }, argv: [attack, secret] });
    // An idmapped mount knows the owner of its source and nobody else: a layer of its own.
    return (await wall.run(without(made, 'idmap'))).stdout;
  };
  return { attack, secret, stolen };
}

test('a supplementary group of the caller', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const { stolen } = scene(range, GROUP);
  assert.equal(await stolen(weakLauncher('SETGROUPS')), 'for the group');
  assert.equal(await stolen(locateLauncher().path), '');
});

/** A bad sandbox: the user is switched, the group is not. */
const badSandbox = `
int main(int argc, char **argv) {
  setgroups(0, NULL);
  setresuid(${ORDINARY}, ${ORDINARY}, ${ORDINARY});
  execv(argv[1], argv + 1);
  return 126;
}`;

test('the group of root, when only the user is switched', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const { attack, secret, stolen } = scene(range, 0);
  const bad = range.program('bad', badSandbox);
  const { stdout } = spawnSync(bad, [attack, secret], { encoding: 'utf8' });
  assert.equal(stdout, 'for the group');
  assert.equal(await stolen(locateLauncher().path), '');
});

/** Gives up every group, and with them what a file denies to one (mode 0604). */
const dropper = `
int main(int argc, char **argv) {
  printf("%d", setgroups(0, NULL));
  return 0;
}`;

test('setgroups is denied before the map is written', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const attack = range.program('dropper', dropper);
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('SETGROUPS_DENY')]);
  const made = strong.prepare({ policy: { filesystem: { read: [range.path] } }, argv: [attack] });
  // With CAP_SETGID in its own user namespace.
  const able = without(made, 'seccomp', 'no capabilities');
  assert.equal((await weak.run(able)).stdout, '0');
  assert.equal((await strong.run(able)).stdout, '-1');
});

test('an ordinary caller’s groups cannot be given up, which is refused and not passed over', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const { attack, secret } = scene(range, GROUP);
  await using wall = await Wall.ordinary(range.copyOfLauncher(), [GROUP]);
  const read = [join(range.path, 'bin'), join(range.path, 'host')];
  const made = wall.prepare({ policy: { filesystem: { read } }, argv: [attack, secret] });
  assert.equal((await wall.run(without(made, 'cgroup'))).stdout, 'for the group');

  const policy = policyFromDocument({ version: 1, level: 'strict' });
  const ids = (facts: HostFacts) => compile(policy, facts).unenforceable.map(({ id }) => id);
  assert.ok(ids({ ...wall.facts, supplementaryGroups: [GROUP] }).includes('groups:kept'));
  assert.ok(!ids(wall.facts).includes('groups:kept'));
});
