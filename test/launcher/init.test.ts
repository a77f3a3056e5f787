/** `caisson-launcher init` as PID 1 of a namespace of its own, as in a container, driven over a socket and over a device. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gatherFacts } from '../../src/host/facts.ts';
import { LauncherClient } from '../../src/launcher/client.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { bindJob } from '../../src/plan/bind.ts';
import { compile } from '../../src/plan/compile.ts';
import { levelPolicy } from '../../src/policy/presets.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { until } from '../until.ts';

const launcher = locateLauncher().path;
const skip = process.getuid?.() === 0 ? false : 'needs root';
const namespaces = ['--fork', '--pid', '--mount', '--net', '--propagation', 'private'];

function startInit(...args: string[]): ChildProcess {
  return spawn('unshare', [...namespaces, launcher, 'init', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function childrenOf(pid: number): { pid: number; state: string; name: string }[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,stat=,comm=', '--ppid', `${pid}`], {
    encoding: 'utf8',
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [pid = '', state = '', name = ''] = line.trim().split(/\s+/);
      return { pid: Number(pid), state, name };
    });
}

/** Runs strict sandboxes inside, with what the host as seen from there offers. */
async function runStrict(client: LauncherClient, script: string): Promise<string> {
  return await (await strictIn(client))(script);
}

async function strictIn(client: LauncherClient): Promise<(script: string) => Promise<string>> {
  const seen = await gatherFacts(await client.probe());
  // Its cgroup file system is the host's here, where other launchers take groups of unknown processes for left over.
  const none = { memory: false, cpu: false, pids: false, io: false } as const;
  const facts = { ...seen, cgroup: { ...seen.cgroup, ...none } };
  const compiled = compile(levelPolicy('strict'), facts);
  assert.ok(compiled.wall === 'process');
  const plan = client.preparePlan(encodePlan(compiled.kind));
  await plan.ready;
  return async (script) => {
    const job = bindJob(compiled.job, { argv: ['sh', '-c', script], env: {} });
    const result = await client.run(plan, job);
    assert.equal(result.status, 0, String(result.stderr.bytes));
    return String(result.stdout.bytes);
  };
}

test('over a socket: a sandbox inside, orphans reaped, everything gone when the client goes', {
  skip,
}, async () => {
  const base = mkdtempSync(join(tmpdir(), 'caisson-init-'));
  const path = join(base, 'socket');
  const outer = startInit('--socket', path);
  try {
    await until('init listens', () => existsSync(path));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const client = LauncherClient.over(connect(path));
    assert.equal(await runStrict(client, 'id -u; set -- /proc/[0-9]*; echo $#'), '1000\n2\n');
    assert.equal(existsSync(path), false, 'nobody else is heard');

    const first = childrenOf(outer.pid ?? 0)[0]?.pid ?? 0;
    assert.match(readFileSync(`/proc/${first}/status`, 'utf8'), /^NSpid:\s+\d+\s+1$/m);
    // Its own proc, and loopback up: as PID 1 of a container that brings neither.
    const inside = (...argv: string[]) =>
      spawnSync('nsenter', ['-t', `${first}`, '-p', '-m', '-n', ...argv], { encoding: 'utf8' });
    assert.equal(inside('readlink', '/proc/self').status, 0);
    assert.match(inside('cat', '/proc/net/dev').stdout, /lo:/);
    assert.equal(inside('cat', '/sys/class/net/lo/operstate').stdout, 'unknown\n');
    const sockets =
      'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(0, INADDR_LOOPBACK)); listen(S, 1); socket(C, PF_INET, SOCK_STREAM, 0); print connect(C, getsockname(S)) ? "up" : "down $!"';
    assert.equal(inside('perl', '-e', sockets).stdout, 'up');

    const sleeper = () => childrenOf(first).find(({ name }) => name === 'sleep')?.pid;
    inside('sh', '-c', 'sleep 1000 > /dev/null 2>&1 &');
    await until('init has an orphan', () => sleeper() !== undefined);
    process.kill(sleeper() ?? 0, 'SIGKILL');
    await until('the orphan is reaped', () =>
      childrenOf(first).every(({ name, state }) => name !== 'sleep' && state[0] !== 'Z'),
    );
    inside('sh', '-c', 'setsid sleep 1000 > /dev/null 2>&1 &');
    await until('a daemon runs', () => sleeper() !== undefined);
    const daemon = sleeper() ?? 0;

    const processes = new NotedProcesses([first, daemon]);
    const ended = once(outer, 'exit');
    await client.close();
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(processes.left(), []);
    assert.deepEqual(readdirSync(base), []);
  } finally {
    outer.kill('SIGKILL');
    rmSync(base, { recursive: true, force: true });
  }
});

test('a container’s stop (SIGTERM to PID 1) takes everything down in order', { skip }, async () => {
  const base = mkdtempSync(join(tmpdir(), 'caisson-init-'));
  const path = join(base, 'socket');
  const outer = startInit('--socket', path);
  try {
    await until('init listens', () => existsSync(path));
    const client = LauncherClient.over(connect(path));
    const running = runStrict(client, 'sleep 1000');
    const first = childrenOf(outer.pid ?? 0)[0]?.pid ?? 0;
    await sleep(300);
    const ended = once(outer, 'exit');
    process.kill(first, 'SIGTERM');
    await assert.rejects(running, (error: { code?: string }) => error.code === 'LAUNCHER_GONE');
    assert.deepEqual(await ended, [0, null]);
  } finally {
    outer.kill('SIGKILL');
    rmSync(base, { recursive: true, force: true });
  }
});

/** The outer end of a serial line, between descriptor 3 and the line; says where the inner one is. */
const LINE = `
  use Fcntl; $| = 1;
  sysopen(my $line, '/dev/ptmx', O_RDWR | O_NOCTTY) or die; my $unlock = pack 'i', 0; my $number = pack 'i', 0;
  ioctl($line, 0x40045431, $unlock) or die; ioctl($line, 0x80045430, $number) or die;
  my $inner = '/dev/pts/' . unpack 'i', $number; sysopen(my $held, $inner, O_RDWR | O_NOCTTY) or die;
  system 'stty', '-F', $inner, 'raw', '-echo'; open(my $client, '+<&=', 3) or die; print "$inner\\n"; my $open = 1;
  for (;;) {
    my $ready = ''; vec($ready, fileno $line, 1) = 1; vec($ready, 3, 1) = 1; select($ready, undef, undef, undef);
    for ([$line, $client], [$client, $line]) {
      my ($from, $to) = @$_; next unless vec $ready, fileno $from, 1;
      sysread($from, my $bytes, 65536) or exit;
      if ($held && $from == $line) { close $held; $held = undef }
      while (length $bytes) { my $sent = syswrite($to, $bytes) or exit; substr($bytes, 0, $sent) = '' }
    }
  }`;

test('over a character device, as over a virtio-serial port', { skip }, async () => {
  const line = spawn('perl', ['-e', LINE], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  const [said] = (await once(line.stdout as Socket, 'data')) as [Buffer];
  const outer = startInit('--port', said.toString().trim());
  try {
    const client = LauncherClient.over(line.stdio[3] as Socket);
    const run = await strictIn(client);
    assert.equal(await run('head -c 300000 /dev/zero | wc -c; echo ok'), '300000\nok\n');
    const long = await run('head -c 500000 /dev/zero | tr "\\\\0" "\\\\n"');
    assert.equal(
      long,
      '\n'.repeat(500_000),
      'nothing is added, dropped or taken for a control character',
    );
    const ended = once(outer, 'exit');
    await client.close();
    assert.deepEqual(await ended, [0, null]);
  } finally {
    outer.kill('SIGKILL');
    line.kill('SIGKILL');
  }
});

test('what is no port, no socket path, no vsock port is refused by name', () => {
  const run = (...args: string[]) =>
    spawnSync(launcher, ['init', ...args], { encoding: 'utf8', timeout: 5000 });
  const cases = [
    [['--port', '/etc/passwd'], /open port: \/etc\/passwd/],
    [['--port', '/dev/no-such'], /open port: \/dev\/no-such: No such file/],
    [['--socket', '/no/such/place'], /bind: \/no\/such\/place/],
    [['--socket', `/tmp/${'x'.repeat(200)}`], /socket path/],
    [['--vsock', 'many'], /vsock port: many/],
    [['--other', 'x'], /usage/],
  ] as const;
  for (const [args, said] of cases) {
    const { status, stderr } = run(...args);
    assert.notEqual(status, 0);
    assert.match(stderr, said);
  }
});
