/** `caisson top` sees sandboxes of other processes, and gives the terminal back. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderTop } from '../../src/cli/top-view.ts';
import { Caisson } from '../../src/index.ts';
import type { MachineSandbox, MachineView } from '../../src/observe/monitor/machine-sandboxes.ts';
import { until } from '../until.ts';
import { entry, makePlace, type Place } from './caisson.ts';

const python = spawnSync('python3', ['-c', 'import pty']).status === 0;

function sampled(place: Place): MachineView {
  const { status, stdout, stderr } = place.caisson(['top', '--once', '--json']);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

/** A guest of another process, until the function has ended. */
async function withGuest(
  place: Place,
  seconds: string,
  during: () => Promise<void>,
): Promise<void> {
  const run = spawn(entry, ['run', '--', 'sleep', seconds], {
    cwd: place.work,
    env: place.environment,
    stdio: 'ignore',
  });
  const ended = once(run, 'exit');
  try {
    await during();
  } finally {
    run.kill('SIGTERM');
    await ended;
  }
}

test('--once --json shows a running sandbox of another process, and not after its end', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async () => {
  using place = makePlace();
  const seconds = `${40_000 + process.pid}`;
  const of = ({ sandboxes }: MachineView): MachineSandbox | undefined =>
    sandboxes.find(({ command }) => command.join(' ') === `sleep ${seconds}`);
  await withGuest(place, seconds, async () => {
    let found: MachineSandbox | undefined;
    for (let tries = 0; found === undefined && tries < 40; tries++) found = of(sampled(place));
    assert.ok(found, 'it is shown');
    assert.equal(found.processes, 1);
    assert.ok(found.memoryBytes > 0);
    assert.match(place.caisson(['top', '--once']).stdout, new RegExp(`sleep ${seconds}$`, 'm'));
  });
  await until('it is gone', () => of(sampled(place)) === undefined);
});

test('what a manager of another process runs is shown by its id, state, tenant and labels', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async () => {
  using place = makePlace();
  const stateDirectory = join(place.environment.XDG_STATE_HOME ?? '', 'caisson');
  await using caisson = await Caisson.open({ stateDirectory });
  await using manager = await caisson.manager();
  const sandbox = await manager.create({ tenant: 'anna', labels: { job: 'a\u001b[2J' } });
  const run = manager.run(['sleep', '60'], { labels: { job: 'run' } });
  run.catch(() => {});
  const named = (): MachineSandbox[] =>
    sampled(place).sandboxes.filter(({ owner }) => owner.pid === process.pid);
  const all = (): boolean => {
    const found = named().flatMap(({ managed }) => managed ?? []);
    return found.length === 2;
  };
  for (let tries = 0; !all(); tries++) {
    assert.ok(tries < 40, 'both are named');
    // The manager looks at what runs in its own time, in this process.
    await sleep(100);
  }
  const [info] = manager.list({ labels: { job: 'run' } });
  await manager.pause(info?.id ?? '');
  await sleep(50);
  const found = named();
  const open = found.find(({ managed }) => managed?.kind === 'sandbox');
  assert.deepEqual(
    [open?.managed?.id, open?.managed?.tenant, open?.command, open?.processes],
    [sandbox.id, 'anna', [], 0],
  );
  const paused = found.find(({ managed }) => managed?.kind === 'run');
  assert.deepEqual(
    [paused?.managed?.id, paused?.managed?.state, paused?.managed?.sandbox, paused?.command],
    [info?.id, 'Paused', info?.sandbox, ['sleep', '60']],
  );
  const { stdout } = place.caisson(['top', '--once']);
  const lines = stdout.split('\n');
  assert.match(lines[1] ?? '', /OWNER +ID +STATE +TENANT +LABELS +COMMAND$/);
  assert.match(stdout, new RegExp(` ${info?.id} +Paused +- +job=run +sleep 60$`, 'm'));
  assert.match(stdout, new RegExp(` ${sandbox.id} +Running +anna +job=a\\?\\[2J$`, 'm'));
  await manager.close();
  await until('they are gone', () => named().length === 0);
});

test('a store that cannot be read takes the names alone', () => {
  using place = makePlace();
  const stateDirectory = join(place.environment.XDG_STATE_HOME ?? '', 'caisson');
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(join(stateDirectory, 'sandboxes.db'), 'no database');
  const { status, stderr } = place.caisson(['top', '--once']);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /what managers call them is not known/);
});

test('a guest that calls itself a launcher is shown as what it is', {
  skip: process.geteuid?.() !== 0 ? 'needs root' : python ? false : 'python3 is not installed',
}, async () => {
  using place = makePlace();
  const program = `import ctypes, time
ctypes.CDLL(None).prctl(15, b'caisson-launche', 0, 0, 0)
print('named', flush=True)
time.sleep(60)`;
  const run = spawn(entry, ['run', '--', 'python3', '-c', program], {
    cwd: place.work,
    env: place.environment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(run, 'exit');
  await once(run.stdout, 'data');
  const found = sampled(place).sandboxes.filter(({ command }) => command[2] === program);
  run.kill('SIGTERM');
  await ended;
  assert.deepEqual(
    found.map(({ processes }) => processes),
    [1],
  );
});

/** Runs top on a terminal of 10 × 70, types what it is told, and says how the terminal was before and after. */
const ON_A_TERMINAL = `
import fcntl, json, os, pty, select, struct, sys, termios, time
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 10, 70, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid(); fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2: os.dup2(slave, fd)
    os.execv(sys.argv[1], [sys.argv[1], 'top', '--interval', '100ms'])
seen = b''
def read_until(*what):
    global seen
    end = time.time() + 20
    while time.time() < end and not all(each in seen for each in what):
        if select.select([master], [], [], 0.1)[0]: seen += os.read(master, 65536)
    return all(each in seen for each in what)
drawn = read_until(b'by cpu', b'COMMAND')
raw = not termios.tcgetattr(slave)[3] & termios.ICANON
os.write(master, b'm')
sorts = read_until(b'by memory')
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 6, 30, 0, 0))
seen = b''
narrow = read_until(b'by memory')
frames = seen.split(b'\\x1b[H')[1:]
widest = max(len(line) for frame in frames[1:] for line in frame.decode(errors='replace').replace('\\x1b[K', '').replace('\\x1b[J', '').split('\\r\\n')) if len(frames) > 1 else None
os.write(master, sys.argv[2].encode())
left = read_until(b'\\x1b[?1049l')
_, status = os.waitpid(pid, 0)
after = termios.tcgetattr(slave)
print(json.dumps({'drawn': drawn, 'raw': raw, 'sorts': sorts, 'narrow': narrow, 'widest': widest, 'left': left,
  'shown': b'\\x1b[?25h' in seen, 'code': os.waitstatus_to_exitcode(status), 'restored': before == after}))
`;

for (const [name, key] of [
  ['q', 'q'],
  ['Ctrl-C', '\u0003'],
]) {
  test(`on a terminal it draws, sorts, follows the size; ${name} ends it, and all is as before`, {
    skip: python ? false : 'python3 is not installed',
  }, () => {
    using place = makePlace();
    const { stdout, stderr } = spawnSync('python3', ['-c', ON_A_TERMINAL, entry, key ?? ''], {
      cwd: place.work,
      env: place.environment,
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { widest, ...result } = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`);
    assert.deepEqual(result, {
      drawn: true,
      raw: true,
      sorts: true,
      narrow: true,
      left: true,
      shown: true,
      code: 0,
      restored: true,
    });
    assert.ok(widest === null || widest <= 30, `${widest} columns`);
  });
}

describe('the view', () => {
  const sandbox = (pid: number, more: Partial<MachineSandbox> = {}): MachineSandbox => ({
    pid,
    command: ['true'],
    launcher: 1,
    owner: { pid: 7, command: ['/usr/bin/node', 'x'] },
    source: 'cgroup',
    cpuMs: 0,
    memoryBytes: 0,
    processes: 1,
    ageMs: 1500,
    ...more,
  });
  const view = (...sandboxes: MachineSandbox[]): MachineView => ({
    timeMs: 0,
    sandboxes,
    idle: 3,
    launchers: 1,
  });
  const pids = (lines: readonly string[]): number[] =>
    lines.slice(2, -1).map((line) => Number.parseInt(line, 10));

  test('sorts by each key; a guest’s name steers no terminal; it fits the screen', () => {
    const many = view(
      sandbox(1, { rates: { cpuCores: 0.5, networkBytesPerSecond: 9 } }),
      sandbox(2, { memoryBytes: 5 * 2 ** 20, source: 'proc', command: ['a\u001b[2J', 'b\r\n'] }),
      sandbox(3, { processes: 4, rates: { cpuCores: 1, readBytesPerSecond: 2048 } }),
    );
    assert.deepEqual(pids(renderTop(many, { sort: 'cpu' })), [3, 1, 2]);
    assert.deepEqual(pids(renderTop(many, { sort: 'memory' })), [2, 1, 3]);
    assert.deepEqual(pids(renderTop(many, { sort: 'processes' })), [3, 1, 2]);
    assert.deepEqual(pids(renderTop(many, { sort: 'network' })), [1, 2, 3]);
    const lines = renderTop(many, { sort: 'memory' });
    assert.equal(
      lines[0],
      '3 sandboxes of 1 launcher · 1.50 cores · 5.0M · 1 without cgroups (~: counted by its processes)',
    );
    assert.match(lines[2] ?? '', /^ +2 +- +~5\.0M +1 +- +- +- +1s {2}7 node {2}a\?\[2J b\?\?$/);
    assert.match(lines.at(-1) ?? '', /^3 more stand ready/);
    const small = renderTop(many, { sort: 'cpu', rows: 5, columns: 20 });
    assert.equal(small.length, 5);
    assert.ok(small.every((line) => line.length <= 20));
  });
});
