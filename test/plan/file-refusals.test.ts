import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { expectedAction, seccompActions } from '../../src/plan/seccomp/compile.ts';
import { syscallNames } from '../../src/plan/seccomp/numbers.ts';
import { observedCalls, observedNames } from '../../src/plan/seccomp/observed.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { capableHost } from './made-up-facts.ts';

const logging: HostFacts = { ...capableHost, landlockAbi: 7, auditEnabled: true, auditRead: 0 };

function compiled(document: PolicyDocument, facts: HostFacts) {
  const result = compile(policyFromDocument({ version: 1, ...document }), facts);
  assert.ok(result.wall === 'process');
  const notes = result.notes.filter((note) => /refused file|fileRefusals/.test(note));
  assert.equal(notes.length, 1, 'one line says what is recorded');
  return { ...result, note: notes[0] ?? '' };
}

describe('where refused file accesses are recorded from', () => {
  test('nothing is asked for: not recorded, and nothing goes to the log of the host', () => {
    const { kind, note } = compiled({}, logging);
    assert.equal(kind.landlock?.log, undefined);
    assert.equal(kind.observed, undefined);
    assert.match(note, /are not recorded; fileRefusals: audit, or observe,/);
    assert.match(compiled({}, capableHost).note, /not recorded; fileRefusals: observe records/);
  });

  test('audit: only where the log is on, ours to read, and no overflow ends the machine', () => {
    const audit: PolicyDocument = { fileRefusals: 'audit' };
    const { kind, note } = compiled(audit, logging);
    assert.equal(kind.landlock?.log, true);
    assert.match(note, /is recorded, out of the audit log/);
    const { auditRead: _, ...unread } = logging;
    for (const [facts, why] of [
      [{ ...logging, landlockAbi: 6 }, /ABI 6\) logs nothing/],
      [{ ...logging, auditEnabled: false }, /is off here and which Caisson never turns on/],
      [capableHost, /logs nothing|cannot be asked for here/],
      [{ ...logging, auditRead: 1 }, /not ours to read \(errno 1/],
      [{ ...logging, auditRead: 95 }, /ends the machine when it overflows/],
      [unread, /not ours to read/],
    ] as const) {
      const without = compiled(audit, facts);
      assert.equal(without.kind.landlock?.log, undefined);
      assert.match(without.note, /are not recorded/);
      assert.match(without.note, why);
      assert.deepEqual(without.unenforceable, [], 'nothing is weaker without a record');
    }
  });

  test('observe: allowed calls on files, and no other', () => {
    const { kind, note } = compiled({ fileRefusals: 'observe' }, capableHost);
    const names = (kind.observed ?? []).map((number) => syscallNames.x86_64.get(number) ?? '');
    assert.ok(names.includes('openat') && names.includes('execve') && names.includes('unlink'));
    assert.ok(names.length <= 64 && names.every((name) => observedNames.includes(name)));
    const notified = new Set(kind.notified?.map(({ number }) => number));
    assert.ok(kind.observed?.every((number) => !notified.has(number)));
    assert.match(note, /Nothing is decided by it.*Costs/);
    const denied = compiled(
      { fileRefusals: 'observe', syscalls: { deny: ['truncate', 'openat2'] } },
      capableHost,
    );
    assert.equal(denied.kind.observed?.length, names.length - 2);
  });

  test('observe, where this host hands no calls over: said', () => {
    for (const facts of [
      { ...capableHost, seccompListener: 22 },
      { ...capableHost, kernel: '5.4.0-200-generic' },
    ]) {
      const { kind, note } = compiled({ fileRefusals: 'observe' }, facts);
      assert.equal(kind.observed, undefined);
      assert.match(note, /not recorded: this host hands no system calls over/);
    }
  });

  test('what the filter answers differs in nothing but that: every number, allowed as before', () => {
    for (const preset of ['default', 'minimal', 'all'] as const) {
      const request = { arch: 'x86_64', preset, notify: true } as const;
      const plain = seccompActions(request);
      const observed = seccompActions({ ...request, observe: true });
      const numbers = new Set(observedCalls(request));
      const args = [0n, 0n, 0n, 0n, 0n, 0n];
      for (const [number] of plain) {
        const before = expectedAction(plain, number, args);
        const after = expectedAction(observed, number, args);
        assert.equal(after.kind, before.kind);
        assert.equal(after.kind === 'allow' && after.observed === true, numbers.has(number));
      }
    }
  });
});
