/** A staged workspace in the sets: writing is apart from reading, there and nowhere else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { subsumes } from '../../src/policy/compare.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { containsPath } from '../../src/policy/path-set.ts';

function policy(filesystem: NonNullable<PolicyDocument['filesystem']>) {
  return policyFromDocument({ level: 'strict', filesystem });
}

const staged = policy({
  read: ['main.c'],
  write: ['main.o', '/srv/out'],
  workspace: 'staged',
  apply: 'auto',
});
const direct = policy({ read: ['.'], write: ['main.o'] });

test('what is written in the workspace is not read for that; outside it is', () => {
  assert.equal(containsPath(staged.read, '$workspace/main.c'), true);
  assert.equal(containsPath(staged.read, '$workspace/main.o'), false);
  assert.equal(containsPath(staged.read, '/srv/out'), true);
  assert.equal(containsPath(direct.read, '$workspace/main.o'), true);
});

test('what may be written can be carved out of what is read', () => {
  const apart = policy({ read: ['src', '!src/out'], write: ['src/out'], workspace: 'staged' });
  assert.equal(containsPath(apart.read, '$workspace/src/out'), false);
  assert.throws(() => policy({ read: ['src', '!src/out'], write: ['src/out'] }), {
    code: 'POLICY_INVALID',
  });
});

test('union and intersection with a policy that works on the workspace itself keep their laws', () => {
  const union = unionPolicies(staged, direct);
  assert.equal(union.workspace.mode, 'direct');
  assert.equal(containsPath(union.read, '$workspace/main.o'), true);
  const both = intersectPolicies(staged, direct);
  assert.equal(both.workspace.mode, 'staged');
  for (const each of [staged, direct]) {
    assert.equal(subsumes(union, each).ok, true);
    assert.equal(subsumes(each, both).ok, true);
  }
});

test('nothing of the workspace named is a contradiction; applying by itself is not', () => {
  assert.throws(() => policy({ read: ['/srv'], workspace: 'staged' }), { code: 'POLICY_INVALID' });
  assert.equal(staged.workspace.apply, 'auto');
});
