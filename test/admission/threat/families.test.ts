import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAMILIES } from '../../../src/admission/threat/families.ts';
import { familiesTable } from '../../../src/admission/threat/families-document.ts';
import { declaredBy } from '../../../src/admission/threat/profiles.ts';
import { THREAT_FAMILIES } from '../../../src/core/admission.ts';

test('the document holds the table of families as it is (node scripts/threat-families.ts writes it)', () => {
  const text = readFileSync(new URL('../../../docs/threat/families.md', import.meta.url), 'utf8');
  assert.ok(text.includes(`<!-- families -->\n${familiesTable()}\n<!-- /families -->`));
});

test('families are those that policies can waive, with scores from 0 to 100', () => {
  assert.deepEqual(Object.keys(FAMILIES).sort(), [...THREAT_FAMILIES].sort());
  for (const { base } of Object.values(FAMILIES)) assert.ok(base > 0 && base <= 100);
});

test('scores that were promised', () => {
  const promised = {
    'sandbox-escape': 100,
    cryptomining: 95,
    'child-process': 95,
    'process-manipulation': 90,
    filesystem: 85,
    'prototype-pollution': 85,
    'dynamic-code': 80,
    network: 75,
    'module-loading': 70,
  } as const;
  for (const [name, base] of Object.entries(promised)) {
    assert.equal(FAMILIES[name as keyof typeof promised].base, base);
  }
});

test('an effect declares nothing, a package all but persistence; manifests add to that', () => {
  assert.equal(declaredBy('effect').size, 0);
  assert.deepEqual([...declaredBy('effect', ['network'])], ['network']);
  assert.ok(!declaredBy('package').has('persistence'));
  const capabilities = Object.values(FAMILIES).flatMap(({ capability }) => capability ?? []);
  const declared = declaredBy('package', ['persistence']);
  assert.ok(capabilities.every((capability) => declared.has(capability)));
});
