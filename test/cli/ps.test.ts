/** `caisson ps` sees what managers of other processes wrote down, and whether they live. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityOf, ownWorld } from '../../src/host/process-identity.ts';
import { systemClock } from '../../src/sandbox/manager/clock.ts';
import { SqliteManagedStore } from '../../src/store/sqlite-managed-store.ts';
import { makePlace } from './caisson.ts';

test('it lists the living, says which went with their manager, and shows no control characters', async () => {
  using place = makePlace();
  const empty = place.caisson(['ps']);
  assert.deepEqual([empty.status, empty.stdout], [0, '']);
  assert.match(empty.stderr, /no sandbox/);

  const state = join(place.environment.XDG_STATE_HOME ?? '', 'caisson');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const store = SqliteManagedStore.open(state);
  const alive = identityOf(process.pid);
  assert.ok(alive !== undefined);
  const world = { ...ownWorld(), launchers: [], openedMs: 0 };
  await store.putManager({ id: 'alive', process: alive, ...world });
  await store.putManager({ id: 'dead', process: { ...alive, startTime: '1' }, ...world });
  const now = systemClock.monotonicMs();
  const record = {
    kind: 'run' as const,
    tenant: '',
    labels: {},
    priority: 0,
    policyDigest: 'd',
    createdMs: 0,
    createdMonotonicMs: now - 65_000,
  };
  await store.put({
    ...record,
    id: '1',
    manager: 'alive',
    state: 'Running',
    tenant: 'anna',
    labels: { job: 'a\u001b[2J b' },
    deadlineMonotonicMs: now + 600_000,
  });
  await store.put({ ...record, id: '2', manager: 'dead', state: 'Paused' });
  await store.put({
    ...record,
    id: '3',
    manager: 'alive',
    state: 'Completed',
    endedMonotonicMs: now,
  });
  await store.close();

  const shown = place.caisson(['ps']);
  assert.equal(shown.status, 0, shown.stderr);
  const lines = shown.stdout.trimEnd().split('\n');
  assert.match(
    lines[1] ?? '',
    new RegExp(`^1 +Running +run +1m\\S* +anna +${process.pid} +job=a\\?\\[2J\\?b$`),
  );
  assert.match(lines[2] ?? '', /^2 +Paused \(gone\) +run .* - +-$/);
  assert.equal(lines.length, 3);
  assert.match(shown.stderr, /1 of them went with their manager/);

  const { sandboxes } = JSON.parse(place.caisson(['ps', '--all', '--json']).stdout);
  assert.deepEqual(
    sandboxes.map(({ id, manager }: { id: string; manager: { state: string } }) => [
      id,
      manager.state,
    ]),
    [
      ['1', 'alive'],
      ['2', 'gone'],
      ['3', 'alive'],
    ],
  );
  assert.ok(sandboxes[0].remainingMs > 500_000 && sandboxes[0].remainingMs <= 600_000);

  writeFileSync(SqliteManagedStore.fileIn(state), 'not a database, of some length that is read');
  const broken = place.caisson(['ps']);
  assert.equal(broken.status, 74);
  assert.match(broken.stderr, /cannot be used/);
});
