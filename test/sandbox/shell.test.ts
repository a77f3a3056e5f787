import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { Shell } from '../../src/sandbox/shell.ts';
import { until } from '../until.ts';
import { startLocally } from './local-shell.ts';

for (const program of ['bash', 'sh'] as const) {
  const open = () => new Shell(startLocally, { program });

  test(`${program}: directory, variables, functions and $? persist`, async () => {
    await using shell = open();
    await shell.run('cd /usr; X="a b"; f() { echo "f:$1"; }');
    const out = await shell.run('pwd; echo "$X"; f 1; echo err >&2');
    assert.equal(out.stdout.text, '/usr\na b\nf:1\n');
    assert.equal(out.stderr.text, 'err\n');
    assert.equal(out.cwd, '/usr');
    assert.deepEqual([out.kind, out.code], ['exited', 0]);
    assert.equal((await shell.run('(exit 7)')).code, 7);
    assert.equal((await shell.run('echo $?')).stdout.text, '7\n');
  });

  test(`${program}: output without a closing newline, with quotes, with bytes of the mark`, async () => {
    await using shell = open();
    assert.equal((await shell.run(`printf 'it'"'"'s "x"'`)).stdout.text, `it's "x"`);
    const tricky = `\\036${'0'.repeat(32)} 0 /x\\035${'0'.repeat(32)}\\036`;
    const out = await shell.run(`printf '${tricky}'; echo after; exit_code=3; (exit 3)`);
    assert.match(out.stdout.text, /after\n$/);
    assert.equal(out.code, 3);
    assert.equal((await shell.run('printf "\\036"')).stdout.text, '\x1e');
  });

  test(`${program}: a trace of everything, and every line of the driver, does not fool it`, async () => {
    await using shell = open();
    await shell.run('set -x');
    const out = await shell.run('echo hi');
    assert.equal(out.stdout.text, 'hi\n');
    assert.match(out.stderr.text, /echo hi/);
    assert.equal((await shell.run('set +x; echo bye')).stdout.text, 'bye\n');
  });

  test(`${program}: a command that reads its input gets none, not the next command`, async () => {
    await using shell = open();
    assert.equal((await shell.run('cat; read x; echo "[$x]"')).stdout.text, '[]\n');
    assert.equal((await shell.run('echo next')).stdout.text, 'next\n');
  });

  test(`${program}: a redirection of the shell itself ends with its command`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caisson-'));
    await using shell = open();
    await shell.run(`exec >${folder}/log; echo inside`);
    assert.equal((await shell.run('echo outside')).stdout.text, 'outside\n');
    assert.equal(readFileSync(join(folder, 'log'), 'utf8'), 'inside\n');
    rmSync(folder, { recursive: true });
  });

  test(`${program}: syntax errors are the command's, and the shell goes on`, async () => {
    await using shell = open();
    for (const wrong of ['if', 'echo "open', '(', 'fi', 'done; }', "echo 'x"]) {
      const out = await shell.run(wrong);
      assert.notEqual(out.code, 0, wrong);
      assert.notEqual(out.stderr.text, '', wrong);
    }
    assert.equal((await shell.run('echo on')).stdout.text, 'on\n');
  });

  test(`${program}: exit ends the shell with its output whole; the next command has a new one there`, async () => {
    await using shell = open();
    await shell.run('cd /usr/bin; Y=1');
    const out = await shell.run('seq 1 20000; echo e >&2; exit 5');
    assert.deepEqual([out.kind, out.code], ['ended', 5]);
    assert.equal(out.stdout.text.split('\n').length, 20001);
    assert.equal(out.stderr.text, 'e\n');
    assert.equal((await shell.run('pwd; echo "[$Y]"')).stdout.text, '/usr/bin\n[]\n');
  });

  test(`${program}: a command that takes too long is killed and reported, with what it wrote`, async () => {
    await using shell = open();
    // Of the command, not of the start of its shell; enough for a machine that stops now and then.
    await shell.run('true');
    const out = await shell.run('echo before; sleep 60; echo after', { timeoutMs: 2000 });
    assert.equal(out.kind, 'timed-out');
    assert.equal(out.code, undefined);
    assert.equal(out.stdout.text, 'before\n');
    assert.equal((await shell.run('echo again')).stdout.text, 'again\n');
  });

  test(`${program}: background jobs go on between commands`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caisson-'));
    await using shell = open();
    const started = await shell.run(`(sleep 0.2; echo done >${folder}/mark) & echo started`);
    assert.equal(started.stdout.text, 'started\n');
    await shell.run('wait');
    assert.equal(readFileSync(join(folder, 'mark'), 'utf8'), 'done\n');
    rmSync(folder, { recursive: true });
  });
}

test('commands given at once run one after the other', async () => {
  await using shell = new Shell(startLocally);
  const all = await Promise.all([1, 2, 3].map((i) => shell.run(`sleep 0.05; echo ${i}`)));
  assert.deepEqual(
    all.map((out) => out.stdout.text),
    ['1\n', '2\n', '3\n'],
  );
});

test('much output is kept head and tail, and counted', async () => {
  await using shell = new Shell(startLocally, { outputBytes: 1000 });
  const out = await shell.run('seq 1 100000');
  assert.equal(out.stdout.totalBytes, 588_895);
  assert.equal(out.stdout.truncated, true);
  assert.equal(out.stdout.bytes.length, 1000);
  assert.match(out.stdout.text, /^1\n2\n/);
  assert.match(out.stdout.text, /100000\n$/);
  assert.match(out.stdout.text, /587895 bytes are missing/);
});

test('a command that runs when its shell is closed is killed, and whoever asked for it told', async () => {
  const shell = new Shell(startLocally);
  const folder = mkdtempSync(join(tmpdir(), 'caisson-'));
  const running = shell.run(`echo begun; : >${folder}/begun; sleep 600`);
  const waiting = shell.run('true');
  waiting.catch(() => {});
  await until('it has begun', () => existsSync(join(folder, 'begun')));
  rmSync(folder, { recursive: true });
  await shell.close();
  const late = AbortSignal.timeout(10_000);
  const outcome = await Promise.race([
    running,
    new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error('nobody answers')));
    }),
  ]);
  assert.equal(outcome.kind, 'killed');
  assert.equal(outcome.stdout.text, 'begun\n');
  await assert.rejects(waiting, { code: 'SANDBOX_CLOSED' });
});

for (const [how, end] of [
  ['closed', (shell: Shell) => shell.close()],
  ['too slow', () => {}],
] as const) {
  test(`what a command wrote counts, though it is on its way when the shell is ${how}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caisson-'));
    const shell = new Shell((argv, cwd) => {
      const started = startLocally(argv, cwd);
      // Nothing of it arrives before the shell has ended.
      const stdout = new Transform({
        transform: (chunk, _encoding, passed) =>
          void started.result.then(() => setTimeout(passed, 50, null, chunk)),
      });
      return { ...started, stdout: started.stdout.pipe(stdout) } as never;
    });
    const running = shell.run(`echo written; : >${folder}/written; sleep 600`, {
      timeoutMs: how === 'closed' ? 600_000 : 3000,
    });
    await until('it has written', () => existsSync(join(folder, 'written')));
    await end(shell);
    const outcome = await running;
    assert.equal(outcome.kind, how === 'closed' ? 'killed' : 'timed-out');
    assert.equal(outcome.stdout.text, 'written\n');
    await shell.close();
    rmSync(folder, { recursive: true });
  });
}

test('NUL bytes are refused; an abort kills; a closed shell says so', async () => {
  const shell = new Shell(startLocally);
  const code = (expected: string) => (error: unknown) =>
    isCaissonError(error) && error.code === expected;
  assert.throws(() => shell.run('a\0b'), code('REQUEST_INVALID'));
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(shell.run('sleep 60', { signal: controller.signal }), code('ABORTED'));
  await shell.close();
  await assert.rejects(shell.run('true'), code('SANDBOX_CLOSED'));
});
