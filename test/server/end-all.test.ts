/** An end of several parts is whole, whatever some of them come to, and says what they came to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaissonError } from '../../src/core/error.ts';
import { endAll } from '../../src/server/end-all.ts';

const audit = new CaissonError('AUDIT_UNAVAILABLE', {
  layer: 'observe',
  message: 'the log is gone',
  hint: 'bring it back',
});

test('all steps in their order, and nothing to tell', async () => {
  const done: number[] = [];
  await endAll(
    () => done.push(1),
    async () => done.push(2),
  );
  assert.deepEqual(done, [1, 2]);
});

test('one that fails keeps none from its end, and is thrown as it is', async () => {
  const done: number[] = [];
  const ended = endAll(
    () => Promise.reject(audit),
    () => done.push(1),
    // The same again, as a second close tells it.
    () => Promise.reject(audit),
    () => done.push(2),
  );
  await assert.rejects(ended, (error) => error === audit);
  assert.deepEqual(done, [1, 2]);
});

test('of several, in a stack of disposables too, the first gives the code, and all are told', async () => {
  const done: string[] = [];
  const stack = new AsyncDisposableStack();
  stack.defer(() => {
    done.push('last');
  });
  stack.defer(() => {
    throw new Error('of the store');
  });
  stack.defer(() => Promise.reject(audit));
  await assert.rejects(
    endAll(
      () => stack.disposeAsync(),
      () => Promise.reject(new Error('another')),
      () => done.push('after'),
    ),
    {
      code: 'AUDIT_UNAVAILABLE',
      message: 'the log is gone; of the store; another',
      hint: 'bring it back',
    },
  );
  assert.deepEqual(done, ['last', 'after']);
  await assert.rejects(
    endAll(
      () => {
        throw new Error('a');
      },
      () => {
        throw new Error('b');
      },
    ),
    { code: 'INTERNAL', message: 'a; b' },
  );
});
