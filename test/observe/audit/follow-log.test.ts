/** What follows a log: its last records without reading all of it, and what is new in parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followLog } from '../../../src/observe/audit/follow-log.ts';
import { readLog } from '../../../src/observe/audit/read-log.ts';
import { event, makeRoom } from './sample-log.ts';

test('the last records of a long log, and then what comes, so many at once', async () => {
  using room = makeRoom();
  const log = await room.open({ fsync: 'never' });
  const long = 'x'.repeat(2000);
  for (let n = 0; n < 1500; n++) {
    void log.append({ kind: 'started', id: `run_${String(n).padStart(32, '0')}`, argv: [long] });
  }
  await log.flush();
  const written = [...readLog(room.directory())];
  for (const count of [0, 1, 7, 1400, 10_000]) {
    const expected = count === 0 ? [] : written.slice(-count);
    const found = followLog(room.directory(), count).next();
    assert.deepEqual(
      found.map(({ seq }) => seq),
      expected.map(({ seq }) => seq),
    );
  }
  const follower = followLog(room.directory(), 1, { most: 10 });
  assert.deepEqual(
    follower.next().map(({ seq }) => seq),
    [written.at(-1)?.seq],
  );
  for (let n = 0; n < 25; n++) void log.append(event(n));
  await log.close();
  const parts: number[][] = [];
  for (;;) {
    const part = follower.next().map(({ seq }) => seq);
    if (part.length === 0) break;
    parts.push(part);
  }
  const all = [...readLog(room.directory())].map(({ seq }) => seq);
  assert.deepEqual(parts.flat(), all.slice(written.length));
  assert.ok(parts.every(({ length }) => length <= 10));
});
