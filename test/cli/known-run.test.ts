/** Remembered plans: the same result as the ordinary way, for their owner alone, and never a stale policy. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { knownWords } from '../../src/cli/known-run.ts';
import { ownDirectory, PlanCache } from '../../src/cli/plan-cache.ts';
import { makePlace, type Place } from './caisson.ts';

/** With a toolchain of a home on PATH, `sh` takes the ordinary way. */
const systemPath = { PATH: '/usr/bin:/bin' };

const plansOf = (place: Place) => join(place.environment.XDG_RUNTIME_DIR ?? '', 'caisson/plans');

function run(place: Place, ...args: string[]) {
  const { stdout, stderr, status } = place.caisson(['run', ...args], { environment: systemPath });
  return { stdout, stderr, status };
}

/** The ordinary way writes its entry anew; the short way reads it alone. */
function writesAnew(place: Place, act: () => void): boolean {
  const stamp = () =>
    readdirSync(plansOf(place))
      .map((name) => statSync(join(plansOf(place), name)).ino)
      .join();
  const before = stamp();
  act();
  return stamp() !== before;
}

test('the second run takes the short way and comes to the same', () => {
  using place = makePlace();
  const script = ['--', 'sh', '-c', 'cat; pwd; id -u; env | sort; exit 5'];
  const first = run(place, ...script);
  assert.deepEqual(first.status, 5);
  assert.equal(readdirSync(plansOf(place)).length, 2);
  assert.equal(statSync(plansOf(place)).mode & 0o777, 0o700);
  for (const name of readdirSync(plansOf(place))) {
    assert.equal(statSync(join(plansOf(place), name)).mode & 0o777, 0o600);
  }
  const known = writesAnew(place, () => assert.deepEqual(run(place, ...script), first));
  assert.equal(known, false, 'the second run was known');
});

test('a changed policy, a changed base, a changed variable count at once', () => {
  using place = makePlace();
  const policy = (text: string) => writeFileSync(join(place.work, 'p.yaml'), text);
  const base = (text: string) => writeFileSync(join(place.work, 'base.yaml'), text);
  const limit = () => run(place, '--policy', 'p.yaml', '--', 'sh', '-c', 'ulimit -n').stdout.trim();
  base('limits:\n  openFiles: 100\n');
  policy('extends: ./base.yaml\n');
  assert.deepEqual([limit(), limit()], ['100', '100']);
  base('limits:\n  openFiles: 101\n');
  assert.equal(limit(), '101');
  policy('extends: ./base.yaml\nlimits:\n  openFiles: 102\n');
  assert.equal(limit(), '102');
  const lang = (LANG: string) =>
    place
      .caisson(['run', '--', 'sh', '-c', 'echo $LANG'], { environment: { ...systemPath, LANG } })
      .stdout.trim();
  assert.deepEqual([lang('C'), lang('C.UTF-8'), lang('C')], ['C', 'C.UTF-8', 'C']);
});

test('a link that leads elsewhere by now is followed anew', () => {
  using place = makePlace();
  for (const name of ['a', 'b']) {
    mkdirSync(join(place.work, name));
    writeFileSync(join(place.work, name, 'file'), name);
  }
  const link = join(place.work, 'link');
  symlinkSync('a', link);
  const read = () =>
    run(place, '--read', 'link', '--', 'sh', '-c', `ls ${place.work}`).stdout.trim();
  assert.deepEqual([read(), read()], ['a', 'a']);
  unlinkSync(link);
  symlinkSync('b', link);
  assert.equal(read(), 'b');
});

test('what others could have written, or what was cut short, is not used', () => {
  using place = makePlace();
  const words = ['--', 'sh', '-c', 'echo fine'];
  const once = () => assert.equal(run(place, ...words).stdout, 'fine\n');
  once();
  const plans = plansOf(place);
  const [json = '', plan = ''] = readdirSync(plans)
    .sort()
    .map((name) => join(plans, name));
  chmodSync(json, 0o666);
  assert.equal(writesAnew(place, once), true, 'an entry that others may write');
  writeFileSync(plan, readFileSync(plan).subarray(0, 100));
  assert.equal(writesAnew(place, once), true, 'a plan that was cut short');
  writeFileSync(json, readFileSync(json).subarray(0, 100));
  assert.equal(writesAnew(place, once), true, 'an entry that was cut short');
  renameSync(json, `${json}.away`);
  symlinkSync(`${json}.away`, json);
  assert.equal(writesAnew(place, once), true, 'a link');
  chmodSync(plans, 0o755);
  once();
  assert.equal(
    ownDirectory({ XDG_RUNTIME_DIR: place.environment.XDG_RUNTIME_DIR ?? '' }),
    undefined,
  );
});

test('no directory that is safe: nothing is kept, everything works', () => {
  const cache = new PlanCache(undefined);
  assert.equal(cache.get('x'), undefined);
  assert.deepEqual(cache.old(), ownDirectory() === undefined ? [] : cache.old());
});

test('secrets are not written down', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'p.yaml'), 'environment:\n  pass: [PATH, TOKEN]\n');
  const environment = { TOKEN: 'hunter2' };
  for (const flags of [
    ['--env', 'TOKEN'],
    ['--env', 'TOKEN=hunter2'],
    ['--policy', 'p.yaml'],
  ]) {
    place.caisson(['run', ...flags, '--', 'true'], { environment });
  }
  const found = spawnSync('grep', ['-r', 'hunter2', join(plansOf(place), '../..')]).status;
  assert.equal(found, 1, 'grep finds nothing');
});

test('which command lines can be known', () => {
  assert.deepEqual(knownWords(['run', '--memory', '1MiB', '--', 'a', '--json']), {
    flags: ['--memory', '1MiB'],
    argv: ['a', '--json'],
  });
  for (const words of [
    ['run', 'true'],
    ['run', '--'],
    ['run', '--', ''],
    ['shell', '--', 'sh'],
    ['run', '--json', '--', 'true'],
    ['run', '-e', 'A=1', '--', 'true'],
    ['run', '-eA=1', '--', 'true'],
    ['run', '--env=A=1', '--', 'true'],
    ['run', '--no-tty', '--', 'true'],
    ['run', '--overlay', '--', 'true'],
    ['run', '--', 'echo', 'x'.repeat(1 << 20)],
  ]) {
    assert.equal(knownWords(words), undefined, words.join(' ').slice(0, 60));
  }
});
