/** `caisson run` from end to end, by what the guest and the host can see. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { until } from '../until.ts';
import { entry, makePlace, type Place } from './caisson.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const needsPython = { skip: has('python3') ? false : 'python3 is not installed' };

function outcomeOf(place: Place, args: string[]): Outcome {
  const { stdout, stderr } = place.caisson(['run', '--json', ...args]);
  assert.equal(stdout.trimEnd().split('\n').length, 1, stdout + stderr);
  return JSON.parse(stdout) as Outcome;
}

test('prints 42', needsPython, () => {
  using place = makePlace();
  const { stdout, stderr, status } = place.caisson(['run', '--', 'python3', '-c', 'print(6*7)']);
  assert.deepEqual({ stdout, stderr, status }, { stdout: '42\n', stderr: '', status: 0 });
});

test('there is no /etc/shadow, no home, and no current directory unless it is named', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'secret'), 'secret');
  const shadow = place.caisson(['run', '--', 'cat', '/etc/shadow']);
  assert.equal(shadow.status, 1);
  assert.match(shadow.stderr, /No such file/);
  const hidden = place.caisson(['run', '--', 'cat', join(place.work, 'secret')]);
  assert.match(hidden.stderr, /No such file/);
  const named = place.caisson(['run', '--read', 'secret', '--', 'cat', join(place.work, 'secret')]);
  assert.equal(named.stdout, 'secret');
});

test('--write and --workspace write where they say, as the owner; --read does not', () => {
  using place = makePlace();
  mkdirSync(join(place.work, 'out'));
  const write = (flags: string[], path: string) =>
    place.caisson(['run', ...flags, '--', 'sh', '-c', `echo x > ${join(place.work, path)}`]).status;
  assert.notEqual(write([], 'out/none'), 0);
  assert.notEqual(write(['--read', 'out'], 'out/read'), 0);
  assert.equal(write(['--write', 'out'], 'out/write'), 0);
  // The directories above are the guest's own, and what it writes there is gone with it.
  write(['--write', 'out'], 'beside');
  assert.deepEqual(readdirSync(place.work), ['out']);
  assert.equal(write(['--workspace', '.'], 'beside'), 0);
  assert.deepEqual(readdirSync(join(place.work, 'out')), ['write']);
  assert.deepEqual(readdirSync(place.work).sort(), ['beside', 'out']);
});

test('exit codes pass through, and Caisson’s own are said on stderr', () => {
  using place = makePlace();
  const sh = (script: string, ...flags: string[]) =>
    place.caisson(['run', ...flags, '--', 'sh', '-c', script]);
  assert.equal(sh('exit 124').status, 124);
  assert.equal(sh('exit 124').stderr, '');
  const late = sh('sleep 30', '--timeout', '300ms');
  assert.equal(late.status, 124);
  assert.match(late.stderr, /^caisson.*/m);
  assert.equal(sh('kill -SEGV $$').status, 139);
  assert.equal(place.caisson(['run', '--', 'no-such-command']).status, 127);
});

test('streams: input, both outputs, and order in time', async () => {
  using place = makePlace();
  const echoed = place.caisson(['run', '--', 'sh', '-c', 'cat; echo err >&2'], { input: 'in\n' });
  assert.deepEqual([echoed.stdout, echoed.stderr], ['in\n', 'err\n']);
  for (const words of [
    ['run', '--'],
    ['run', '--no-tty', '--'],
  ]) {
    const child = spawn(entry, [...words, 'sh', '-c', 'echo first; read line; echo "$line"'], {
      cwd: place.work,
      env: place.environment,
    });
    const [first] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal(first.toString(), 'first\n', 'before the guest has ended');
    child.stdin.end('second\n');
    const [second] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal(second.toString(), 'second\n');
    await once(child, 'close');
  }
});

test('64 MiB pass through both ways unharmed', () => {
  using place = makePlace();
  for (const flags of [[], ['--no-tty']]) {
    const script = 'head -c 67108864 /dev/zero | tr "\\0" x';
    const { stdout, status } = place.caisson(['run', ...flags, '--', 'sh', '-c', script]);
    assert.equal(status, 0);
    assert.equal(stdout.length, 64 * 1024 * 1024);
  }
  const input = 'y'.repeat(32 * 1024 * 1024);
  const { stdout } = place.caisson(['run', '--no-tty', '--', 'wc', '-c'], { input });
  assert.equal(stdout.trim(), String(input.length));
});

test('a reader that goes away ends the guest', () => {
  using place = makePlace();
  for (const flags of ['', '--no-tty']) {
    const { stdout } = spawnSync(
      'bash',
      ['-c', `"$0" run ${flags} -- yes | head -1; echo "\${PIPESTATUS[0]}"`, entry],
      { cwd: place.work, env: place.environment, encoding: 'utf8', timeout: 30_000 },
    );
    assert.equal(stdout, 'y\n141\n');
  }
});

test('nothing of the CLI’s own environment reaches the guest', () => {
  using place = makePlace();
  const environment = { SECRET: 'x', NODE_COMPILE_CACHE: place.work, LANG: 'C.UTF-8' };
  for (let i = 0; i < 2; i++) {
    const { stdout } = place.caisson(['run', '--', 'env'], { environment });
    assert.doesNotMatch(stdout, /SECRET|NODE|XDG|npm_/);
    assert.match(stdout, /^LANG=C\.UTF-8$/m);
  }
  const given = place.caisson(['run', '--env', 'SECRET', '--env', 'MORE=a=b', '--', 'env'], {
    environment,
  });
  assert.match(given.stdout, /^SECRET=x$/m);
  assert.match(given.stdout, /^MORE=a=b$/m);
  const all = place.caisson(['run', '--env', '*', '--', 'env'], { environment });
  assert.doesNotMatch(all.stdout, /NODE_COMPILE_CACHE/);
});

test('--env-file sets what it says, and a line without = is refused', () => {
  using place = makePlace();
  writeFileSync(join(place.work, '.env'), '# comment\nA=1\nB="two words"\n');
  const { stdout } = place.caisson(['run', '--env-file', '.env', '--env', 'A=2', '--', 'env']);
  assert.match(stdout, /^A=2$/m);
  assert.match(stdout, /^B=two words$/m);
  writeFileSync(join(place.work, '.env'), 'A=1\nFORGOTTEN\n');
  const refused = place.caisson(['run', '--env-file', '.env', '--', 'true']);
  assert.equal(refused.status, 64);
  assert.match(refused.stderr, /\.env:2: FORGOTTEN has no =/);
});

test('--json: the outcome with its output, and the guest’s exit code', () => {
  using place = makePlace();
  const { status, stdout } = place.caisson([
    'run',
    '--json',
    '--',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 3',
  ]);
  const outcome = JSON.parse(stdout) as Outcome;
  assert.equal(status, 3);
  assert.deepEqual(
    [outcome.kind, outcome.code, outcome.stdout.text, outcome.stderr.text, outcome.wall],
    ['exited', 3, 'out\n', 'err\n', 'process'],
  );
  const cut = outcomeOf(place, ['--output', '1KiB', '--', 'sh', '-c', 'head -c 1048576 /dev/zero']);
  assert.equal(cut.stdout.totalBytes, 1024 * 1024);
  assert.equal(cut.stdout.truncated, true);
  assert.ok(cut.limitsHit.includes('output'));
});

test('a fork bomb ends within its time limit, and says which limit it met', () => {
  using place = makePlace();
  const outcome = outcomeOf(place, ['--timeout', '20s', '--', 'bash', '-c', 'b(){ b|b& };b; wait']);
  assert.ok(outcome.limitsHit.includes('processes'), JSON.stringify(outcome.limitsHit));
});

test('memory: out-of-memory', needsPython, () => {
  using place = makePlace();
  const hog = ['--memory', '256MiB', '--', 'python3', '-c', "a=' '*(8<<30)"];
  assert.equal(outcomeOf(place, hog).kind, 'out-of-memory');
  const { status, stderr } = place.caisson(['run', ...hog]);
  assert.equal(status, 137);
  assert.match(stderr, /memory/);
});

test('paranoid is refused, naming what is missing', () => {
  using place = makePlace();
  const { status, stderr } = place.caisson(['run', '--level', 'paranoid', '--', 'true']);
  assert.ok(status === 69 || status === 77);
  assert.match(stderr, /microvm/);
  const explained = place.caisson(['explain', '--level', 'paranoid', '--json']);
  assert.equal(explained.status, 77);
});

// Each waits for the grace of what ignores it; they wait together.
describe('signals to the CLI', { concurrency: true }, () => {
  for (const [at, signal] of (['SIGTERM', 'SIGINT', 'SIGHUP'] as const).entries()) {
    test(`${signal} to the CLI ends the guest, also one that ignores it`, async () => {
      using place = makePlace();
      const mark = `${600_000_000 + 10 * process.pid + at}`;
      const script = `trap "" TERM INT HUP; echo up; sleep ${mark}; sleep ${mark}`;
      // The ordinary way; the first of its kind; the same again, which is known by then.
      for (const flags of [['--no-tty'], [], []]) {
        const args = ['run', ...flags, '--timeout', '1m', '--', 'sh', '-c', script];
        const environment = { ...place.environment, PATH: '/usr/bin:/bin' };
        const child = spawn(entry, args, { cwd: place.work, env: environment });
        await once(child.stdout, 'data');
        child.kill(signal);
        const [code] = await once(child, 'close');
        assert.equal(code, { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]);
      }
      assert.equal(spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status, 1, 'nothing is left');
    });
  }
});

test('kill -9 of the CLI leaves no guest', async () => {
  using place = makePlace();
  const mark = `${70_000 + process.pid}`;
  for (const flags of [[], ['--no-tty']]) {
    const args = ['run', ...flags, '--', 'sh', '-c', `echo up; exec sleep ${mark}`];
    for (let i = 0; i < 2; i++) {
      const child = spawn(entry, args, { cwd: place.work, env: place.environment });
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      await until('the guest is ended', () => !isRunning(mark));
    }
  }
});

function isRunning(mark: string): boolean {
  return spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status === 0;
}

test('an overlay keeps changes until they are looked at, applied, discarded', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'old'), 'old\n');
  const change = ['run', '--overlay', '--', 'sh', '-c', 'echo new > new; echo more >> old'];
  const run = place.caisson(change);
  assert.equal(run.status, 0, run.stderr);
  const id = /caisson diff (overlay_\w+)/.exec(run.stderr)?.[1] ?? assert.fail(run.stderr);
  assert.deepEqual(readdirSync(place.work), ['old'], 'nothing has changed yet');

  const diff = place.caisson(['diff']);
  assert.match(diff.stdout, /^\+new$/m);
  assert.match(diff.stdout, /^\+more$/m);
  assert.match(place.caisson(['diff', '--list']).stdout, new RegExp(id));
  assert.equal(place.caisson(['apply', id]).status, 0);
  assert.equal(readFileSync(join(place.work, 'new'), 'utf8'), 'new\n');
  assert.equal(readFileSync(join(place.work, 'old'), 'utf8'), 'old\nmore\n');
  assert.equal(place.caisson(['diff']).status, 66, 'what was applied is forgotten');

  assert.equal(place.caisson(change).status, 0);
  const discarded = JSON.parse(place.caisson(['discard', '--json']).stdout) as {
    discarded: unknown[];
  };
  assert.equal(discarded.discarded.length, 1);
  assert.deepEqual(JSON.parse(place.caisson(['diff', '--list', '--json']).stdout), { pending: [] });
});

test('compile writes a plan that the launcher runs without Node', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'p.yaml'), 'filesystem:\n  read: [.]\n');
  writeFileSync(join(place.work, 'data'), 'data');
  const { stdout, stderr, status } = place.caisson(['compile', 'p.yaml', '-o', 'p.plan', '--json']);
  assert.equal(status, 0, stderr);
  const { command } = JSON.parse(stdout) as { command: string };
  const run = spawnSync('sh', ['-c', `${command} sh -c 'cat data; cat /etc/shadow; exit 7'`], {
    cwd: place.work,
    env: {},
    encoding: 'utf8',
  });
  assert.equal(run.status, 7, run.stderr);
  assert.equal(run.stdout, 'data');
  assert.match(run.stderr, /shadow: No such file/);
});

test('with a terminal the guest has one of its own, of the same size', {
  skip: has('script') ? false : 'script is not installed',
}, () => {
  using place = makePlace();
  const { stdout } = spawnSync(
    'script',
    [
      '-qec',
      `stty rows 31 cols 77; "${entry}" run -- sh -c 'test -t 0 -a -t 1 -a -t 2 && stty size'`,
      '/dev/null',
    ],
    { cwd: place.work, env: place.environment, encoding: 'utf8', timeout: 30_000 },
  );
  assert.match(stdout, /31 77/);
});

test('clean removes what is dead, says it, and keeps what waits for its owner', () => {
  using place = makePlace();
  const { stdout, status } = place.caisson(['clean', '--json']);
  assert.equal(status, 0);
  assert.ok(Array.isArray((JSON.parse(stdout) as { found: unknown[] }).found));
  assert.ok(existsSync(place.work));
});

test('a state directory that others may enter is refused', () => {
  using place = makePlace();
  const state = join(place.work, 'state');
  mkdirSync(join(state, 'caisson'), { recursive: true });
  chmodSync(join(state, 'caisson'), 0o777);
  const { status, stderr } = place.caisson(['diff'], { environment: { XDG_STATE_HOME: state } });
  assert.equal(status, 64);
  assert.match(stderr, /owner alone/);
});
