/**
 * Refused file accesses, observed: what is recorded, and that nothing about what is refused depends on it.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Outcome, Violation } from '../../src/core/outcome.ts';
import { Caisson } from '../../src/index.ts';
import { makePlace } from '../cli/caisson.ts';
import { needs, Range } from '../escape/harness.ts';

const observe = { version: 1, level: 'strict', fileRefusals: 'observe' } as const;
const plain = { version: 1, level: 'strict' } as const;

let caisson: Caisson;
let secrets: string;
before(async () => {
  caisson = await Caisson.open();
  secrets = mkdtempSync(join(tmpdir(), 'caisson-secrets-'));
  writeFileSync(join(secrets, 'key'), 'the secret');
});
after(async () => {
  await caisson.close();
  rmSync(secrets, { recursive: true });
});

function file({ violations }: Outcome, target: string): Violation | undefined {
  return violations.find((each) => each.kind === 'file' && each.target === target);
}

describe('an observer of file accesses', () => {
  test('what is hidden, and what is read-only: path, program, rule, reason, count', async () => {
    const key = join(secrets, 'key');
    const script = `cat ${key}; cat ${key}; echo x > /usr/caisson-new; mkdir /usr/caisson-dir; rm -f /usr/bin/env; echo on`;
    const outcome = await caisson.run(['sh', '-c', script], { policy: observe });
    assert.equal(outcome.kind, 'exited');
    assert.equal(outcome.stdout.text, 'on\n');
    const hidden = file(outcome, key);
    assert.equal(hidden?.program, 'cat');
    assert.equal(hidden?.count, 2);
    assert.equal(hidden?.rule, 'filesystem.read');
    assert.match(hidden?.reason ?? '', /the sandbox does not show it/);
    assert.ok((hidden?.pid ?? 0) > 1);
    for (const path of ['/usr/caisson-new', '/usr/caisson-dir', '/usr/bin/env']) {
      const found = file(outcome, path);
      assert.equal(found?.rule, 'filesystem.write', path);
      assert.equal(found?.details.errno, 30, path);
    }
    assert.ok(existsSync('/usr/bin/env') && !existsSync('/usr/caisson-new'));
  });

  test('what succeeds, and what is nowhere, is not recorded', async () => {
    const script =
      'echo 1 > /tmp/a && cat /tmp/a && mv /tmp/a /tmp/b && rm /tmp/b; cat /etc/passwd > /dev/null; cat /nowhere/at/all';
    const outcome = await caisson.run(['sh', '-c', script], { policy: observe });
    const own = outcome.violations.filter(({ target }) => !target?.startsWith('/usr/share/locale'));
    assert.deepEqual(own, []);
  });

  test('relative paths, directories and links lead where the guest’s lead', async () => {
    const script = `cd /usr/share && echo > ../caisson-up; ln -s ${secrets} /tmp/link && cat /tmp/link/key`;
    const outcome = await caisson.run(['sh', '-c', script], { policy: observe });
    assert.ok(file(outcome, '/usr/caisson-up'), JSON.stringify(outcome.violations));
    assert.notEqual(outcome.stdout.text, 'the secret');
  });

  test('without it, nothing is recorded, and the guest is told the same', async () => {
    const script = `cat ${join(secrets, 'key')}; echo x > /usr/caisson-new; rm -f /usr/bin/env; mkdir /usr/x; exit 7`;
    const [seen, unseen] = await Promise.all(
      [observe, plain].map((policy) => caisson.run(['sh', '-c', script], { policy })),
    );
    assert.deepEqual(unseen?.violations, []);
    assert.equal(seen?.code, unseen?.code);
    assert.equal(seen?.stderr.text, unseen?.stderr.text);
  });

  test('no refused file ends a run, whatever onViolation says', async () => {
    const policy = { ...observe, onViolation: 'kill' } as const;
    const outcome = await caisson.run(['sh', '-c', `cat ${secrets}/key; echo on`], { policy });
    assert.equal(outcome.kind, 'exited');
    assert.equal(outcome.stdout.text, 'on\n');
    assert.ok(file(outcome, `${secrets}/key`));
  });

  test('a flood is bounded, and what is not kept is counted', async () => {
    const script = `i=0; while [ $i -lt 600 ]; do echo > /usr/caisson-$i; i=$((i+1)); done 2>&-`;
    const outcome = await caisson.run(['sh', '-c', script], { policy: observe });
    const files = outcome.violations.filter(({ kind }) => kind === 'file');
    const rest = files.at(-1);
    assert.equal(rest?.target, undefined);
    assert.ok(files.length <= 257);
    const counted = files.reduce((sum, { count = 1 }) => sum + count, 0);
    assert.ok(counted >= 600, `${counted}`);
  });

  test('a kept sandbox: commands and files work, each command has its own', async () => {
    await using sandbox = await caisson.create({ policy: observe });
    await sandbox.files.write('/tmp/a', 'here');
    const first = await sandbox.exec(['sh', '-c', `cat /tmp/a; cat ${secrets}/key`]);
    assert.equal(first.stdout.text, 'here');
    assert.ok(file(first, `${secrets}/key`));
    const second = await sandbox.exec(['cat', '/tmp/a']);
    assert.equal(file(second, `${secrets}/key`), undefined);
    assert.equal(String(await sandbox.files.read('/tmp/a')), 'here');
  });

  test('a program that is not there, and one that cannot be executed, fail as ever', async () => {
    const run = (...argv: string[]) => caisson.run(argv, { policy: observe });
    await assert.rejects(run('caisson-no-such'), { code: 'COMMAND_NOT_FOUND' });
    await assert.rejects(run('/etc/passwd'), { code: 'COMMAND_NOT_EXECUTABLE' });
  });
});

/** Swaps the name that the observer and then the kernel read, from another thread, for long enough to hit the gap. */
const race = `
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static char path[256];
static const char *secret;
static void *swap(void *unused) {
  (void)unused;
  for (;;) { strcpy(path, "/etc/passwd"); strcpy(path, secret); }
  return NULL;
}
int main(int argc, char **argv) {
  pthread_t thread;
  char text[64];
  (void)argc;
  secret = argv[1];
  pthread_create(&thread, NULL, swap, NULL);
  for (int i = 0; i < 4000; i++) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    ssize_t got = read(fd, text, sizeof text);
    if (got >= 10 && memcmp(text, "the secret", 10) == 0) { puts("got it"); return 1; }
    close(fd);
  }
  puts("nothing");
  return 0;
}`;

test('a path swapped under the observer’s eyes opens nothing', { skip: needs.gcc }, async () => {
  using range = new Range();
  const program = range.program('race', race);
  const policy = { ...observe, filesystem: { read: [range.path] } };
  const outcome = await caisson.run([program, join(secrets, 'key')], { policy });
  assert.equal(outcome.stdout.text, 'nothing\n');
  assert.equal(readFileSync(join(secrets, 'key'), 'utf8'), 'the secret');
});

test('on the command line: printed at each run, and --on-violation ends one or not', () => {
  using place = makePlace();
  const environment = { PATH: '/usr/bin:/bin' };
  const run = (...args: string[]) => place.caisson(['run', ...args], { environment });
  const observed = [
    '--file-refusals',
    'observe',
    '--',
    'sh',
    '-c',
    'echo 2>&- > /usr/caisson-x; true',
  ];
  for (let i = 0; i < 2; i++) {
    const { status, stderr } = run(...observed);
    assert.equal(status, 0);
    assert.match(stderr, /^caisson: refused: \/usr\/caisson-x \(sh, pid \d+\)$/m);
  }
  const attempt = ['--', 'sh', '-c', 'unshare -U true 2>&-; echo on'];
  const recorded = run('--on-violation', 'record', ...attempt);
  assert.deepEqual([recorded.status, recorded.stdout], [0, 'on\n']);
  const ended = run('--level', 'moderate', '--on-violation', 'kill', ...attempt);
  assert.deepEqual([ended.status, ended.stdout], [159, '']);
  assert.equal(run('--level', 'moderate', ...attempt).status, 0);
  assert.equal(run('--on-violation', 'sometimes', ...attempt).status, 64);
});
