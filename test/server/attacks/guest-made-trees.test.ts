/**
 * A tenant whose guest makes a tree that is hard to remove: paths longer than PATH_MAX, names that are no text, directories
 * that nobody may look into. It must neither stay, nor end the service, nor keep the next one from its start.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';

const TREES = {
  'paths longer than PATH_MAX':
    'n=$(printf "%0200d" 0); i=0; while [ $i -lt 60 ]; do mkdir $n && cd -P $n 2>/dev/null || { PWD=/; mkdir -p x; break; }; i=$((i+1)); done',
  'names that are no text':
    'd=$(printf "d\\377\\376"); mkdir "$d"; touch "$d/$(printf "x\\200")" "$(printf "a\\nb")" ./-rf',
  'directories that nobody may look into':
    'mkdir -p a/b/c; touch a/b/c/d; chmod 000 a/b/c a/b a; chmod 000 .',
} as const;
/** The guest’s own depth, where a shell cannot go. */
const DEEP = 'import os\nfor i in range(3000):\n  os.mkdir("d"); os.chdir("d")\nopen("end","w")';
const python = spawnSync('python3', ['-V']).status === 0;

describe('what a guest made goes with its sandbox', () => {
  let service: Served;
  let key: string;
  const state = mkdtempSync(join(tmpdir(), 'caisson-trees-'));

  before(async () => {
    service = await served({ audit: { enabled: false } }, { state });
    key = await service.key('developer');
  });
  after(() => rmSync(state, { recursive: true, force: true }));

  const left = (): string[] =>
    ['workspaces', 'overlays'].flatMap((name) =>
      existsSync(join(state, name)) ? readdirSync(join(state, name)) : [],
    );

  const run = async (argv: readonly string[], workspace: 'direct' | 'overlay') => {
    const policy = { version: 1, level: 'moderate', filesystem: { write: ['.'], workspace } };
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy, workspace: 'private' },
    });
    assert.equal(made.status, 201, made.text);
    const { id } = made.body as { id: string };
    const ran = await service.ask('POST', `/api/sandboxes/${id}/exec`, { key, body: { argv } });
    assert.equal(ran.status, 200, ran.text);
    assert.ok(left().length > 0);
    const ended = await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    assert.equal((ended.body as { state: string }).state, 'Killed');
    assert.deepEqual(left(), []);
  };

  for (const workspace of ['direct', 'overlay'] as const) {
    for (const [name, script] of Object.entries(TREES)) {
      test(`${name}, ${workspace}`, () => run(['sh', '-c', script], workspace));
    }
    test(
      `deeper than there are descriptors, ${workspace}`,
      { skip: python ? false : 'no python3' },
      () => run(['python3', '-c', DEEP], workspace),
    );
  }

  test('a service that was killed with such trees starts again, and removes them', async () => {
    const [script] = Object.values(TREES);
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private' },
    });
    const { id } = made.body as { id: string };
    await service.ask('POST', `/api/sandboxes/${id}/exec`, {
      key,
      body: { argv: ['sh', '-c', script] },
    });
    // As after a kill: what it was at work on lies there.
    const [name = ''] = readdirSync(join(state, 'workspaces'));
    const kept = join(state, 'kept');
    spawnSync('cp', ['-a', join(state, 'workspaces', name), kept]);
    await service.serving.stop(0);
    spawnSync('mv', [kept, join(state, 'workspaces', 'left')]);
    assert.deepEqual(readdirSync(join(state, 'workspaces')), ['left']);
    const again = await served({ audit: { enabled: false } }, { state });
    assert.deepEqual(left(), []);
    await again[Symbol.asyncDispose]();
  });

  test('what cannot be removed after all is told, and ends nobody else', async (context) => {
    const other = await served({ audit: { enabled: false } });
    const own = await other.key('developer');
    const policy = {
      version: 1,
      level: 'moderate',
      filesystem: { write: ['.'], workspace: 'overlay' },
    };
    const made = await other.ask('POST', '/api/sandboxes', {
      key: own,
      body: { policy, workspace: 'private' },
    });
    const { id } = made.body as { id: string };
    const body = { argv: ['touch', 'kept'] };
    await other.ask('POST', `/api/sandboxes/${id}/exec`, { key: own, body });
    const [overlay = ''] = readdirSync(join(other.state, 'overlays'));
    const held = join(other.state, 'overlays', overlay, 'upper', 'kept');
    // The host's own doing: no guest can.
    if (spawnSync('chattr', ['+i', held]).status !== 0) {
      await other[Symbol.asyncDispose]();
      return context.skip('chattr +i is not possible here');
    }
    try {
      const ended = await other.ask('DELETE', `/api/sandboxes/${id}`, { key: own });
      assert.equal((ended.body as { state: string }).state, 'Failed');
      assert.equal((await other.ask('GET', '/healthz')).status, 200);
    } finally {
      spawnSync('chattr', ['-R', '-i', join(other.state, 'overlays')]);
      // What failed is told again by whoever ends the service.
      await other.serving.stop(0).catch(() => {});
      rmSync(other.state, { recursive: true });
    }
  });
});
