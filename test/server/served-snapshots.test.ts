/** Snapshots that are being taken when the service ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { type KeptSnapshot, ServedSnapshots } from '../../src/server/served-snapshots.ts';

test('one that is there only after the end began is discarded, and the end waits for that', async () => {
  const gone: string[] = [];
  const snapshots = new ServedSnapshots();
  const copied = Promise.withResolvers<void>();
  const taking = snapshots.keep('acme', async () => {
    await copied.promise;
    return {
      tenant: 'acme',
      snapshot: { id: 'late', discard: () => void gone.push('copy') },
      ending: () => void gone.push('place'),
    } as unknown as KeptSnapshot;
  });
  const refused = assert.rejects(
    taking,
    (error) => isCaissonError(error) && error.code === 'DRAINING',
  );
  const closed = snapshots.close().then(() => gone.push('closed'));
  copied.resolve();
  await Promise.all([refused, closed]);
  assert.deepEqual(gone, ['copy', 'place', 'closed']);
  assert.deepEqual(snapshots.list('acme'), []);
});
