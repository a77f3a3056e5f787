/** What `npm run bench` says to somebody who asks, or mistypes: nothing is measured, no stack trace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';

const main = resolve(import.meta.dirname, '../../bench/main.ts');
const bench = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 60_000 });

test('--help: how it is used and what suites there are', () => {
  for (const flag of ['--help', '-h']) {
    const { status, stdout, stderr } = bench(flag);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Usage: npm run bench -- /);
    assert.match(stdout, /\bsigning\b/);
  }
});

test('an unknown flag or suite: said in a line, with how it is used', () => {
  for (const [word, said] of [
    ['--nope', /^Unknown option '--nope'/m],
    ['nope', /^no such suite: nope$/m],
  ] as const) {
    const { status, stdout, stderr } = bench(word);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, said);
    assert.match(stderr, /\nUsage: npm run bench/);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});
