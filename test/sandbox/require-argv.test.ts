/** From programs without types: a command that is no list of words never becomes another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireArgv } from '../../src/sandbox/require-argv.ts';

test('a text, nothing, and what is no text are refused; a list of words is not', () => {
  for (const argv of ['ls -l', undefined, null, 7, { 0: 'ls', length: 1 }, ['ls', 7], [['ls']]])
    assert.throws(() => requireArgv(argv as never), { code: 'REQUEST_INVALID', hint: /sh/ });
  requireArgv(['ls', '-l']);
});
