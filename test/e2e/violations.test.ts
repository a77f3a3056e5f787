/**
 * What was refused, as a caller sees it: in the outcome, on the terminal, and in the exit code. And with the launcher
 * killed in the midst of it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { makePlace } from '../cli/caisson.ts';
import { needs, Range, Wall } from '../escape/harness.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { until } from '../until.ts';

const attempt = 'unshare -U true; unshare -U true; echo on';
const environment = { PATH: '/usr/bin:/bin' };
const pids = (text: string): string => text.replaceAll(/pid \d+/g, 'pid N');

test('strict ends the run: denied, named, and the exit code of the table', async () => {
  await using caisson = await Caisson.open();
  const outcome = await caisson.run(['sh', '-c', attempt], { policy: 'strict' });
  assert.equal(outcome.kind, 'denied');
  assert.equal(outcome.code, undefined);
  assert.equal(outcome.stdout.text, '');
  const [violation, ...others] = outcome.violations;
  assert.deepEqual(others, []);
  assert.equal(violation?.kind, 'syscall');
  assert.equal(violation.target, 'unshare');
  assert.equal(violation.program, 'unshare');
  assert.equal(violation.rule, 'syscalls.floor');
  assert.match(violation.reason, /ends a run for it; onViolation: record/);
  assert.deepEqual(violation.details, { flags: 0x10000000 });
});

test('what the policy says counts: record goes on, kill ends it for what is only probed, too', async () => {
  await using caisson = await Caisson.open();
  const run = (argv: string[], onViolation: 'record' | 'kill') =>
    caisson.run(argv, { policy: { version: 1, level: 'strict', onViolation } });
  const recorded = await run(['sh', '-c', attempt], 'record');
  assert.equal(recorded.kind, 'exited');
  assert.equal(recorded.stdout.text, 'on\n');
  assert.equal(recorded.violations[0]?.count, 2);
  assert.match(recorded.violations[0]?.reason ?? '', /needs a stronger wall/);
  // adjtimex(2) with nothing to set: ntp_gettime.
  const probe = ['perl', '-e', 'my $b = "\\0" x 208; syscall(159, $b); print "on\\n"'];
  if (process.arch !== 'x64') return;
  const probed = await caisson.run(probe, { policy: 'strict' });
  assert.equal(probed.stdout.text, 'on\n');
  assert.equal(probed.violations[0]?.target, 'adjtimex');
  const ended = await run(probe, 'kill');
  assert.equal(ended.kind, 'denied');
  assert.equal(ended.violations[0]?.target, 'adjtimex');
});

test('a limit that was hit is a violation, too', async () => {
  await using caisson = await Caisson.open();
  const policy = { version: 1, level: 'strict', limits: { output: '1KiB' } } as const;
  const outcome = await caisson.run(['sh', '-c', 'seq 1000'], { policy });
  assert.deepEqual(
    outcome.violations.map(({ kind, target }) => [kind, target]),
    [['limit', 'output']],
  );
});

test('the terminal is told the same by both ways of a run', () => {
  using place = makePlace();
  const run = (...args: string[]) => {
    const { status, stderr } = place.caisson(['run', ...args], { environment });
    return { status, stderr: pids(stderr) };
  };
  const ends = ['--', 'sh', '-c', attempt];
  const first = run(...ends);
  assert.equal(first.status, 159);
  assert.equal(
    first.stderr,
    'caisson: ended: unshare is refused, and this policy ends a run for it; onViolation: record lets it go on\n' +
      'caisson: refused: unshare (unshare, pid N)\n',
  );
  assert.deepEqual(run(...ends), first, 'the second way: the launcher alone');
  const goes = ['--level', 'moderate', '--', 'sh', '-c', `exec 2>&-; ${attempt}`];
  const recorded = run(...goes);
  assert.deepEqual(recorded, {
    status: 0,
    stderr: 'caisson: refused: unshare (unshare, pid N), 2 times\n',
  });
  assert.deepEqual(run(...goes), recorded);
  const { stdout } = place.caisson(['run', '--json', ...ends], { environment });
  assert.equal(JSON.parse(stdout).violations[0].target, 'unshare');
});

test('explain says what is recorded here, and what is not', () => {
  using place = makePlace();
  const { stdout } = place.caisson(['explain', '--json'], { environment });
  const { enforced, notes } = JSON.parse(stdout);
  assert.ok(enforced.some(({ clause }: { clause: string }) => clause === 'onViolation'));
  assert.ok(notes.some((note: string) => /refused file accesses are/.test(note)));
});

/** Processes of the host below this one. */
function below(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean),
  );
  return children.map(Number).flatMap((child) => [child, ...below(child)]);
}

test('the launcher killed while calls wait for its answer: nothing is left', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const wall = await Wall.open();
  const program = range.program(
    'calls',
    `int main(void) {
      puts("begun"); fflush(stdout);
      for (int i = 0; i < 4; i++) if (fork() == 0) for (;;) mount("none", "/tmp", "tmpfs", 0, NULL);
      for (;;) pause();
    }`,
  );
  const { kind, job } = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [program],
  });
  const plan = wall.client.preparePlan(encodePlan(kind));
  await plan.ready;
  const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
  const execution = wall.client.spawn(plan, { ...job, ...streams });
  execution.result.catch(() => {});
  await new Promise((resolve) => execution.stdout.once('data', resolve));
  const launcher = wall.client.pid ?? 0;
  const calling = () =>
    below(launcher).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('calls'));
  // It says that it has begun before it forks.
  await until('five of them are there', () => calling().length >= 5);
  const alive = calling();
  assert.equal(alive.length, 5);
  const noted = new NotedProcesses(alive);
  process.kill(launcher, 'SIGKILL');
  await assert.rejects(execution.result);
  await until(
    () => `none of them is left: ${noted.left()}`,
    () => noted.left().length === 0,
  );
  await wall.client.close();
});
