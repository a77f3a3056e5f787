/** Authorities that are made ahead: each is had by one alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authority } from '../../../src/network/intercept/authority.ts';
import { SpareAuthority } from '../../../src/network/intercept/spare-authority.ts';
import { until } from '../../until.ts';

function counted(): { made: () => number; make: () => Promise<Authority> } {
  let made = 0;
  return {
    made: () => made,
    make: async () => ({ certificatePem: String(++made) }) as Authority,
  };
}

test('the one that was made ahead is taken, once', async () => {
  const { made, make } = counted();
  const spares = new SpareAuthority(make);
  await spares.warm();
  await spares.warm();
  assert.equal(made(), 1);
  const taken = await Promise.all([spares.take(), spares.take(), spares.take()]);
  assert.deepEqual(taken.map(({ certificatePem }) => certificatePem).sort(), ['1', '2', '3']);
});

test('the next one is made soon after', async () => {
  const { made, make } = counted();
  const spares = new SpareAuthority(make);
  await spares.take();
  await until('another one is made', () => made() > 1);
  assert.equal(made(), 2);
  assert.equal((await spares.take()).certificatePem, '2');
});

test('a failure is told, and not remembered', async () => {
  let fails = true;
  const { make } = counted();
  const spares = new SpareAuthority(async () => {
    if (fails) throw new Error('no entropy');
    return await make();
  });
  await assert.rejects(spares.warm(), /no entropy/);
  fails = false;
  await spares.warm();
  assert.equal((await spares.take()).certificatePem, '1');
});
