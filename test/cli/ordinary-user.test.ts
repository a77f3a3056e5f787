/** What a person without root gets: `moderate` as it is, `strict` with the very line that the refusal printed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { entry } from './caisson.ts';

const USER = 65_532;
const asUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];

function skipReason(): string | false {
  if (process.geteuid?.() !== 0) return 'needs root';
  const [program = '', ...args] = [...asUser, 'test', '-x', entry];
  return spawnSync(program, args).status === 0 ? false : 'the clone is not open to other users';
}
const skip = skipReason();

function userPlace() {
  const root = mkdtempSync(join(tmpdir(), 'caisson-user-'));
  const work = join(root, 'work');
  mkdirSync(work);
  for (const path of [root, work]) chownSync(path, USER, USER);
  writeFileSync(join(root, 'secret'), 'secret', { mode: 0o644 });
  chmodSync(root, 0o755);
  return {
    root,
    work,
    /** `caisson` in the line is the program, as on a person's PATH. */
    sh: (line: string) => {
      const script = `caisson() { "${entry}" "$@"; }; ${line}`;
      const [program = '', ...args] = [...asUser, 'sh', '-c', script];
      return spawnSync(program, args, {
        cwd: work,
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: root },
        encoding: 'utf8',
        timeout: 60_000,
      });
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

test('moderate runs as it is: the workspace as the user, nothing of the home', { skip }, () => {
  using place = userPlace();
  const script = `echo made > made; cat ${place.root}/secret; grep -E "^(Seccomp|NoNewPrivs|CapEff)" /proc/self/status`;
  const run = place.sh(`caisson run --level moderate --json -- sh -c '${script}'`);
  assert.equal(run.stderr, '');
  const outcome = JSON.parse(run.stdout) as Outcome;
  assert.deepEqual([outcome.wall, outcome.accepted], ['process', []]);
  assert.match(outcome.stdout.text, /CapEff:\t0{16}/);
  assert.match(outcome.stdout.text, /NoNewPrivs:\t1/);
  assert.match(outcome.stdout.text, /Seccomp:\t2/);
  assert.match(outcome.stderr.text, /secret: No such file/);
  assert.equal(
    spawnSync('stat', ['-c', '%u', join(place.work, 'made')], { encoding: 'utf8' }).stdout,
    `${USER}\n`,
  );
});

test('strict is refused, and runs with exactly the line that the refusal printed', { skip }, () => {
  using place = userPlace();
  const refused = place.sh('caisson run --write . -- sh -c "echo done; echo x > out"');
  assert.equal(refused.status, 77, refused.stderr);
  assert.equal(refused.stdout, '');
  const lines = refused.stderr.split('\n').map((line) => line.trim());
  const line = lines.find((each) => each.startsWith('caisson run --accept ')) ?? '';
  assert.notEqual(line, '', refused.stderr);
  const before = spawnSync('ls', ['-A', place.work], { encoding: 'utf8' }).stdout;
  assert.equal(before, '', 'nothing was run');
  const run = place.sh(line);
  assert.deepEqual([run.status, run.stdout], [0, 'done\n'], run.stderr);
  assert.equal(spawnSync('cat', [join(place.work, 'out')], { encoding: 'utf8' }).stdout, 'x\n');

  const accepted = JSON.parse(place.sh(line.replace(' run ', ' run --json ')).stdout) as Outcome;
  const ids = /--accept (\S+)/.exec(line)?.[1]?.split(',') ?? [];
  assert.deepEqual(accepted.accepted, ids, 'what was accepted stands in the outcome');
  const fewer = place.sh(line.replace(/--accept \S+/, `--accept ${ids[0]}`));
  assert.equal(fewer.status, 77, 'one of them is not enough');
});

test('what a run closed to its own user is listed, shown and applied all the same', {
  skip,
}, () => {
  using place = userPlace();
  for (const name of ['text', 'mode']) {
    const path = join(place.work, name);
    writeFileSync(path, 'before\n');
    chownSync(path, USER, USER);
    chmodSync(path, 0);
  }
  const script =
    'echo new > file; mkdir -p d; echo in > d/e; chmod 000 file d; chmod 644 text; echo more >> text; chmod 000 text; chmod 644 mode';
  const run = place.sh(`caisson run --level moderate --overlay -- sh -c '${script}'`);
  assert.equal(run.status, 0, run.stderr);
  const { stdout, status } = place.sh('caisson diff');
  assert.equal(status, 0);
  assert.match(stdout, /^\+new$/m);
  assert.match(stdout, /^\+in$/m);
  for (const name of ['text', 'mode'])
    assert.match(
      stdout,
      new RegExp(`^modified file "${name}", which this user may not read$`, 'm'),
    );
  const applied = place.sh('caisson apply');
  assert.equal(applied.status, 0, applied.stderr);
  const of = (name: string): unknown[] => {
    const path = join(place.work, name);
    return [readFileSync(path, 'utf8'), (statSync(path).mode & 0o777).toString(8)];
  };
  assert.deepEqual(of('file'), ['new\n', '0']);
  assert.deepEqual(of('text'), ['before\nmore\n', '0']);
  assert.deepEqual(of('mode'), ['before\n', '644']);
  assert.equal(readFileSync(join(place.work, 'd/e'), 'utf8'), 'in\n');
});
