/** What the shell gets for each way to end, and that stderr tells Caisson's codes from the guest's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeEnding, exitCodeOf, outcomeRows } from '../../src/cli/exit-code.ts';
import { report } from '../../src/cli/report-outcome.ts';
import type { Outcome } from '../../src/core/outcome.ts';

const none = { text: '', bytes: new Uint8Array(), totalBytes: 0, truncated: false };
const outcome = (part: Partial<Outcome>): Outcome => ({
  kind: 'exited',
  stdout: none,
  stderr: none,
  limitsHit: [],
  violations: [],
  usage: {
    wallMs: 0,
    cpuUserMs: 0,
    cpuSystemMs: 0,
    memoryPeakBytes: 0,
    memoryPeakSource: 'rusage',
  },
  timing: { launchMs: 0, runMs: 0, teardownMs: 0 },
  wall: 'process',
  wallReason: '',
  policyDigest: '',
  auditId: '',
  accepted: [],
  leftBehind: 0,
  ...part,
});

test('the guest’s own code passes through, without a word', () => {
  for (const code of [0, 1, 124, 137, 255]) {
    const { exit, notes } = report({ outcome: outcome({ code }) });
    assert.equal(exit, code);
    assert.deepEqual(notes, []);
  }
});

test('everything else has its code and is said', () => {
  for (const [part, exit, says] of [
    [{ kind: 'signaled', signal: 'SIGSEGV' }, 139, /SIGSEGV/],
    [{ kind: 'signaled', signal: 'SIG34' }, 162, /SIG34/],
    [{ kind: 'timed-out', clock: 'wall' }, 124, /--timeout/],
    [{ kind: 'timed-out', clock: 'cpu' }, 124, /--cpu-time/],
    [{ kind: 'out-of-memory' }, 137, /--memory/],
    [{ kind: 'output-limit' }, 123, /--output/],
    [{ kind: 'denied', signal: 'SIGSYS' }, 159, /violation/],
    [{ kind: 'killed' }, 137, /killed/],
  ] as const) {
    assert.equal(exitCodeOf(outcome(part)), exit);
    assert.match(describeEnding(outcome(part)) ?? '', says);
  }
  assert.equal(exitCodeOf(outcome({ kind: 'killed' }), 'SIGTERM'), 143);
  assert.equal(exitCodeOf(outcome({ kind: 'killed' }), 'SIGPIPE'), 141);
});

test('limits and kept changes are said even when the guest ended by itself', () => {
  const { exit, notes } = report({
    outcome: outcome({
      code: 0,
      limitsHit: ['processes', 'output'],
      changes: { pending: 'overlay_1', applied: 0, kept: 2 },
    }),
  });
  assert.equal(exit, 0);
  assert.match(
    notes?.join('\n') ?? '',
    /processes, output.*\n2 changes are kept.*caisson diff overlay_1/,
  );
});

test('the table has a row for every kind', () => {
  const kinds = outcomeRows.map(({ kind }) => kind);
  assert.equal(new Set(kinds).size, kinds.length);
  for (const kind of kinds) assert.equal(typeof exitCodeOf(outcome({ kind })), 'number');
});
