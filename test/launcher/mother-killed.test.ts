/**
 * The process that nurseries are ordered of is killed between making one and telling of it: the one that nobody knows is not
 * left, and does not stand in for those that are known.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { needs, Range, ranFrom } from '../escape/harness.ts';
import { statOf } from '../proc-stat.ts';
import { until } from '../until.ts';
import { childrenOf, openUngrouped, signal } from './stopped.ts';

const skip = needs.root || needs.gcc;

/** Kills the process that it is given where that has made a child, and says which. */
const tracer = `
int main(int argc, char **argv) {
  int pid = atoi(argv[1]), status;
  struct __ptrace_syscall_info at;
  unsigned long long call = 0;
  if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0) return 1;
  printf("watches\\n");
  fflush(stdout);
  while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof at, &at) > 0) {
      if (at.op == PTRACE_SYSCALL_INFO_ENTRY) call = at.entry.nr;
      else if (call == SYS_clone3 && at.exit.rval > 0) {
        kill(pid, SIGKILL);
        printf("%lld\\n", (long long)at.exit.rval);
        return 0;
      }
    }
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
  }
  return 2;
}`;

test('a nursery that was made and not told of', { skip, timeout: 120_000 }, async () => {
  using range = new Range();
  await using own = await openUngrouped();
  const [mother = 0, nursery = 0] = own.helpers;
  const child = spawn(range.program('tracer', tracer), [String(mother)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = once(child, 'exit');
  await until('it watches', () => said === 'watches\n');

  signal([nursery], 'SIGKILL');
  const made = async () => ranFrom(await own.wall.client.run(own.plan, own.job('echo made')));
  assert.equal((await made()).stdout, 'made\n');
  assert.deepEqual(await ended, [0, null]);
  const unknown = Number(said.split('\n')[1]);
  assert.ok(unknown > 0 && ![mother, nursery].includes(unknown), said);
  await until('the one that nobody knows is gone', () => statOf(unknown)?.parent !== own.launcher);

  // The end of the one that is known is noticed, whoever else was made.
  await until('the helpers alone are left', () => childrenOf(own.launcher).length === 2);
  const [, known = 0] = childrenOf(own.launcher);
  signal([known], 'SIGKILL');
  await until('it has been waited for', () => statOf(known) === undefined);
  assert.equal((await made()).stdout, 'made\n');
});
