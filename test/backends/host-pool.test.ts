/** The pool, over hosts that are none: what is lost with a host, and what never is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostPool } from '../../src/backends/host-pool.ts';
import { HostDouble, job, QUIET, VALUE } from './host-double.ts';

interface Made {
  readonly pool: HostPool;
  readonly doubles: HostDouble[];
}

function poolOf(hosts: number, answer: Parameters<typeof HostDouble.answering>[0]): Made {
  const doubles: HostDouble[] = [];
  const pool = new HostPool({
    engine: 'isolate',
    hosts,
    start: async () => {
      const double = HostDouble.answering(answer);
      doubles.push(double);
      return { guest: double.guest, wall: 'process', wallReason: 'a test', accepted: [] };
    },
  });
  return { pool, doubles };
}

test('hosts that end while nobody uses them are replaced', async () => {
  const { pool, doubles } = poolOf(2, (host, id) => host.result(id, VALUE));
  const both = () => Promise.all([pool.evaluate(job(), QUIET), pool.evaluate(job(), QUIET)]);
  await both();
  for (let round = 0; round < 3; round++) {
    for (const double of doubles) double.end({ kind: 'signaled', signal: 'SIGKILL' });
    await sleep(1);
    for (const { kind } of await both()) assert.equal(kind, 'value');
  }
  assert.ok(doubles.length >= 8);
  await pool.close();
});

test('whoever waits behind guests that take their hosts with them is answered in the end', async () => {
  const { pool } = poolOf(1, (host, _, frame) => {
    if (frame.body.includes('hostile')) host.end({ kind: 'signaled', signal: 'SIGSEGV' });
    else host.result(frame.id, VALUE);
  });
  const hostile = Array.from({ length: 12 }, () =>
    pool.evaluate(job({ args: ['hostile'] }), QUIET),
  );
  const innocent = await pool.evaluate(job(), QUIET);
  assert.equal(innocent.kind, 'value');
  for (const { kind } of await Promise.all(hostile)) assert.equal(kind, 'ended');
  await pool.close();
});

test('who gives up while there is no host yet is not evaluated', async () => {
  let evaluated = 0;
  const { pool } = poolOf(1, (host, id) => {
    evaluated++;
    host.result(id, VALUE);
  });
  const abort = new AbortController();
  const pending = pool.evaluate(job(), QUIET, abort.signal);
  abort.abort();
  assert.equal((await pending).kind, 'killed');
  assert.equal(evaluated, 0);
  assert.equal((await pool.evaluate(job(), QUIET)).kind, 'value');
  await pool.close();
});

test('who gives up while it is another one’s turn leaves that one alone', async () => {
  const { pool, doubles } = poolOf(1, async (host, id) => {
    await sleep(20);
    host.result(id, VALUE);
  });
  await pool.warm();
  const abort = new AbortController();
  const first = pool.evaluate(job(), QUIET);
  const second = pool.evaluate(job(), { ...QUIET }, abort.signal);
  const third = pool.evaluate(job(), { ...QUIET });
  abort.abort();
  assert.equal((await second).kind, 'killed');
  assert.deepEqual([(await first).kind, (await third).kind], ['value', 'value']);
  assert.ok(!doubles.some(({ isKilled }) => isKilled));
  await pool.close();
});

test('evaluations that come at once each start a host of their own, and one more stands by', async () => {
  const { pool, doubles } = poolOf(4, async (host, id) => {
    await sleep(30);
    host.result(id, VALUE);
  });
  await Promise.all([pool.warm(), pool.warm(), pool.warm()]);
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 20 }, () => pool.evaluate(job(), { ...QUIET })));
  }
  assert.equal(doubles.length, 5);
  await pool.close();
  assert.ok(
    doubles.every(({ isKilled }) => isKilled),
    'none is left',
  );
});

test('a host that never comes to take anything is not waited for at the end', async () => {
  const silent = new HostDouble();
  const doubles = [HostDouble.answering((host, id) => host.result(id, VALUE)), silent];
  const pool = new HostPool({
    engine: 'isolate',
    hosts: 1,
    start: async () => {
      const { guest } = doubles.shift() ?? silent;
      return { guest, wall: 'process', wallReason: 'a test', accepted: [] };
    },
  });
  await pool.warm();
  // The one that stands by has been started, and says nothing.
  await sleep(1);
  await pool.close();
  assert.ok(silent.isKilled);
});
