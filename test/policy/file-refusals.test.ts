import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { documentOf } from '../../src/policy/to-document.ts';

const policy = (fileRefusals?: 'none' | 'audit' | 'observe') =>
  policyFromDocument({ version: 1, ...(fileRefusals === undefined ? {} : { fileRefusals }) });

test('none is what not saying it is, and a policy without it has the digest that it had', () => {
  assert.equal(policy('none').fileRefusals, undefined);
  assert.equal(digestPolicy(policy('none')), digestPolicy(policy()));
  assert.notEqual(digestPolicy(policy('audit')), digestPolicy(policy()));
});

test('written out and read again it is the same', () => {
  for (const each of ['none', 'audit', 'observe'] as const) {
    const document: PolicyDocument = documentOf(policy(each));
    assert.equal(digestPolicy(policyFromDocument(document)), digestPolicy(policy(each)));
  }
});

test('both: what records more; either: what records less', () => {
  const of = (a: 'none' | 'audit' | 'observe', b: 'none' | 'audit' | 'observe') => [
    intersectPolicies(policy(a), policy(b)).fileRefusals,
    unionPolicies(policy(a), policy(b)).fileRefusals,
  ];
  assert.deepEqual(of('none', 'audit'), ['audit', undefined]);
  assert.deepEqual(of('observe', 'audit'), ['observe', 'audit']);
  assert.deepEqual(of('observe', 'observe'), ['observe', 'observe']);
});
