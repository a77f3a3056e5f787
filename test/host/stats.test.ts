/** Live usage of real sandboxes: what a guest does is what a sample says, and after its end it is in no sample. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, type PolicyDocument, type SandboxSample } from '../../src/index.ts';
import { fileSystemName } from '../../src/launcher/file-system-name.ts';

const MIB = 2 ** 20;
const skip = process.geteuid?.() === 0 ? false : 'needs root';
const hasPython = spawnSync('python3', ['-c', '']).status === 0;
const skipPython = skip === false && !hasPython ? 'python3 is not installed' : skip;
const onDisk = ['ext4', 'xfs', 'btrfs'].includes(fileSystemName(tmpdir()) ?? '');

const policy: PolicyDocument = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
  limits: { timeout: '60s', memory: '256MiB', processes: 64 },
};

/**
 * Memory that is held and written, forks that stay, a CPU that spins. Writes are direct: what the page cache keeps, the
 * kernel may write on nobody's account.
 */
const GUEST = `
import mmap, os, sys, time
held = bytearray(50 * 1024 * 1024)
for i in range(0, len(held), 4096): held[i] = 1
for _ in range(5):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
fd = os.open('written', os.O_CREAT | os.O_WRONLY${onDisk ? ' | os.O_DIRECT' : ''})
aligned = mmap.mmap(-1, 1024 * 1024)
for _ in range(10): os.write(fd, aligned)
spun = time.process_time()
while time.process_time() - spun < 0.5: pass
print('ready', flush=True)
sys.stdin.readline()
`;

function workspace() {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-stats-')));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

function find(sandboxes: readonly SandboxSample[], id: string): SandboxSample {
  const found = sandboxes.find((sandbox) => sandbox.id === id);
  assert.ok(found, `${id} is in the sample`);
  return found;
}

test('CPU, memory, processes and I/O of a guest; nothing after its end', {
  skip: skipPython,
}, async () => {
  using at = workspace();
  await using caisson = await Caisson.open();
  using monitor = await caisson.monitor();
  assert.deepEqual((await monitor.snapshot()).sandboxes, [], 'nothing was started for it');

  const sandbox = await caisson.create({ policy, workspace: at.path });
  const idle = find((await monitor.snapshot()).sandboxes, sandbox.id);
  assert.equal(idle.processes, 0, 'what waits in it is ours');
  const guest = sandbox.spawn(['python3', '-c', GUEST]);
  await new Promise((resolve) => guest.stdout.once('data', resolve));
  const busy = find((await monitor.snapshot()).sandboxes, sandbox.id);
  assert.equal(busy.source, 'cgroup');
  assert.equal(busy.processes, 6);
  assert.ok(busy.cpuMs >= 500 && busy.cpuMs < 20_000, `${busy.cpuMs} ms of CPU`);
  const memory = (busy.memoryBytes ?? 0) / MIB;
  assert.ok(memory >= 50 && memory < 150, `${memory} MiB of memory`);
  assert.ok((busy.memoryPeakBytes ?? 0) >= (busy.memoryBytes ?? 0));
  if (onDisk && busy.writtenBytes !== undefined) {
    const written = busy.writtenBytes / MIB;
    assert.ok(written >= 9.5 && written < 40, `${written} MiB written`);
  }
  assert.ok((busy.rates?.cpuCores ?? 0) > 0);

  await sandbox.freeze();
  assert.equal(find((await monitor.snapshot()).sandboxes, sandbox.id).frozen, true);
  await sandbox.thaw();
  guest.stdin.end('\n');
  assert.equal((await guest.outcome).kind, 'exited');
  await sandbox.close();
  assert.deepEqual((await monitor.snapshot()).sandboxes, []);
});

test('a run is known by its audit id, and its outcome says what it wrote', { skip }, async () => {
  using at = workspace();
  await using caisson = await Caisson.open();
  using monitor = await caisson.monitor();
  const guest = await caisson.spawn(
    [
      'sh',
      '-c',
      `dd if=/dev/zero of=big bs=1M count=10 ${onDisk ? 'oflag=direct' : ''} && echo ready && read line`,
    ],
    { policy, workspace: at.path },
  );
  await new Promise((resolve) => guest.stdout.once('data', resolve));
  const [live, ...others] = (await monitor.snapshot()).sandboxes;
  assert.ok(live);
  assert.equal(others.length, 0);
  guest.stdin.end('\n');
  const { auditId, usage } = await guest.outcome;
  assert.equal(live.id, auditId);
  if (onDisk && usage.writtenBytes !== undefined) assert.ok(usage.writtenBytes >= 9.5 * MIB);
  assert.deepEqual((await monitor.snapshot()).sandboxes, []);

  // The next one in the same place starts from nothing.
  const next = await caisson.run(['true'], { policy, workspace: at.path });
  if (next.usage.writtenBytes !== undefined) assert.ok(next.usage.writtenBytes < 2 * MIB);
});

test('fifty sandboxes in one sample', { skip }, async () => {
  await using caisson = await Caisson.open();
  using monitor = await caisson.monitor();
  const sandboxes = await Promise.all(
    Array.from({ length: 50 }, () => caisson.create({ policy: 'strict' })),
  );
  const sample = await monitor.snapshot();
  assert.deepEqual(
    sample.sandboxes.map(({ id }) => id).sort(),
    sandboxes.map(({ id }) => id).sort(),
  );
  assert.ok(sample.sandboxes.every(({ memoryBytes }) => (memoryBytes ?? 0) > 0));
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  assert.equal((await monitor.snapshot()).total.sandboxes, 0);
});

test('a filtered network: what passed, and what its proxy was asked for', {
  skip: skipPython,
}, async () => {
  await using caisson = await Caisson.open();
  using monitor = await caisson.monitor();
  await using sandbox = await caisson.create({
    policy: { version: 1, level: 'strict', network: { mode: 'filtered', allow: ['one.test'] } },
  });
  const quiet = find((await monitor.snapshot()).sandboxes, sandbox.id).network;
  assert.deepEqual([quiet?.connections, quiet?.sentBytes], [0, 0]);
  const refused = `
import socket
with socket.create_connection(('192.0.2.1', 80), 10) as s:
    s.sendall(b'GET / HTTP/1.1\\r\\nHost: 192.0.2.1\\r\\n\\r\\n')
    s.recv(100)`;
  await sandbox.exec(['python3', '-c', refused]);
  const after = find((await monitor.snapshot()).sandboxes, sandbox.id);
  assert.equal(after.network?.connections, 1);
  assert.ok((after.network?.sentBytes ?? 0) > 40);
  assert.ok((after.rates?.connectionsPerSecond ?? 0) > 0);
});

test('a guest without cgroups is counted by its processes', { skip }, async () => {
  await using caisson = await Caisson.open();
  using monitor = await caisson.monitor();
  const guest = await caisson.spawn(
    [
      'sh',
      '-c',
      'sleep 60 & sleep 60 & i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; read line; kill %1 %2',
    ],
    { policy: { version: 1, level: 'none' }, allowUnisolated: true },
  );
  await new Promise((resolve) => guest.stdout.once('data', resolve));
  const [live] = (await monitor.snapshot()).sandboxes;
  assert.equal(live?.source, 'proc');
  assert.equal(live?.processes, 3);
  assert.ok((live?.cpuMs ?? 0) >= 10, `${live?.cpuMs} ms of CPU`);
  assert.ok((live?.memoryBytes ?? 0) > 100_000);
  guest.stdin.end('\n');
  await guest.outcome;
});
