/** What is thrown, as an answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemOf } from '../../../src/api/problem.ts';
import { CaissonError } from '../../../src/core/error.ts';
import { levelOf, toProblemError } from '../../../src/server/http/problem-reply.ts';

test('a fault of the service itself says nothing of what it holds', () => {
  let fault: unknown;
  try {
    JSON.parse('a secret that was stored');
  } catch (error) {
    fault = error;
  }
  for (const error of [
    fault,
    new TypeError('a secret'),
    Object.assign(new Error('a secret'), { code: 'EIO' }),
  ]) {
    const problem = problemOf(toProblemError(error));
    assert.equal(problem.status, 500);
    assert.doesNotMatch(JSON.stringify(problem), /secret/);
  }
});

test('what a parser of HTTP refuses is the client’s to mend', () => {
  const refused = Object.assign(new Error('bad framing'), { statusCode: 400 });
  const { status, detail } = problemOf(toProblemError(refused));
  assert.deepEqual([status, detail], [400, 'bad framing']);
});

test('a service that is asked to stop, or for a wall that is not there, is no fault; one that cannot work is', () => {
  const codes = [
    'DRAINING',
    'WALL_UNAVAILABLE',
    'NOT_FOUND',
    'AUDIT_UNAVAILABLE',
    'INTERNAL',
  ] as const;
  const levels = codes.map((code) => levelOf(new CaissonError(code, { layer: 'server' })));
  assert.deepEqual(levels, ['info', 'info', 'info', 'error', 'error']);
});
