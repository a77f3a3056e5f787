/** The names that a function may use are those of the realm that it runs in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestGlobals } from '../../src/functions/guest-globals.ts';
import { Caisson } from '../../src/index.ts';

test('guestGlobals are the names of a guest’s realm', async () => {
  await using caisson = await Caisson.open();
  const { value } = await caisson.evaluate(
    'javascript',
    'export default Object.getOwnPropertyNames(globalThis)',
  );
  assert.deepEqual([...guestGlobals].sort(), (value as string[]).sort());
});
