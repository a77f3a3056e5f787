/** Many changes are applied while a person watches: it is told how far it is, and Ctrl-C ends it between two files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { entry, makePlace } from './caisson.ts';
import { typist } from './typist.ts';

const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0 ? false : 'python3 is not installed';
const FILES = 20_000;
const CTRL_C = 3;

test('Ctrl-C in the middle of an apply keeps the rest, which the next one brings', { skip }, () => {
  using place = makePlace();
  const made = `seq ${FILES} | xargs -n 500 sh -c 'for i; do echo $i > file$i; done' sh`;
  const run = place.caisson(['run', '--overlay', '--', 'sh', '-c', made]);
  assert.equal(run.status, 0, run.stderr);

  const steps = [['changes applied', 0, [CTRL_C]]];
  const stopped = spawnSync('python3', ['-c', typist, JSON.stringify(steps), entry, 'apply'], {
    cwd: place.work,
    env: place.environment,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(stopped.stderr, '', 'how far it is was told');
  assert.equal(Number(stopped.stdout), 130);
  const there = readdirSync(place.work);
  assert.ok(there.length > 0 && there.length < FILES, `${there.length} of ${FILES}`);
  for (const name of there)
    assert.equal(readFileSync(join(place.work, name), 'utf8'), `${name.slice(4)}\n`);

  const again = place.caisson(['apply', '--json']);
  assert.equal(again.status, 0, again.stderr);
  assert.equal(again.stderr, '', 'with --json nothing is told on the way');
  assert.equal(readdirSync(place.work).length, FILES);
  assert.deepEqual(JSON.parse(place.caisson(['diff', '--list', '--json']).stdout), { pending: [] });
});
