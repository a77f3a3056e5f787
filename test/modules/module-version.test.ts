import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareVersions,
  latestVersion,
  MODULE_VERSION,
} from '../../src/modules/module-version.ts';

test('what is a semantic version', () => {
  for (const good of ['0.0.0', '1.2.3', '10.20.30', '1.0.0-alpha', '1.0.0-a.1.x-y', '1.0.0+b.01'])
    assert.match(good, MODULE_VERSION);
  for (const bad of ['', '1', '1.2', '01.2.3', '1.2.3-', '1.2.3-01', '1.2.3+', 'v1.2.3', '1.2.3\n'])
    assert.doesNotMatch(bad, MODULE_VERSION);
});

test('their order is that of the specification, section 11', () => {
  const ordered = [
    '0.9.9',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.0+build',
    '1.0.1',
    '1.10.0',
    '2.0.0',
  ];
  const shuffled = [...ordered].sort((a, b) => (a.length - b.length) * 3 + (a < b ? 1 : -1));
  assert.notDeepEqual(shuffled, ordered);
  assert.deepEqual(shuffled.sort(compareVersions), ordered);
});

test('the latest is a release where there is one', () => {
  assert.equal(latestVersion(['1.0.0', '2.0.0-beta.1', '0.9.0']), '1.0.0');
  assert.equal(latestVersion(['2.0.0-beta.1', '2.0.0-beta.2']), '2.0.0-beta.2');
  assert.equal(latestVersion([]), undefined);
});
