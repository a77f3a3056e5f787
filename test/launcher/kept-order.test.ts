/** Commands in a sandbox that stays, told of, signalled and ended in every order that its launcher may see them in. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { needs, ranFrom } from '../escape/harness.ts';
import { childrenOf, openUngrouped, signal, until } from './stopped.ts';

const skip = needs.root;

test('what is sent to a command that waits for its turn is not for the first one', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init } = await own.open();
  const first = sandbox.spawn(
    own.job('echo up; read -r word; echo $word', { stdout: 'stream', stdin: 'stream' }),
  );
  await new Promise((resolve) => first.stdout.once('data', resolve));
  await until(() => childrenOf(init).length === 2, 'nobody waits for the second command');
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
  await until(() => said === 'up\n', 'it does not start');
  signal([init], 'SIGSTOP');
  for (let i = 0; i < 3000; i++) run.signal(28); // SIGWINCH, which is ignored
  run.signal(1);
  assert.equal(
    ranFrom(await own.wall.client.run(own.plan, own.job('echo other'))).stdout,
    'other\n',
  );
  signal([init], 'SIGCONT');
  await until(() => said === 'up\nhangup\n', 'the last signal was lost');
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
  await until(() => childrenOf(init).length === 1, 'they do not end');
  signal([init], 'SIGKILL');
  await until(
    () => /^State:\s+Z/m.test(readFileSync(`/proc/${init}/status`, 'utf8')),
    'it does not end',
  );
  signal([own.launcher], 'SIGCONT');
  const statuses = (await Promise.all(runs.map((run) => run.result))).map(
    ({ status }) => status >> 8,
  );
  assert.deepEqual(statuses, [7, 7, 7, 7, 7, 7]);
});
