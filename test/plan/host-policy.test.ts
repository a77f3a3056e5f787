import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPolicy } from '../../src/plan/host-policy.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';

const MiB = 2 ** 20;
const needs = { read: ['/opt/host'], memoryBytes: 64 * MiB, baseBytes: 64 * MiB };

test('what a policy denies, and what it asks to be told or refused, holds for the host of its programs', () => {
  const policy = policyFromDocument({
    onViolation: 'kill',
    hermetic: true,
    fileRefusals: 'observe',
    syscalls: { preset: 'minimal', allow: ['io_uring_setup'], deny: ['uname'] },
    limits: { fileSize: '64KiB', scratch: '128KiB', memoryHigh: '32MiB', openFiles: 100 },
    sideChannels: { resultGrid: '10ms' },
  });
  const host = hostPolicy(policy, needs);
  assert.deepEqual(
    [host.onViolation, host.hermetic, host.fileRefusals, host.sideChannels],
    ['kill', true, 'observe', policy.sideChannels],
  );
  assert.deepEqual(host.syscalls, { preset: 'minimal', allow: [], deny: ['uname'] });
  const { fileSizeBytes, scratchBytes, memoryHighBytes, openFiles } = host.limits;
  assert.deepEqual([fileSizeBytes, scratchBytes, openFiles], [MiB / 16, MiB / 8, 100]);
  assert.equal(memoryHighBytes, 32 * MiB + 64 * MiB + 16 * MiB);
});

test('what a policy opens stays shut for the host', () => {
  const policy = policyFromDocument({
    filesystem: { read: ['/srv'], write: ['/srv/out'] },
    network: { mode: 'filtered', allow: ['example.org:443'] },
    environment: { pass: ['HOME'], set: { A: '1' } },
    syscalls: { preset: 'all' },
    capabilities: { add: ['net_raw'] },
    devices: ['/dev/fuse'],
    admission: {},
  });
  const host = hostPolicy(policy, needs);
  assert.equal(host.admission, undefined, 'the guest was asked');
  assert.deepEqual(host.read.rules, [{ path: '/opt/host', include: true }]);
  assert.deepEqual(host.write.rules, []);
  assert.deepEqual([host.network.mode, host.network.allow], ['none', []]);
  assert.deepEqual(host.environment, { pass: { complement: false, names: [] }, set: [] });
  assert.equal(host.syscalls.preset, 'default');
  assert.deepEqual([host.capabilities.add, host.devices], [[], []]);
});
