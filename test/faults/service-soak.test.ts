/** A short soak of the service; `node scripts/service-soak.ts` is the long one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growthOf, soakService } from '../../scripts/service-soak.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';

test('after hundreds of sandboxes, and clients that went away, there is no more of anything', {
  skip,
}, async (t) => {
  const report = await soakService({ sandboxes: 400, atOnce: 8, kept: 50, note: () => {} });
  t.diagnostic(JSON.stringify(report.answers));
  assert.equal(report.sandboxes, 400);
  // So few say nothing about memory: its heap still grows to its working size.
  assert.deepEqual(
    growthOf(report).filter((each) => !each.startsWith('serviceBytes')),
    [],
  );
  const statuses = Object.keys(report.answers).filter(
    (each) => !['200', '201', 'gone'].includes(each),
  );
  assert.deepEqual(statuses, []);
  assert.ok((report.answers.gone ?? 0) > 0);
  const { 'sandboxes.db sandbox': rows = 0 } = report.after.rows;
  assert.ok(rows > 0 && rows < 50 + 300, `${rows} rows`);
});
