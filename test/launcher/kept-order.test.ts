/** Commands in a sandbox that stays, told of, signalled and ended in every order that its launcher may see them in. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCaissonError } from '../../src/core/error.ts';
import { needs, ranFrom } from '../escape/harness.ts';
import { until } from '../until.ts';
import { childrenOf, isAsleep, openUngrouped, signal } from './stopped.ts';

const skip = needs.root;

type Own = Awaited<ReturnType<typeof openUngrouped>>;
type Opened = Awaited<ReturnType<Own['open']>>;

/** A command that says again what it is told; and behind it a process that waits for the next one. */
async function withAnotherWaiting(own: Own, { sandbox, init }: Opened) {
  const script = 'echo up; read -r word; echo $word';
  const first = sandbox.spawn(own.job(script, { stdout: 'stream', stdin: 'stream' }));
  await new Promise((resolve) => first.stdout.once('data', resolve));
  await until('somebody waits for the second command', () => childrenOf(init).length === 2);
  return first;
}

test('what is sent to a command that waits for its turn is not for the first one', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const first = await withAnotherWaiting(own, { sandbox, init });
  signal([init], 'SIGSTOP');
  const second = sandbox.run(own.job('echo second'));
  const killed = sandbox.spawn(own.job('echo ran', { stdout: 'stream' }));
  const terminated = sandbox.spawn(own.job('sleep 60', { stdout: 'stream' }));
  killed.kill();
  terminated.signal(15);
  assert.equal((await killed.result).cause, 5); // it needs nobody's help to end
  signal([init], 'SIGCONT');
  assert.equal(ranFrom(await second).stdout, 'second\n');
  assert.equal((await terminated.result).status, 15);
  first.stdin.end('whole\n');
  assert.equal(String(await first.stdout.toArray()), 'whole\n');
  assert.equal((await first.result).status, 0);
  assert.equal(killed.stdout.read(), null);
});

test('signals to a sandbox that stands still hold nobody up, and none is lost', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const script = 'trap "echo hangup" HUP; echo up; while :; do sleep 0.05; done';
  const run = sandbox.spawn(own.job(script, { stdout: 'stream' }));
  let said = '';
  run.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await until('it has started', () => said === 'up\n');
  signal([init], 'SIGSTOP');
  for (let i = 0; i < 3000; i++) run.signal(28); // SIGWINCH, which is ignored
  run.signal(1);
  assert.equal(
    ranFrom(await own.wall.client.run(own.plan, own.job('echo other'))).stdout,
    'other\n',
  );
  signal([init], 'SIGCONT');
  await until('the last signal is heard', () => said === 'up\nhangup\n');
  run.kill();
  assert.equal((await run.result).cause, 5);
});

test('what ended before its sandbox was killed is told as it ended', { skip }, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const runs = Array.from({ length: 6 }, () =>
    sandbox.spawn(own.job('echo up; sleep 0.3; exit 7', { stdout: 'stream' })),
  );
  await Promise.all(runs.map((run) => new Promise((resolve) => run.stdout.once('data', resolve))));
  signal([own.launcher], 'SIGSTOP');
  await until('they have ended', () => childrenOf(init).length === 1);
  await until('it has told of them', () => isAsleep(init));
  signal([init], 'SIGKILL');
  await until('it has ended', () =>
    /^State:\s+Z/m.test(readFileSync(`/proc/${init}/status`, 'utf8')),
  );
  signal([own.launcher], 'SIGCONT');
  const statuses = (await Promise.all(runs.map((run) => run.result))).map(
    ({ status }) => status >> 8,
  );
  assert.deepEqual(statuses, [7, 7, 7, 7, 7, 7]);
});

test('commands that find no room wait for it, and end on time there', { skip }, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const runs = Array.from({ length: 256 }, () =>
    sandbox.spawn(own.job('exec sleep 60', { stdout: 'stream' })),
  );
  await Promise.all(runs.map((run) => run.started));
  const late = sandbox.run(own.job('echo late', { limits: { wallMs: 200 } }));
  const next = sandbox.run(own.job('echo room'));
  const file = sandbox.files({ op: 'stat', path: '/' });
  assert.equal((await late).cause, 1);
  assert.equal(childrenOf(init).length, 256);
  runs[7]?.kill();
  assert.equal((await runs[7]?.result)?.cause, 5);
  assert.equal(ranFrom(await next).stdout, 'room\n');
  assert.equal((await file).errno, 0);
  await sandbox.close();
});

test('a sandbox in which nothing can be started refuses commands as long as that is so', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const refused = (error: unknown) => isCaissonError(error) && error.code === 'RESOURCE_EXHAUSTED';
  const first = sandbox.spawn(own.job('read -r word', { stdout: 'stream', stdin: 'stream' }));
  await first.started;
  await until('somebody waits for the second command', () => childrenOf(init).length === 2);
  execFileSync('prlimit', [`--pid=${init}`, '--nproc=1:']);
  const second = sandbox.spawn(own.job('read -r word', { stdout: 'stream', stdin: 'stream' }));
  await second.started;
  const third = sandbox.run(own.job('echo third'));
  await sleep(1500);
  first.stdin.end('\n');
  assert.equal((await first.result).status, 0);
  second.stdin.end('\n');
  await Promise.all([
    assert.rejects(third, refused),
    assert.rejects(sandbox.files({ op: 'stat', path: '/' }), refused),
  ]);
  execFileSync('prlimit', [`--pid=${init}`, '--nproc=4096:']);
  assert.equal((await sandbox.files({ op: 'stat', path: '/' })).errno, 0);
  assert.equal(ranFrom(await sandbox.run(own.job('echo fourth'))).stdout, 'fourth\n');
});

test('a guest that ends the process which waits for the next command ends no sandbox', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const first = await withAnotherWaiting(own, { sandbox, init });
  const end = async () => {
    const waiting = childrenOf(init).at(-1) ?? 0;
    signal([waiting], 'SIGKILL');
    await until('it has ended', () => !childrenOf(init).includes(waiting));
  };
  await end();
  assert.equal(ranFrom(await sandbox.run(own.job('echo second'))).stdout, 'second\n');
  await until('somebody waits for the third command', () => childrenOf(init).length === 2);
  // Ended, and not noticed before the next command comes.
  signal([own.launcher], 'SIGSTOP');
  const third = sandbox.run(own.job('echo third'));
  await sleep(50);
  await end();
  signal([own.launcher], 'SIGCONT');
  assert.equal(ranFrom(await third).stdout, 'third\n');
  first.stdin.end('whole\n');
  assert.equal((await first.result).status, 0);
});

test('a command that cannot be started leaves its turn to the next one', { skip }, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const first = sandbox.spawn(own.job('read -r word', { stdout: 'stream', stdin: 'stream' }));
  await first.started;
  await until('somebody waits for the second command', () => childrenOf(init).length === 2);
  signal([init], 'SIGSTOP');
  const second = sandbox.run(own.job('echo second'));
  const { mounts } = own.kind;
  const bind = mounts.find(({ kind }) => kind === 'bind');
  assert.ok(bind?.kind === 'bind');
  const missing = { ...bind, source: '/nonexistent', target: '/tmp/x' };
  const third = sandbox.run(own.job('echo third', { mounts: [missing] }));
  const fourth = sandbox.run(own.job('echo fourth'));
  await sleep(100);
  signal([init], 'SIGCONT');
  assert.equal(ranFrom(await second).stdout, 'second\n');
  await assert.rejects(third);
  assert.equal(ranFrom(await fourth).stdout, 'fourth\n');
  first.kill();
});

/** Stands still from now on: what is sent to it lies there unread. */
async function stopWaiting(own: Own, { init }: Opened, commands = 2): Promise<number> {
  // Asleep it has said that it is ready, and the launcher has heard of that when it answers.
  const last = () => childrenOf(init).at(-1);
  const waits = () => childrenOf(init).length === commands && isAsleep(last());
  await until('somebody waits for the next command', waits);
  await own.wall.client.stats();
  const waiting = last() ?? 0;
  signal([waiting], 'SIGSTOP');
  return waiting;
}

for (const stdin of ['stream', 'inline'] as const) {
  test(`a command that nobody had read when its process was ended runs in the next one (${stdin})`, {
    skip,
  }, async () => {
    await using own = await openUngrouped();
    const opened = await own.open();
    const { sandbox } = opened;
    const first = await withAnotherWaiting(own, opened);
    const waiting = await stopWaiting(own, opened);
    const script = 'echo ran >>/tmp/runs; cat /tmp/runs -';
    const input = Buffer.from('input');
    const run = sandbox.spawn(
      own.job(script, { stdin, ...(stdin === 'inline' ? { input } : {}), stdout: 'stream' }),
    );
    if (stdin === 'stream') run.stdin.end(input);
    const behind = sandbox.run(own.job('echo behind'));
    const other = sandbox.run(own.job('while ! [ -s /tmp/runs ]; do sleep 0.01; done'));
    await own.wall.client.stats(); // the launcher has heard of them
    signal([waiting], 'SIGKILL');
    assert.equal(String(Buffer.concat(await run.stdout.toArray())), 'ran\ninput');
    assert.equal((await run.result).status, 0);
    assert.equal(ranFrom(await behind).stdout, 'behind\n');
    assert.equal(ranFrom(await other).code, 0);
    first.kill();
  });
}

test('a command whose process is ended again before it had read it is refused', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const opened = await own.open();
  const { sandbox, init } = opened;
  const first = await withAnotherWaiting(own, opened);
  const waiting = await stopWaiting(own, opened);
  const run = sandbox.run(own.job('echo ran >/tmp/runs'));
  const next = await stopWaiting(own, opened, 3);
  signal([waiting], 'SIGKILL');
  // It is asked for once the command is with the next one.
  const third = () => childrenOf(init).length === 3 && !childrenOf(init).includes(waiting);
  await until('somebody waits for the third one', third);
  signal([next], 'SIGKILL');
  await assert.rejects(run, (error) => isCaissonError(error) && error.code === 'LAUNCHER_FAILED');
  assert.equal(ranFrom(await sandbox.run(own.job('cat /tmp/runs'))).stdout, '');
  first.kill();
});

test('a command that had begun when it was ended is not begun again', { skip }, async () => {
  await using own = await openUngrouped();
  const { sandbox } = await own.open();
  for (let i = 0; i < 20; i++) {
    const run = await sandbox.run(own.job('echo ran >>/tmp/runs; kill -9 $$'));
    assert.equal(run.status, 9);
  }
  assert.equal(ranFrom(await sandbox.run(own.job('wc -l </tmp/runs'))).stdout, '20\n');
});

test('a kept sandbox that is closed while a command lies unread says so', { skip }, async () => {
  await using own = await openUngrouped();
  const opened = await own.open();
  const { sandbox } = opened;
  const first = await withAnotherWaiting(own, opened);
  await stopWaiting(own, opened);
  const run = sandbox.run(own.job('echo ran'));
  const other = sandbox.run(own.job('echo other'));
  assert.equal(ranFrom(await other).stdout, 'other\n');
  await sandbox.close();
  assert.equal((await run).cause, 5);
  assert.equal((await first.result).cause, 5);
});
