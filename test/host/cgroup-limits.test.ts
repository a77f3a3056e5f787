/** CPU cores and I/O rates: they stand in the files of the running sandbox's group, and they hold by measurement. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { fileSystemName } from '../../src/launcher/file-system-name.ts';
import { running } from '../processes.ts';
import { until } from '../until.ts';

const MIB = 2 ** 20;
const skip = await skipReason();

async function skipReason(): Promise<string | false> {
  if (process.geteuid?.() !== 0) return 'needs root';
  await using caisson = await Caisson.open();
  const { cgroup } = await caisson.facts();
  return cgroup.cpu && cgroup.io ? false : 'no CPU and I/O cgroups here';
}
const onDisk = ['ext4', 'xfs', 'btrfs'].includes(fileSystemName(tmpdir()) ?? '');
const skipDisk = skip === false && !onDisk ? 'the temporary directory is on no disk' : skip;

const policy = (limits: NonNullable<PolicyDocument['limits']>): PolicyDocument => ({
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
  limits: { timeout: '30s', ...limits },
});

function workspace() {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-limits-')));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Files of the groups in which the one process with this command line stands, by their name. */
async function groupFiles(...argv: readonly string[]): Promise<(name: string) => string> {
  await until('the guest runs', () => running(...argv).length > 0);
  const [pid] = running(...argv);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const directories = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, controllers = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      const mount = mounts.find((each) =>
        controllers === ''
          ? each.includes(' - cgroup2 ')
          : new RegExp(` - cgroup .*[ ,]${controllers.split(',')[0]}(,|$)`).test(each),
      );
      return mount === undefined ? [] : [join(mount.split(' ')[4] ?? '', group)];
    });
  return (name) => {
    for (const directory of directories) {
      try {
        return readFileSync(join(directory, name), 'utf8').trim();
      } catch {}
    }
    return assert.fail(`no ${name} in ${directories.join(', ')}`);
  };
}

test('the values reach the files of the group of the running sandbox', { skip }, async () => {
  using at = workspace();
  await using caisson = await Caisson.open();
  const { cgroup } = await caisson.facts();
  const seconds = `${30_000 + process.pid}`;
  const limits = { cpu: 0.25, readRate: '5MiB/s', writeRate: '3MiB/s' };
  const guest = await caisson.spawn(['sleep', seconds], {
    policy: policy(limits),
    workspace: at.path,
  });
  try {
    await guest.started;
    const file = await groupFiles('sleep', seconds);
    if (cgroup.version === 'v2') {
      assert.equal(file('cpu.max'), '25000 100000');
      assert.match(file('io.max'), new RegExp(`rbps=${5 * MIB} wbps=${3 * MIB} `));
    } else {
      assert.equal(file('cpu.cfs_quota_us'), '25000');
      assert.equal(file('cpu.cfs_period_us'), '100000');
      assert.match(
        file('blkio.throttle.read_bps_device'),
        new RegExp(`^\\d+:\\d+ ${5 * MIB}$`, 'm'),
      );
      assert.match(
        file('blkio.throttle.write_bps_device'),
        new RegExp(`^\\d+:\\d+ ${3 * MIB}$`, 'm'),
      );
    }
  } finally {
    guest.kill();
    await guest.outcome;
  }
});

test('CPU: a tenth of a core is not exceeded by two that want all of it', { skip }, async () => {
  using at = workspace();
  await using caisson = await Caisson.open();
  const cores = async (cpu: number): Promise<number> => {
    const run = await caisson.run(['sh', '-c', '(while :; do :; done) & while :; do :; done'], {
      policy: policy({ cpu, timeout: '1500ms' }),
      workspace: at.path,
    });
    assert.equal(run.kind, 'timed-out');
    return (run.usage.cpuUserMs + run.usage.cpuSystemMs) / run.usage.wallMs;
  };
  // A machine that is one of many counts what was taken from it for the guest's now and then: two of three tries.
  const tries: string[] = [];
  let good = 0;
  while (good < 2 && tries.length < 3) {
    const [held, free] = [await cores(0.1), await cores(2)];
    tries.push(`${held} of a core where 0.1 was allowed, ${free} without the quota`);
    if (held < 0.2 && free > 2 * held) good++;
  }
  assert.equal(good, 2, tries.join('; '));
});

test('I/O: bytes a second, written and read past the page cache', { skip: skipDisk }, async () => {
  using at = workspace();
  await using caisson = await Caisson.open();
  const rate = async (limits: object, ...dd: string[]): Promise<number> => {
    const began = performance.now();
    const run = await caisson.run(['dd', 'bs=256k', 'count=12', 'status=none', ...dd], {
      policy: policy(limits),
      workspace: at.path,
    });
    assert.equal(run.code, 0, run.stderr.text);
    return (12 * 256 * 1024 * 1000) / (performance.now() - began);
  };
  const write = ['if=/dev/zero', 'of=file', 'oflag=direct'];
  const read = ['if=file', 'of=/dev/null', 'iflag=direct'];
  /** Whatever else the machine does only slows it down. */
  const best = async (...dd: string[]): Promise<number> =>
    Math.max(await rate({}, ...dd), await rate({}, ...dd), await rate({}, ...dd));
  const free = [await best(...write), await best(...read)] as const;
  const limit = { writeRate: '2MiB/s', readRate: '2MiB/s' };
  const held = [await rate(limit, ...write), await rate(limit, ...read)] as const;
  for (const i of [0, 1] as const) {
    assert.ok(held[i] < 3 * MIB, `${held[i]} bytes a second where 2 MiB were allowed`);
    assert.ok(free[i] > 1.5 * held[i], `${free[i]} without, ${held[i]} with the limit`);
  }
});
