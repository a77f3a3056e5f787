import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { selectForExplain, selectWall, wallState } from '../../src/plan/select.ts';
import { levelPolicy } from '../../src/policy/presets.ts';
import { capableHost } from './made-up-facts.ts';

function thrown(run: () => unknown) {
  try {
    run();
  } catch (error) {
    assert.ok(isCaissonError(error));
    return error;
  }
  assert.fail('nothing was thrown');
}

test('strict takes the process wall and says why', () => {
  assert.deepEqual(selectWall(levelPolicy('strict'), capableHost), {
    wall: 'process',
    wallReason: 'process: the first wall of the policy, and ready',
  });
});

test('paranoid is refused here, each wall with what it lacks and the cure', () => {
  const error = thrown(() => selectWall(levelPolicy('paranoid'), capableHost));
  assert.equal(error.code, 'WALL_UNAVAILABLE');
  assert.match(error.message, /microvm has no \/dev\/kvm/);
  assert.match(error.hint ?? '', /modprobe kvm/);
  assert.deepEqual(error.details.walls, [
    { wall: 'microvm', reason: 'has no /dev/kvm', cure: 'modprobe kvm' },
    { wall: 'gvisor', reason: 'is not part of this release' },
  ]);
});

test('no wall at all needs to be allowed by name', () => {
  const policy = levelPolicy('none');
  assert.equal(thrown(() => selectWall(policy, capableHost)).code, 'UNISOLATED');
  assert.equal(selectWall(policy, capableHost, { allowUnisolated: true }).wall, 'none');
});

test('allowing no isolation does not take it where the policy has a wall', () => {
  const selection = selectWall(levelPolicy('strict'), capableHost, { allowUnisolated: true });
  assert.equal(selection.wall, 'process');
});

for (const [what, facts] of [
  ['user namespaces', { userNamespace: 1 }],
  ['other namespaces', { otherNamespaces: 28 }],
  ['a proc of its own', { procMount: 1 }],
  ['seccomp', { seccomp: false }],
  ['a processor it knows', { arch: 'other' as const }],
] as const) {
  test(`without ${what} the process wall is not ready, and nothing weaker is taken`, () => {
    const host = { ...capableHost, ...facts };
    assert.equal(wallState('process', host).ready, false);
    assert.equal(thrown(() => selectWall(levelPolicy('moderate'), host)).code, 'WALL_UNAVAILABLE');
  });
}

test('elsewhere than on Linux running is refused, explaining is not', () => {
  const host = { ...capableHost, platform: 'darwin' as const };
  assert.equal(thrown(() => selectWall(levelPolicy('strict'), host)).code, 'PLATFORM_UNSUPPORTED');
  const { selection, missing } = selectForExplain(levelPolicy('strict'), host);
  assert.equal(selection.wall, 'process');
  assert.ok(missing.length > 0);
  assert.ok(missing.every(({ acceptable }) => !acceptable));
});

for (const wall of ['isolate', 'wasm'] as const) {
  test(`${wall} alone holds no command: refused, with what to name instead`, () => {
    const policy = { ...levelPolicy('strict'), walls: [wall] };
    const error = thrown(() => selectWall(policy, capableHost));
    assert.equal(error.code, 'WALL_UNAVAILABLE');
    assert.match(error.message, new RegExp(`${wall} stands inside another wall, never alone$`));
    assert.match(error.hint ?? '', /name process instead/);
    const { wall: taken } = selectWall({ ...policy, walls: [wall, 'process'] }, capableHost);
    assert.equal(taken, 'process');
  });
}
