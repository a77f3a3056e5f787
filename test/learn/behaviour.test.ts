/** What code did, told from what it was refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Violation } from '../../src/core/outcome.ts';
import { behaviourUnder, deedsOf } from '../../src/learn/behaviour.ts';

const violation = (
  kind: Violation['kind'],
  target: string,
  more: Partial<Violation> = {},
): Violation => ({
  kind,
  target,
  reason: '',
  details: {},
  ...more,
});

test('refusals, children and changes are deeds; equal ones are counted', () => {
  const violations = [
    violation('file', '/home/x/.ssh/id_rsa', { pid: 10, program: 'node', rule: 'filesystem.read' }),
    violation('file', '/home/x/.ssh/id_rsa', {
      pid: 10,
      program: 'node',
      rule: 'filesystem.read',
      count: 2,
    }),
    violation('file', '/usr/share/locale/x', { pid: 11, program: 'id', rule: 'filesystem.read' }),
    violation('file', '/usr/new', { pid: 10, program: 'worker', rule: 'filesystem.write' }),
    violation('network', 'example.invalid'),
    violation('syscall', 'ptrace'),
    violation('limit', 'memory'),
  ];
  const { did, undeclared } = deedsOf({ violations }, ['made.txt'], ['network', 'child-process']);
  assert.deepEqual(did, [
    { capability: 'filesystem', target: '/home/x/.ssh/id_rsa', secret: 'SSH keys', count: 3 },
    { capability: 'child-process', target: 'id' },
    { capability: 'filesystem', target: '/usr/new' },
    { capability: 'network', target: 'example.invalid' },
    { capability: 'process', target: 'ptrace' },
    { capability: 'filesystem', target: 'made.txt' },
  ]);
  assert.deepEqual(
    undeclared.map(({ capability }) => capability),
    ['filesystem', 'filesystem', 'process', 'filesystem'],
  );
});

test('the wall is the strict one, nothing is allowed out, and changes are thrown away', async () => {
  let discarded = 0;
  const caisson = {
    run: async (
      argv: readonly string[],
      options: { readonly policy: object; readonly workspace: string },
    ) => {
      assert.deepEqual(argv, ['node', 'x.js']);
      assert.equal(options.workspace, '/w');
      const { level, network, filesystem } = options.policy as Record<
        string,
        Record<string, unknown> | string
      >;
      assert.equal(level, 'strict');
      assert.deepEqual(network, { mode: 'filtered' });
      assert.equal((filesystem as Record<string, unknown>).workspace, 'overlay');
      return {
        kind: 'exited',
        code: 3,
        violations: [],
        changes: { pending: 'overlay_1' },
      } as never;
    },
    changes: async (id: string) => {
      assert.equal(id, 'overlay_1');
      const entries = [{ path: 'a', kind: 'added', type: 'file', protected: false }] as const;
      return { entries, discard: async () => void discarded++ };
    },
  };
  const behave = behaviourUnder(caisson);
  const { ended, did, unobserved } = await behave({
    command: ['node', 'x.js'],
    directory: '/w',
    declares: [],
  });
  assert.ok(unobserved.some(({ capability }) => capability === 'environment'));
  assert.equal(ended, 'exited 3');
  assert.deepEqual(did, [{ capability: 'filesystem', target: 'a' }]);
  assert.equal(discarded, 1);
});
