/** What an observer is told, and that nothing runs which cannot be recorded. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson } from '../../src/compose.ts';
import { CaissonError } from '../../src/core/error.ts';
import type { ObservedEvent } from '../../src/core/ports.ts';

test('each step of a run is told once, in order, under the id of its outcome', async () => {
  const events: ObservedEvent[] = [];
  await using caisson = await Caisson.open({ observer: (event) => events.push(event) });
  const { auditId } = await caisson.run(['sh', '-c', 'exit 3'], { tenant: 'a' });
  const kinds = ['created', 'started', 'ended', 'destroyed'];
  assert.deepEqual(
    events.map(({ kind, id, tenant }) => ({ kind, id, tenant })),
    kinds.map((kind) => ({ kind, id: auditId, tenant: 'a' })),
  );
  const guest = await caisson.spawn(['true']);
  const { auditId: spawned } = await guest.outcome;
  assert.deepEqual(
    events.slice(4).map(({ kind, id }) => ({ kind, id })),
    kinds.map((kind) => ({ kind, id: spawned })),
  );
});

test('a limit, a refusal and a command that is not there are told', async () => {
  const events: ObservedEvent[] = [];
  await using caisson = await Caisson.open({ observer: (event) => events.push(event) });
  await caisson.run(['sleep', '9'], { timeoutMs: 30 });
  assert.ok(events.some((event) => event.kind === 'limit' && event.limit === 'wall-time'));
  await assert.rejects(caisson.run(['no-such-command']));
  await assert.rejects(caisson.create({ policy: 'paranoid', workspace: '/no/such' }));
  const refused = events.flatMap((event) => (event.kind === 'refused' ? [event.code] : []));
  assert.deepEqual(refused, ['COMMAND_NOT_FOUND', 'PATH_MISSING']);
});

test('what happens in a sandbox that stays carries its id', async () => {
  const events: ObservedEvent[] = [];
  await using caisson = await Caisson.open({ observer: (event) => events.push(event) });
  const sandbox = await caisson.create();
  const { auditId } = await sandbox.exec(['true']);
  await sandbox.spawn(['true']).outcome;
  await sandbox.close();
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['created', 'started', 'ended', 'started', 'ended', 'destroyed'],
  );
  const [created, started, ended] = events;
  assert.equal(created?.id, sandbox.id);
  assert.deepEqual([started?.id, started?.sandbox], [auditId, sandbox.id]);
  assert.equal(ended?.sandbox, sandbox.id);
});

test('what was started in a sandbox that stays and does not come to run is told, too', async () => {
  const events: ObservedEvent[] = [];
  await using caisson = await Caisson.open({ observer: (event) => events.push(event) });
  await using sandbox = await caisson.create();
  await assert.rejects(sandbox.spawn(['no-such-command']).outcome, { code: 'COMMAND_NOT_FOUND' });
  const [, started, refused] = events;
  assert.deepEqual([started?.kind, refused?.kind, events.length], ['started', 'refused', 3]);
  assert.equal(started?.id, refused?.id);
});

test('nothing runs that cannot be recorded', async () => {
  const base = mkdtempSync(join(tmpdir(), 'caisson-'));
  const full = new CaissonError('INTERNAL', { layer: 'observe', message: 'the log is full' });
  await using caisson = await Caisson.open({
    audit: { observer: () => {}, ready: () => Promise.reject(full) },
  });
  try {
    const touch = ['touch', join(base, 'made')];
    const policy = { level: 'moderate', filesystem: { write: [base] } } as const;
    await assert.rejects(caisson.run(touch, { policy }), full);
    await assert.rejects(caisson.spawn(touch, { policy }), full);
    await assert.rejects(caisson.create({ policy }), full);
    assert.ok(!existsSync(join(base, 'made')));
  } finally {
    rmSync(base, { recursive: true });
  }
});
