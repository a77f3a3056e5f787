/** What Caisson.policy gives is a policy where one is asked for, and the one that was looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyToWire } from '../../src/client/place.ts';
import { Caisson, isCaissonError } from '../../src/index.ts';

test('it runs, makes sandboxes and is explained, as the name that it came of', async () => {
  await using caisson = await Caisson.open();
  const resolved = await caisson.policy('strict');
  const { policyDigest, stdout } = await caisson.run(['echo', 'hello'], { policy: resolved });
  assert.deepEqual([policyDigest, stdout.text], [resolved.digest, 'hello\n']);
  await using sandbox = await caisson.create(resolved);
  assert.equal((await sandbox.exec(['true'])).policyDigest, resolved.digest);
  await using other = await caisson.create({ policy: resolved });
  assert.equal((await other.exec(['true'])).policyDigest, resolved.digest);
  const [one, two] = await Promise.all([caisson.explain(resolved), caisson.explain('strict')]);
  assert.deepEqual(one, two);
  assert.deepEqual(await caisson.policy(resolved), resolved);
  assert.deepEqual(policyToWire(resolved), policyToWire(resolved.policy));
});

test('with the digest of another policy it is refused, here and before it is sent', async () => {
  await using caisson = await Caisson.open();
  const [strict, moderate] = await Promise.all([
    caisson.policy('strict'),
    caisson.policy('moderate'),
  ]);
  const mixed = { policy: moderate.policy, digest: strict.digest };
  const isRefused = (error: unknown): boolean =>
    isCaissonError(error) && error.code === 'POLICY_INVALID' && /digest/.test(error.message);
  await assert.rejects(caisson.run(['true'], { policy: mixed }), isRefused);
  assert.throws(() => policyToWire(mixed), isRefused);
  const more = { ...strict, level: 'none' } as never;
  await assert.rejects(caisson.run(['true'], { policy: more }), /unknown key/);
});
