/** Two services on one state directory: the second one is refused before it touches anything of the first one’s. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { served } from './served.ts';

const CAISSON = join(import.meta.dirname, '../../bin/caisson');
const state = mkdtempSync(join(tmpdir(), 'caisson-second-'));
after(() => rmSync(state, { recursive: true, force: true }));

test('a second service on the same directory says who has it, and harms nothing', async () => {
  await using first = await served({ audit: { enabled: false } }, { state });
  const key = await first.key('developer');
  const made = await first.ask('POST', '/api/sandboxes', {
    key,
    body: { policy: 'moderate', workspace: 'private' },
  });
  assert.equal(made.status, 201, made.text);
  const workspaces = readdirSync(join(state, 'workspaces'));
  assert.equal(workspaces.length, 1);

  await assert.rejects(served({ audit: { enabled: false } }, { state }), { code: 'CONFLICT' });
  const set = ['--set', 'listen.port=0', '--set', 'audit.enabled=false'];
  const { status, stderr } = spawnSync(CAISSON, ['serve', '--state', state, ...set], {
    encoding: 'utf8',
  });
  assert.equal(status, 73, stderr);
  assert.match(stderr, new RegExp(`in use by process ${process.pid}\\b`));
  assert.match(stderr, /--state/);

  assert.deepEqual(readdirSync(join(state, 'workspaces')), workspaces);
  const { id } = made.body as { id: string };
  const ran = await first.ask('POST', `/api/sandboxes/${id}/exec`, {
    key,
    body: { argv: ['true'] },
  });
  assert.equal(ran.status, 200, ran.text);
});

test('one after the other, and one that could not start, keep nobody out', async () => {
  await assert.rejects(served({ ceiling: { level: 'moderate', extends: './no' } }, { state }));
  for (let i = 0; i < 2; i++) {
    await using again = await served({ audit: { enabled: false } }, { state });
    assert.equal((await again.ask('GET', '/healthz')).status, 200);
  }
});
