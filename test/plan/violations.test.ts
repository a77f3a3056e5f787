import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { compileSeccomp } from '../../src/plan/seccomp/compile.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { capableHost } from './made-up-facts.ts';

function compiled(document: PolicyDocument, facts: HostFacts = capableHost) {
  const result = compile(policyFromDocument({ version: 1, ...document }), facts);
  assert.ok(result.wall === 'process');
  return result;
}

const plain = (deny: readonly string[] = []) =>
  compileSeccomp({ arch: 'x86_64', preset: 'default', deny });

describe('what of violations is recorded', () => {
  test('where the host hands calls over: the calls with their errno, and a row', () => {
    const { kind, enforced } = compiled({});
    assert.ok((kind.notified?.length ?? 0) > 30 && (kind.notified?.length ?? 0) <= 64);
    assert.notDeepEqual(kind.seccomp, plain());
    const row = enforced.find(({ clause }) => clause === 'onViolation');
    assert.match(row?.value ?? '', /ends the run/);
    const ends = (document: PolicyDocument) =>
      compiled(document).kind.notified?.filter((call) => call.ends).length;
    assert.equal(ends({ level: 'moderate' }), 0);
    assert.equal(ends({ onViolation: 'record' }), 0);
    assert.equal(ends({ onViolation: 'kill' }), kind.notified?.length);
  });

  test('where it does not, or is not known to: refused all the same, and said', () => {
    const { seccompListener: _, ...unknown } = capableHost;
    for (const facts of [unknown, { ...capableHost, seccompListener: 16 }]) {
      const { kind, notes, enforced, unenforceable } = compiled({}, facts);
      assert.equal(kind.notified, undefined);
      assert.deepEqual(kind.seccomp, plain());
      assert.ok(notes.some((note) => note.startsWith('onViolation: refused system calls are not')));
      assert.ok(!enforced.some(({ clause }) => clause === 'onViolation'));
      assert.deepEqual(unenforceable, []);
    }
  });

  test('a policy that denies what the listener leaves with has none', () => {
    const { kind, notes } = compiled({ syscalls: { deny: ['sendmsg'] } });
    assert.equal(kind.notified, undefined);
    assert.deepEqual(kind.seccomp, plain(['sendmsg']));
    assert.ok(notes.some((note) => /denies sendmsg/.test(note)));
  });

  test('kill is refused where nothing would be ended, unless that is accepted', () => {
    const facts = { ...capableHost, seccompListener: 22 };
    const { unenforceable } = compiled({ onViolation: 'kill' }, facts);
    assert.deepEqual(
      unenforceable.map(({ id, acceptable }) => [id, acceptable]),
      [['onViolation:not-recorded', true]],
    );
  });

  test('file refusals are said not to be recorded, whether audit is on, off or not known', () => {
    for (const auditEnabled of [true, false, undefined]) {
      const facts = auditEnabled === undefined ? capableHost : { ...capableHost, auditEnabled };
      const { notes } = compiled({}, facts);
      assert.equal(notes.filter((note) => note.startsWith('violations: refused file')).length, 1);
    }
  });
});
