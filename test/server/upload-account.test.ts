/** Uploads of a sandbox that ends while they are under way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { Lease } from '../../src/server/security/quotas.ts';
import { UploadAccount } from '../../src/server/upload-account.ts';

test('an upload whose sandbox ends is told so, and nothing of it is counted any more', () => {
  let held = 0;
  const lease = new Lease({}, (before, after) => {
    held += (after.workspaceBytes ?? 0) - (before.workspaceBytes ?? 0);
  });
  const account = new UploadAccount(lease);
  const uploads = ['/a', '/b', '/c'].map((path) => account.begin(path));
  for (const upload of uploads) upload.count(100);
  assert.equal(held, 300);
  account.release();
  assert.equal(held, 0);
  const [going, ended, broken] = uploads;
  assert.throws(
    () => going?.count(200),
    (error) => isCaissonError(error) && error.code === 'SANDBOX_CLOSED',
  );
  going?.failed();
  ended?.done();
  broken?.failed();
  account.removed('/b');
  assert.equal(held, 0);
});
