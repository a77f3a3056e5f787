/** A command at a terminal, and what its launcher hears of it before, with and after the terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { needs } from '../escape/harness.ts';
import { until } from '../until.ts';
import { childrenOf, isAsleep, openUngrouped, signal } from './stopped.ts';

const skip = needs.root;
const pty = { rows: 24, columns: 80 };

/** A sandbox whose next command does not begin before the test says so. */
async function opened(own: Awaited<ReturnType<typeof openUngrouped>>) {
  const { sandbox, init } = await own.open();
  const waits = () => childrenOf(init).length === 1 && isAsleep(childrenOf(init)[0]);
  await until('somebody waits for a command', waits);
  await own.wall.client.stats(); // that it is ready was heard
  const waiting = childrenOf(init);
  signal(waiting, 'SIGSTOP');
  return { sandbox, init, waiting };
}

test('a command that is not there is an error, however late that is heard of', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, init, waiting } = await opened(own);
  assert.ok((own.kind.notified ?? []).length > 0);
  const run = sandbox.spawn(own.job(':', { argv: ['/nonexistent'], pty }));
  await own.wall.client.stats(); // it is given to whoever waits
  signal([own.launcher], 'SIGSTOP');
  signal(waiting, 'SIGCONT');
  await until('it has ended', () => !childrenOf(init).some((pid) => waiting.includes(pid)));
  signal([own.launcher], 'SIGCONT');
  await assert.rejects(
    run.result,
    (error) => isCaissonError(error) && error.code === 'COMMAND_NOT_FOUND',
  );
});

test('the size of a terminal that was said before there was one is its size', {
  skip,
}, async () => {
  await using own = await openUngrouped();
  const { sandbox, waiting } = await opened(own);
  const script = 'while [ "$(stty size)" != "50 120" ]; do sleep 0.05; done; echo right';
  const limits = { wallMs: 10_000, onOutputLimit: 'kill' } as const;
  const run = sandbox.spawn(own.job(script, { pty, limits }));
  run.resize(50, 120);
  await own.wall.client.stats();
  signal(waiting, 'SIGCONT');
  assert.equal(String(Buffer.concat(await run.stdout.toArray())), 'right\r\n');
  assert.equal((await run.result).status, 0);
});
