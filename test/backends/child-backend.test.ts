/** Levels `basic` and `none` through the real launcher: what holds the guest, and that nothing of it is left on the host. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, isCaissonError, type PolicyDocument } from '../../src/index.ts';
import { makePlace } from '../cli/caisson.ts';

const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? false : 'needs root';
const none = { policy: 'none', allowUnisolated: true } as const;

function basic(limits: PolicyDocument['limits']): { policy: PolicyDocument } {
  return { policy: { version: 1, level: 'basic', limits } as PolicyDocument };
}

const NO_NEW_PRIVS = ['grep', 'NoNewPrivs', '/proc/self/status'];

/** Three that try to get away: in a session of its own, forked twice, and stopped. Prints their numbers. */
const DAEMONS = `
  setsid sleep 1000 & echo $!
  echo $( (setsid sh -c 'sleep 1000 >&2 & echo $!; exec sleep 1000 >&2' &) )
  sleep 1000 & kill -STOP $!; echo $!`;

function pidsIn(text: string): number[] {
  const pids = text.trim().split('\n').map(Number);
  assert.equal(pids.length, 3, text);
  return pids;
}

/** A zombie that its parent has yet to reap is no more than a number. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pids: readonly number[]): Promise<boolean> {
  for (let i = 0; i < 200 && pids.some(alive); i++) await sleep(20);
  return !pids.some(alive);
}

describe('level basic', () => {
  test('is the caller, where the caller is, and gains no rights; level none may', async () => {
    await using caisson = await Caisson.open();
    const held = await caisson.run(NO_NEW_PRIVS, { policy: 'basic' });
    assert.deepEqual([held.wall, held.stdout.text], ['child', 'NoNewPrivs:\t1\n']);
    const free = await caisson.run(NO_NEW_PRIVS, none);
    assert.deepEqual([free.wall, free.stdout.text], ['none', 'NoNewPrivs:\t0\n']);
    const script = 'id -u; id -G; umask; pwd; readlink /proc/self/ns/mnt';
    const same = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    const run = await caisson.run(['sh', '-c', script], { policy: 'basic' });
    assert.equal(run.stdout.text, same.stdout);
    const elsewhere = await caisson.run(['pwd'], { policy: 'basic', cwd: 'src' });
    assert.equal(elsewhere.stdout.text, `${resolve('src')}\n`);
  });

  test('a command that is not there, or no program', async () => {
    await using caisson = await Caisson.open();
    for (const [argv, code] of [
      ['no-such-command', 'COMMAND_NOT_FOUND'],
      ['/etc/passwd', 'COMMAND_NOT_EXECUTABLE'],
    ] as const) {
      await assert.rejects(caisson.run([argv], { policy: 'basic' }), (error) => {
        assert.ok(isCaissonError(error) && error.code === code, String(error));
        return true;
      });
    }
  });

  test('streams: input while it runs, output as it comes, a terminal', async () => {
    await using caisson = await Caisson.open();
    const guest = await caisson.spawn(['sh', '-c', 'read a; echo "got $a" > /dev/stderr; tty'], {
      policy: 'basic',
    });
    guest.stdin.end('one\n');
    const seen: string[] = [];
    for await (const { stream, data } of guest) seen.push(`${stream}:${data}`);
    assert.deepEqual(seen.sort(), ['stderr:got one\n', 'stdout:not a tty\n']);
    const terminal = await caisson.spawn(['sh', '-c', 'tty; stty size'], {
      policy: 'basic',
      pty: { rows: 11, columns: 22 },
    });
    let text = '';
    for await (const { data } of terminal) text += data;
    assert.match(text, /^\/dev\/pts\/\d+\r\n11 22\r\n$/);
  });

  test('the end of the main process, its time limit and its caller end daemons, too', async () => {
    await using caisson = await Caisson.open();
    const ended = await caisson.run(['sh', '-c', DAEMONS], { policy: 'basic' });
    assert.equal(ended.kind, 'exited');
    assert.deepEqual(pidsIn(ended.stdout.text).filter(alive), []);
    assert.ok(ended.leftBehind >= 3, `${ended.leftBehind} were left`);

    const late = await caisson.run(['sh', '-c', `${DAEMONS}; sleep 60`], {
      policy: 'basic',
      timeoutMs: 3000,
    });
    assert.deepEqual([late.kind, late.clock], ['timed-out', 'wall']);
    assert.deepEqual(pidsIn(late.stdout.text).filter(alive), []);

    const guest = await caisson.spawn(['sh', '-c', `${DAEMONS}; echo; sleep 60`], none);
    let text = '';
    for await (const { data } of guest) {
      text += data;
      if (text.endsWith('\n\n')) guest.kill();
    }
    assert.equal((await guest.outcome).kind, 'killed');
    assert.deepEqual(pidsIn(text).filter(alive), []);
  });

  test('a guest that stops or kills its supervisor is ended all the same', async () => {
    await using caisson = await Caisson.open();
    const stopped = await caisson.run(['sh', '-c', 'kill -STOP $PPID; sleep 60'], {
      policy: 'basic',
      timeoutMs: 300,
    });
    assert.equal(stopped.kind, 'timed-out');
    const killed = await caisson.run(['sh', '-c', 'echo $$; kill -KILL $PPID; sleep 60'], {
      policy: 'basic',
    });
    assert.equal(killed.kind, 'signaled');
    assert.ok(await gone([Number(killed.stdout.text)]));
    assert.equal((await caisson.run(['echo', 'on'], { policy: 'basic' })).stdout.text, 'on\n');
  });

  for (const victim of ['caller', 'launcher'] as const) {
    test(`kill -9 of the ${victim} leaves nothing of the guest`, async () => {
      const script = `
        import { Caisson } from ${JSON.stringify(resolve('src/index.ts'))};
        const caisson = await Caisson.open();
        const guest = await caisson.spawn(['sh', '-c', ${JSON.stringify(`${DAEMONS}; echo; sleep 60`)}], { policy: 'basic' });
        guest.outcome.catch(() => setTimeout(() => {}, 10_000));
        guest.stdout.pipe(process.stdout);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      for await (const chunk of child.stdout) {
        text += chunk;
        if (text.endsWith('\n\n')) break;
      }
      const pids = pidsIn(text);
      assert.ok(pids.every(alive));
      // The first: gathering facts takes a launcher of the other kind.
      const launchers = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', `${child.pid}`], {
        encoding: 'utf8',
      }).stdout;
      const launcher = Number(/^\s*(\d+) \S*caisson-launcher child$/m.exec(launchers)?.[1]);
      assert.ok(launcher > 0, launchers);
      process.kill(victim === 'caller' ? (child.pid ?? 0) : launcher, 'SIGKILL');
      assert.ok(await gone(pids), 'daemons are gone');
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
  }

  test('CPU time is that of the whole tree', async () => {
    await using caisson = await Caisson.open();
    const spin = 'spin() { while :; do :; done; }; spin & (spin &); spin';
    const outcome = await caisson.run(['sh', '-c', spin], basic({ cpuTime: '600ms' }));
    assert.deepEqual([outcome.kind, outcome.clock], ['timed-out', 'cpu']);
  });

  test('file size and output', async () => {
    const base = mkdtempSync(join(tmpdir(), 'caisson-child-'));
    try {
      await using caisson = await Caisson.open();
      const dd = (name: string): string[] => [
        'dd',
        'if=/dev/zero',
        `of=${base}/${name}`,
        'bs=1M',
        'count=3',
      ];
      const held = await caisson.run(dd('held'), basic({ fileSize: '1MiB' }));
      assert.deepEqual([held.kind, held.signal], ['signaled', 'SIGXFSZ']);
      assert.deepEqual(held.limitsHit, ['file-size']);
      assert.equal(statSync(join(base, 'held')).size, 2 ** 20);
      await caisson.run(dd('free'), { policy: 'basic' });
      assert.equal(statSync(join(base, 'free')).size, 3 * 2 ** 20);
      const much = await caisson.run(['yes'], basic({ output: '64KiB', onOutputLimit: 'kill' }));
      assert.equal(much.kind, 'output-limit');
    } finally {
      rmSync(base, { recursive: true });
    }
  });

  test('memory: the group where there is one, else each process by RLIMIT_DATA', async () => {
    await using caisson = await Caisson.open();
    const take = ['perl', '-e', 'my $x = "x" x (200 << 20); print length $x'];
    const { cgroup } = await caisson.facts();
    const held = await caisson.run(take, basic({ memory: '64MiB' }));
    if (cgroup.memory) assert.equal(held.kind, 'out-of-memory');
    else assert.notEqual(held.code, 0);
    assert.equal(held.stdout.text, '');
    assert.equal((await caisson.run(take, { policy: 'basic' })).stdout.text, `${200 << 20}`);

    await using alone = await Caisson.open({
      facts: { ...(await caisson.facts()), cgroup: { ...cgroup, memory: false } },
    });
    const refused = await alone.run(take, basic({ memory: '64MiB' }));
    assert.match(refused.stderr.text, /Out of memory/);
    assert.equal(refused.stdout.text, '');
  });

  test('a fork bomb meets its limit of processes, and nothing of it is left', {
    skip: needsRoot,
  }, async (t) => {
    const bomb = 'b() { b | b & }; b; sleep 30';
    await using caisson = await Caisson.open();
    if (!(await caisson.facts()).cgroup.pids) return t.skip('no pids cgroup here');
    const outcome = await caisson.run(['bash', '-c', `echo $$; ${bomb}`], {
      ...basic({ processes: 60 }),
      timeoutMs: 1500,
    });
    assert.equal(outcome.kind, 'timed-out');
    assert.ok(outcome.limitsHit.includes('processes'));
    assert.match(outcome.stderr.text, /fork: .*Resource temporarily unavailable/);
    assert.equal(
      spawnSync('pgrep', ['-f', 'b\\(\\) \\{ b \\| b'], { encoding: 'utf8' }).stdout,
      '',
    );
  });

  test('without a cgroup an ordinary user is held by RLIMIT_NPROC, above what runs already', {
    skip: needsRoot,
  }, async () => {
    const forks = `
      for (1 .. 40) { my $pid = fork; last unless defined $pid; if (!$pid) { sleep 60; exit } $n++ }
      open F, '/proc/self/limits'; for (<F>) { print "$1\\n" if /^Max processes +(\\d+)/ } print "$n\\n"`;
    const script = `
      import { Caisson } from ${JSON.stringify(resolve('src/index.ts'))};
      await using caisson = await Caisson.open();
      const policy = { version: 1, level: 'basic', limits: { processes: 20 } };
      const { stdout } = await caisson.run(['perl', '-e', ${JSON.stringify(forks)}], { policy });
      console.log(stdout.text);`;
    const ids = { uid: 65_534, gid: 65_534 };
    const beside = spawn('sh', ['-c', 'sleep 60 & sleep 60 & wait'], {
      ...ids,
      stdio: 'ignore',
      detached: true,
    });
    try {
      const args = ['--input-type=module', '-e', script];
      const run = spawnSync(process.execPath, args, {
        ...ids,
        encoding: 'utf8',
        env: { HOME: '/nonexistent', PATH: '/usr/bin:/bin' },
      });
      const [limit = 0, started = 0] = run.stdout.trim().split('\n').map(Number);
      assert.ok(limit >= 23, `${run.stdout}${run.stderr}`);
      assert.ok(started >= 10 && started <= 20, `${started} were started`);
    } finally {
      process.kill(-(beside.pid ?? 0), 'SIGKILL');
    }
  });

  test('a sandbox that stays open: background jobs stay, files are the host’s, closing ends all', async () => {
    await using caisson = await Caisson.open();
    const sandbox = await caisson.create({ policy: 'basic' });
    const { stdout } = await sandbox.exec(['sh', '-c', 'sleep 1000 & echo $!']);
    const pid = Number(stdout.text);
    await sandbox.exec(['true']);
    assert.ok(alive(pid));
    const passwd = await sandbox.files.read('/etc/passwd');
    assert.deepEqual(Buffer.from(passwd), readFileSync('/etc/passwd'));
    await sandbox.close();
    assert.ok(!alive(pid));
  });
});

test('the command line: basic as it is, none only with --unisolated', async () => {
  using at = makePlace();
  const held = at.caisson(['run', '--level', 'basic', '--', ...NO_NEW_PRIVS]);
  assert.equal(held.stdout, 'NoNewPrivs:\t1\n', held.stderr);
  const refused = at.caisson(['run', '--level', 'none', '--', 'touch', '/tmp/caisson-not-run']);
  assert.equal(refused.status, 77);
  assert.match(refused.stderr, /--unisolated/);
  assert.equal(existsSync('/tmp/caisson-not-run'), false);
  const free = at.caisson(['run', '--level', 'none', '--unisolated', '--', ...NO_NEW_PRIVS]);
  assert.equal(free.stdout, 'NoNewPrivs:\t0\n', free.stderr);
});

test('explain says what holds, and what does not', async () => {
  await using caisson = await Caisson.open();
  const { wall, enforced, notes } = await caisson.explain('basic');
  assert.equal(wall, 'child');
  assert.ok(enforced.some(({ mechanisms }) => mechanisms.includes('no_new_privs')));
  assert.ok(enforced.every(({ clause }) => !/^(filesystem|network|cgroup$)/.test(clause)));
  assert.ok(notes.some((note) => /not from doing harm/.test(note)));
  const bare = await caisson.explain('none', { allowUnisolated: true });
  assert.ok(bare.enforced.every(({ clause }) => /^(environment|limits\.output)$/.test(clause)));
});
