import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gatherFacts, minimalFacts } from '../../src/host/facts.ts';
import { parseHardLimits } from '../../src/host/hard-limits.ts';
import { cgroupFact, type LauncherFacts } from '../../src/launcher/protocol/decode-facts.ts';
import { compileForExplain } from '../../src/plan/compile.ts';
import { levelPolicy } from '../../src/policy/presets.ts';

const probe: LauncherFacts = {
  kernel: '6.12.0',
  euid: 1000,
  landlockAbi: 6,
  seccomp: true,
  userNamespaceErrno: 0,
  otherNamespacesErrno: 0,
  procMountErrno: 0,
  idmapErrno: 1,
  cgroup: 0,
  cgroupBase: '',
  capabilities: 0n,
  overlay: true,
  pidfd: true,
  architecture: 'x86_64',
  workingFileSystem: 'ext4',
  closeRange: true,
  seccompErrno: 0,
  cgroupErrno: 13,
  lsm: undefined,
  tmpfsXattrErrno: 0,
};
const linux = { skip: process.platform === 'linux' ? false : 'reads a Linux file system' };

test('controllers are read from the hierarchy that has them', () => {
  const version = (cgroup: number) => {
    const facts = gatherFacts({ ...probe, cgroup }).cgroup;
    return [facts.version, facts.memory, facts.cpu, facts.pids];
  };
  assert.deepEqual(version(0), ['none', false, false, false]);
  assert.deepEqual(version(cgroupFact.v2), ['none', false, false, false], 'present, not usable');
  const v2 = cgroupFact.v2Memory | cgroupFact.v2Pids;
  assert.deepEqual(version(v2), ['v2', true, false, true]);
  const v1 = cgroupFact.v1Memory | cgroupFact.v1Cpu | cgroupFact.v1Pids;
  assert.deepEqual(version(cgroupFact.v2 | v1), ['v1', true, true, true]);
});

test('what is gathered here holds no link where the launcher follows none', linux, () => {
  const facts = gatherFacts(probe, { devices: ['/dev/stdin', '/dev/no-such'] });
  assert.ok(facts.system.some(({ path, kind }) => path === '/usr' && kind === 'directory'));
  assert.deepEqual(
    facts.devices.find(({ path }) => path === '/dev/null'),
    { path: '/dev/null', major: 1, minor: 3 },
  );
  assert.ok(!facts.devices.some(({ path }) => path === '/dev/stdin'), 'a link is no device');
  assert.ok(!facts.etc.binds.includes('/etc/os-release'));
  assert.ok(
    !(facts.topLevel ?? []).includes('/bin') || facts.system.every(({ path }) => path !== '/bin'),
  );
  assert.equal(typeof facts.cgroupCure, 'string', 'no cgroups: there is a cure to tell');
});

test('hard limits of proc(5)', linux, () => {
  const limits = parseHardLimits(readFileSync('/proc/self/limits', 'utf8'));
  assert.equal(typeof limits[7], 'number', 'open files');
  assert.deepEqual(
    parseHardLimits(
      'Max open files            1024                 4096                 files     \nMax cpu time              unlimited            unlimited            seconds   \n',
    ),
    { 0: null, 7: 4096 },
  );
});

for (const platform of ['darwin', 'win32'] as const) {
  test(`policies are explained on ${platform}`, () => {
    const result = compileForExplain(levelPolicy('strict'), minimalFacts(platform));
    assert.ok(result.enforced.length > 10);
    assert.ok(result.unenforceable.some(({ id }) => id === 'wall.process:not-ready'));
  });
}
