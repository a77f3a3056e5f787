/** Policies that are met are remembered, so many of them: a caller that brings a new one each time does not grow us. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { PolicyBook } from '../../src/sandbox/policy-book.ts';

const policy = (n: number): PolicyDocument => ({
  version: 1,
  level: 'strict',
  limits: { processes: n },
});

describe('a book of policies', () => {
  test('knows the same policy again, whatever it was written as', async () => {
    const book = new PolicyBook();
    const entry = await book.entry(policy(7));
    assert.equal(await book.entry(policy(7)), entry);
    assert.equal(book.known(entry.policy), undefined);
    const frozen = Object.freeze({ ...entry.policy });
    assert.equal(await book.entry(frozen), entry);
    assert.equal(book.known(frozen), entry);
  });

  test('forgets what was used longest ago, and not what is in use', async () => {
    const forgotten: number[] = [];
    const book = new PolicyBook((entry) => {
      const n = entry.policy.limits.processes ?? 0;
      if (n === 11) return false;
      forgotten.push(n);
      return true;
    }, 3);
    const strict = await book.entry('strict');
    for (const n of [11, 12]) await book.entry(policy(n));
    assert.equal(book.known('strict'), strict);
    await book.entry(policy(13));
    assert.deepEqual(forgotten, [12]);
    await book.entry(policy(14));
    await book.entry(policy(15));
    assert.equal(book.known('strict'), undefined);
    assert.notEqual(await book.entry('strict'), strict);
  });

  test('a run and an evaluation go on while a thousand others come', async () => {
    await using caisson = await Caisson.open();
    const running = caisson.run(['sh', '-c', 'sleep 2; echo done'], { policy: policy(101) });
    const evaluating = caisson.evaluate(
      'javascript',
      'export default () => { const end = Date.now() + 2000; while (Date.now() < end); return 1; }',
      { policy: policy(102) },
    );
    await sleep(1000);
    for (let n = 0; n < 1100; n++) await caisson.policy(policy(1000 + n));
    assert.equal((await running).stdout.text, 'done\n');
    assert.equal((await evaluating).value, 1);
    // And from the beginning, for who comes again.
    assert.equal((await caisson.run(['true'], { policy: policy(101) })).code, 0);
    assert.equal(
      (await caisson.evaluate('javascript', 'export default 2', { policy: policy(102) })).value,
      2,
    );
  });
});
