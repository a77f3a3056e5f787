/** A time grid holds from the command line, too: no shorter way goes around it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makePlace } from './caisson.ts';

test('a run on a grid is not remembered for the short way, and a plan file cannot keep it', () => {
  using place = makePlace();
  const options = { environment: { PATH: '/usr/bin:/bin' } };
  const plans = join(place.environment.XDG_RUNTIME_DIR ?? '', 'caisson/plans');
  const remembered = () => (existsSync(plans) ? readdirSync(plans).length : 0);
  const policy = (text: string) => writeFileSync(join(place.work, 'p.yaml'), text);
  const run = () => {
    const begin = performance.now();
    const { stdout } = place.caisson(['run', '--policy', 'p.yaml', '--', 'echo', 'hi'], options);
    assert.equal(stdout, 'hi\n');
    return performance.now() - begin;
  };

  policy('version: 1\nsideChannels: { resultGrid: 700ms }\n');
  for (let i = 0; i < 2; i++) assert.ok(run() >= 700);
  assert.equal(remembered(), 0);
  const compiled = place.caisson(['compile', '--policy', 'p.yaml', '--out', 'plan'], options);
  assert.notEqual(compiled.status, 0);
  assert.match(compiled.stderr, /time grid/);

  policy('version: 1\n');
  run();
  assert.notEqual(remembered(), 0, 'ablated');
});
