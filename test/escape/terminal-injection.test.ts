/** CVE-2017-5226, CVE-2023-28100: a guest that was given a terminal types a command for whoever sits at it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { needs, Range, Wall, weakLauncher, without, writePlan } from './harness.ts';

const sysctl = '/proc/sys/dev/tty/legacy_tiocsti';
const refused = existsSync(sysctl) && readFileSync(sysctl, 'utf8').trim() === '0';
const skip = needs.gcc || (refused && 'this kernel refuses TIOCSTI');

/** Types "id\n"; with `high`, the bits of the command that a check of 64 bits sees and the kernel does not. */
const typist = `
int main(int argc, char **argv) {
  unsigned long command = TIOCSTI;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "high") == 0) command |= 1ul << 32;
    if (strcmp(argv[i], "take") == 0) ioctl(0, TIOCSCTTY, 0);
  }
  for (const char *at = "id\\n"; *at; at++) syscall(SYS_ioctl, 0, command, at);
  return 0;
}`;

/** desk own|nobody LAUNCHER ARGS...: runs the launcher at a new terminal, prints how much lies in its input queue then. */
const desk = `
#include <termios.h>
#include <pty.h>
int main(int argc, char **argv) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  grantpt(master);
  unlockpt(master);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  struct termios raw;
  tcgetattr(slave, &raw);
  cfmakeraw(&raw);
  tcsetattr(slave, TCSANOW, &raw);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (strcmp(argv[1], "own") == 0) ioctl(slave, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
    close(slave);
    execv(argv[2], argv + 2);
    _exit(126);
  }
  int status, queued = -1;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ioctl(slave, FIONREAD, &queued);
  printf("%d", queued);
  return 0;
}`;

test('typing into the caller’s terminal', { skip }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const attack = range.program('typist', typist);
  const sitting = range.program('desk', desk);
  const filtered = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [attack],
  });
  const filter = writePlan(join(range.path, 'filter.plan'), filtered);
  const none = writePlan(join(range.path, 'none.plan'), without(filtered, 'seccomp'));
  const launcher = locateLauncher().path;
  const weak = weakLauncher('SETSID');
  const typed = (whose: 'own' | 'nobody', program: string, plan: string, ...how: string[]) =>
    Number(execFileSync(sitting, [whose, program, 'run', plan, '--', attack, ...how]));

  // Both layers out: what the guest typed waits for the caller's shell.
  assert.equal(typed('own', weak, none), 3);
  assert.equal(typed('own', weak, none, 'high'), 3);
  // A session of its own stops it alone.
  assert.equal(typed('own', launcher, none), 0);
  assert.equal(typed('own', launcher, none, 'take'), 0);
  // So does the filter, which looks at the bits that the kernel looks at.
  assert.equal(typed('own', weak, filter), 0);
  assert.equal(typed('own', weak, filter, 'high'), 0);
  assert.equal(typed('own', launcher, filter, 'take'), 0);
});

test('typing into a terminal that controls nobody, made one’s own first', { skip }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const attack = range.program('typist', typist);
  const sitting = range.program('desk', desk);
  const filtered = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [attack],
  });
  const filter = writePlan(join(range.path, 'filter.plan'), filtered);
  const none = writePlan(join(range.path, 'none.plan'), without(filtered, 'seccomp'));
  const typed = (plan: string, how: string[]) =>
    Number(
      execFileSync(sitting, [
        'nobody',
        locateLauncher().path,
        ...['run', plan, '--', attack, ...how],
      ]),
    );
  // Here its own session helps the attacker: only the filter stands in the way.
  assert.equal(typed(none, ['take']), 3);
  assert.equal(typed(filter, ['take']), 0);
  assert.equal(typed(filter, ['take', 'high']), 0);
});
