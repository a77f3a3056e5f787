/** What the person's policy becomes for a model's sandboxes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SandboxPlaces } from '../../src/mcp/sandbox-places.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';

const policyOf = (document: Parameters<typeof policyFromDocument>[0]) =>
  policyFromDocument(document, { home: '/home/nobody' });

test('what a policy applies by itself, or writes at once, is kept aside', () => {
  const agent = new SandboxPlaces({
    policy: policyOf({ extends: 'agent' }),
    workspace: '/work',
    mayAsk: false,
  });
  assert.deepEqual(agent.place().policy.workspace, { mode: 'overlay', apply: 'manual' });
  const direct = policyOf({ level: 'moderate', filesystem: { workspace: 'direct' } });
  const held = new SandboxPlaces({ policy: direct, workspace: '/work', mayAsk: false });
  assert.equal(held.place().policy.workspace.mode, 'overlay');
});

test('a private place knows no workspace, and keeps everything else', () => {
  const places = new SandboxPlaces({
    policy: policyOf({ extends: 'agent', filesystem: { read: ['.', '/srv'] } }),
    workspace: '/work',
    mayAsk: false,
  });
  const { policy, workspace } = places.place('private');
  assert.equal(workspace, undefined);
  assert.deepEqual(policy.workspace, { mode: 'none', apply: 'manual' });
  assert.deepEqual(policy.write.rules, []);
  assert.deepEqual(policy.read.rules, [{ path: '/srv', include: true }]);
  assert.equal(places.defaultKind, 'overlay');
});

test('a network to be granted in reaches nothing; nothing else about the network changes', () => {
  const place = (document: Parameters<typeof policyOf>[0], mayAsk: boolean) =>
    new SandboxPlaces({ policy: policyOf(document), mayAsk }).place().policy.network;
  assert.equal(place({ level: 'strict' }, false).mode, 'none');
  assert.deepEqual(place({ level: 'strict' }, true), {
    mode: 'filtered',
    allow: [],
    deny: [],
    listen: [],
  });
  const own = { level: 'strict', network: { allow: ['pypi.org'] } } as const;
  assert.deepEqual(place(own, true), place(own, false));
  assert.equal(place({ level: 'strict', network: { mode: 'full' } }, true).mode, 'full');
  assert.equal(place({ level: 'paranoid' }, true).mode, 'none');
});

test('memory is narrowed in few steps, and never widened', () => {
  const places = new SandboxPlaces({ policy: policyOf({ level: 'strict' }), mayAsk: false });
  const MiB = 2 ** 20;
  const memory = (bytes: number) =>
    places.place('private', { memoryBytes: bytes }).policy.limits.memoryBytes;
  assert.deepEqual(
    [1, 32 * MiB, 33 * MiB, 300 * MiB, 512 * MiB, 2 ** 50].map(memory),
    [32, 32, 64, 512, 512, 512].map((size) => size * MiB),
  );
  const made = new Set(
    Array.from(
      { length: 2000 },
      (_, at) => places.place('private', { memoryBytes: at * MiB }).policy,
    ),
  );
  assert.ok(made.size <= 6, `${made.size}`);
  assert.ok([...made].every((policy) => Object.isFrozen(policy)));
});

test('a level that shows the host as it is has no place here', () => {
  for (const level of ['none', 'basic'] as const) {
    assert.throws(
      () => new SandboxPlaces({ policy: policyOf({ level }), mayAsk: false }),
      /keeps nothing from a model/,
    );
  }
});
