/** What becomes of a run's changes: somebody's work, or gone with it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { Overlay } from '../../src/sandbox/overlay.ts';
import { settleChanges } from '../../src/sandbox/settle-changes.ts';

const base = mkdtempSync(join(tmpdir(), 'caisson-settle-'));
after(() => rmSync(base, { recursive: true }));
const { path: launcher } = locateLauncher();
const policy = policyFromDocument({ version: 1, level: 'moderate' });
const outcome = { kind: 'exited', code: 0, violations: [] } as unknown as Outcome;

function changed(name: string): {
  overlay: Overlay;
  overlays: () => string[];
  owner: () => unknown;
} {
  const state = join(base, name);
  const workspace = join(base, `${name}-workspace`);
  for (const path of [state, workspace]) mkdirSync(path, { mode: 0o700 });
  const overlay = Overlay.create(state, { workspace, policyDigest: 'd', protect: [] });
  writeFileSync(join(overlay.layers[0]?.upper ?? '', 'made'), 'x');
  const record = join(overlay.directory, 'overlay.json');
  return {
    overlay,
    overlays: () => readdirSync(join(state, 'overlays')),
    owner: () => JSON.parse(readFileSync(record, 'utf8')).owner,
  };
}

test('what is kept belongs to nobody’s process from then on', async () => {
  const { overlay, owner } = changed('kept');
  assert.ok(owner());
  const { changes } = await settleChanges(overlay, outcome, policy, launcher);
  assert.deepEqual(changes, { pending: overlay.id, applied: 0, kept: 1 });
  assert.equal(owner(), undefined);
});

test('what is discarded is its process’s until it is gone: whoever finds that one dead removes it', async () => {
  const { overlay, overlays, owner } = changed('discarded');
  let last: unknown;
  const discard = overlay.discard.bind(overlay);
  overlay.discard = async () => {
    last = owner();
    await discard();
  };
  const options = { pending: 'discard' } as const;
  const { changes } = await settleChanges(overlay, outcome, policy, launcher, options);
  assert.deepEqual([changes?.pending, changes?.applied, changes?.kept], [undefined, 0, 1]);
  assert.match(changes?.reason ?? '', /go with it/);
  assert.ok(last, 'it had an owner');
  assert.deepEqual(overlays(), []);
});

test('what cannot be removed is told', async () => {
  const { overlay } = changed('stuck');
  overlay.discard = () => Promise.reject(new Error('the disk is gone'));
  const options = { pending: 'discard' } as const;
  const { changes } = await settleChanges(overlay, outcome, policy, launcher, options);
  assert.match(changes?.reason ?? '', /could not be removed: the disk is gone/);
});
