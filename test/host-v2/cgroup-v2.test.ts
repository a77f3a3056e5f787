/**
 * The launcher on pure cgroup v2, which most machines have: in a guest, since this one may have v1 (or limits of its own).
 * What is asserted is asked of the guest's kernel from outside of the sandbox.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { findGuestParts, type GuestParts, runInGuest } from '../../scripts/cgroup-v2-guest.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { planFile } from './guest-plans.ts';

const parts = findGuestParts();
const MIB = 2 ** 20;
const CLONE_INTO_CGROUP = 0x2_0000_0000n;

/** Each part of the script ends with `= name code`; what stands before it is that part's output. */
const SCRIPT = `
launch() { plan=$1; shift; /caisson-launcher run /plans/$plan -- "$@" 2>&1; echo "= $plan $?"; }
group() { echo /sys/fs/cgroup/caisson-*/0; }

mount -t tracefs tracefs /sys/kernel/tracing
echo 1 > /sys/kernel/tracing/events/task/task_newtask/enable
echo 1 > /sys/kernel/tracing/events/cgroup/cgroup_attach_task/enable
launch hello cat /proc/self/cgroup
grep caisson /sys/kernel/tracing/trace
echo "= trace 0"
echo 0 > /sys/kernel/tracing/events/enable

launch memory dd if=/dev/zero of=/dev/null bs=128M count=1
launch memory-unlimited dd if=/dev/zero of=/dev/null bs=128M count=1

launch processes sh -c 'b() { b | b & }; b; sleep 60' > /tmp/bomb &
bomb=$!
most=0
while kill -0 $bomb 2> /dev/null; do
  now=$(cat $(group)/pids.peak 2> /dev/null || cat $(group)/pids.current 2> /dev/null || echo 0)
  [ "$now" -gt $most ] && most=$now
  hits=$(grep -o '[0-9]*' $(group)/pids.events 2> /dev/null || echo $hits)
  usleep 200000
done
wait
cat /tmp/bomb
echo "$most $hits"
echo "= bomb 0"
ps | grep -c '[s]h -c b()'
echo "= bomb-left 0"

spin() {
  launch $1 sh -c 'while :; do :; done' > /tmp/spin &
  sleep 2
  cat $(group)/cgroup.procs | wc -l
  cat $(group)/cpu.stat
  wait
  cat /tmp/spin
}
spin cpu
spin cpu-unlimited

echo '+memory +cpu +pids' > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/shared /sys/fs/cgroup/delegated
sh -c 'echo $$ > /sys/fs/cgroup/shared/cgroup.procs
  /caisson-launcher run /plans/memory -- dd if=/dev/zero of=/dev/null bs=128M count=1 2>&1
  echo "= shared $?"'

find /sys/fs/cgroup -name 'caisson*'
echo "= left 0"
sh -c 'echo $$ > /sys/fs/cgroup/delegated/cgroup.procs
  exec /caisson-launcher run /plans/memory -- dd if=/dev/zero of=/dev/null bs=128M count=1 2>&1'
echo "= delegated $?"
find /sys/fs/cgroup -name 'caisson*'
cat /sys/fs/cgroup/delegated/cgroup.subtree_control
echo "= delegated-left 0"
`;

describe('cgroup v2', { skip: typeof parts === 'string' ? parts : false }, () => {
  const sections = new Map<string, { output: string; code: number }>();
  before(async () => {
    const launcher = readFileSync(locateLauncher().path);
    const { output } = await runInGuest(parts as GuestParts, {
      script: SCRIPT,
      files: [
        { path: '/caisson-launcher', content: launcher, executable: true },
        planFile('hello', {}),
        planFile('memory', { memoryMaxBytes: 32 * MIB }),
        planFile('memory-unlimited', {}),
        planFile('processes', { pidsMax: 24 }, 3000),
        planFile('cpu', { cpuQuotaUs: 10_000, cpuPeriodUs: 50_000 }, 3000),
        planFile('cpu-unlimited', {}, 3000),
      ],
    });
    let rest = output;
    for (const [mark, name = '', code] of output.matchAll(/^= (\S+) (\d+)\n/gm)) {
      const end = rest.indexOf(mark);
      sections.set(name, { output: rest.slice(0, end), code: Number(code) });
      rest = rest.slice(end + mark.length);
    }
  });
  const section = (name: string): { output: string; code: number } => {
    const found = sections.get(name);
    assert.ok(
      found,
      `the guest's script did not come to "${name}"; it came to ${[...sections.keys()]}`,
    );
    return found;
  };
  const number = (name: string, field: string): number =>
    Number(new RegExp(`^${field} (\\d+)`, 'm').exec(section(name).output)?.[1] ?? Number.NaN);

  test('a sandbox is born in its group (CLONE_INTO_CGROUP), and nothing is moved there', () => {
    assert.equal(section('hello').code, 0, section('hello').output);
    assert.equal(section('hello').output, '0::/\n', 'its own cgroup namespace begins at its group');
    const trace = section('trace').output;
    const flags = [...trace.matchAll(/clone_flags=([0-9a-f]+)/g)].map(([, hex]) =>
      BigInt(`0x${hex}`),
    );
    assert.ok(
      flags.some((bits) => (bits & CLONE_INTO_CGROUP) !== 0n),
      trace,
    );
    assert.doesNotMatch(trace, /cgroup_attach_task: .*dst_path=\/caisson-\d+-\d+\/\d/);
  });

  test('memory.max holds, and the end is called out of memory', () => {
    assert.equal(section('memory').code, 137);
    assert.match(section('memory').output, /out of memory/);
    assert.equal(
      section('memory-unlimited').code,
      0,
      'without the limit the same program succeeds',
    );
  });

  test('pids.max bounds a fork bomb, and nothing of it is left', () => {
    assert.match(section('processes').output, /limits hit: processes/);
    // The sandbox's own init is counted by the kernel and not against the guest.
    const [most = 0, hits = 0] =
      section('bomb').output.trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
    assert.ok(most > 12 && most <= 25, `at most ${most} processes were seen`);
    assert.ok(hits > 0, `pids.events counted ${hits}`);
    assert.equal(section('bomb-left').output, '0\n');
  });

  test('cpu.max holds, by the group’s own cpu.stat', () => {
    for (const name of ['cpu', 'cpu-unlimited']) {
      assert.match(section(name).output, /^[1-9]\d*\n/, 'the group holds the processes');
      assert.equal(section(name).code, 124, 'ended by the wall-clock limit');
    }
    // Two seconds of spinning with a fifth of a core, with room for what the guest's clock is worth: what is taken from
    // the guest's processor is counted for whoever stands on it.
    const [held, free] = ['cpu', 'cpu-unlimited'].map((name) => number(name, 'usage_usec'));
    assert.ok((held ?? 0) < 0.6 * (free ?? 0), `${section('cpu').output}, ${free} without`);
    assert.ok(number('cpu', 'nr_throttled') > 5, section('cpu').output);
    assert.ok(number('cpu-unlimited', 'usage_usec') > 1_000_000, section('cpu-unlimited').output);
  });

  test('in a group handed to us alone, as systemd delegates one, limits hold, too', () => {
    assert.equal(section('delegated').code, 137, section('delegated').output);
  });

  test('in a group that others stand in, limits hold, too, below the nearest group that can carry them', () => {
    assert.equal(section('shared').code, 137, section('shared').output);
  });

  test('no group is left', () => {
    assert.equal(section('left').output, '');
  });

  test('the delegated group is as it was: no group below it, no controller handed on', () => {
    assert.equal(section('delegated-left').output.trim(), '');
  });
});
