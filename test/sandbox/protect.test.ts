import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { profilePolicy } from '../../src/policy/presets.ts';
import { protectionOf, unprotected } from '../../src/sandbox/protect.ts';

function tree(files: readonly string[]) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-')));
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  return {
    root,
    below: (paths: readonly string[]) => paths.map((path) => path.slice(root.length + 1)),
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

test('what exists is held, what leads to it is pinned, what does not exist is named', async () => {
  using at = tree([
    '.git/config',
    '.git/hooks/pre-commit',
    '.git/modules/a/b/config',
    '.git/modules/a/b/HEAD',
    '.git/objects/x',
    '.env',
    'src/.env',
    'src/main.c',
  ]);
  symlinkSync('/etc/passwd', join(at.root, '.npmrc'));
  const { protect } = profilePolicy('agent', { home: '/home/x' });
  const found = await protectionOf(protect, at.root);
  assert.deepEqual(at.below(found.existing), [
    '.env',
    '.git/config',
    '.git/hooks',
    '.git/modules/a/b/config',
  ]);
  assert.deepEqual(at.below(found.pinned), [
    '.git',
    '.git/modules',
    '.git/modules/a',
    '.git/modules/a/b',
  ]);
  for (const pattern of ['.env*', '.vscode', '.npmrc'])
    assert.ok(found.open.includes(pattern), pattern);
  assert.ok(!found.open.includes('.git/config'));
  const refusal = unprotected(found);
  assert.equal(refusal?.id, 'filesystem.protect:direct');
  assert.match(refusal?.reason ?? '', /\.bash\*.* more$/);
});

test('nothing is refused where every pattern is held', async () => {
  using at = tree(['a/b']);
  assert.equal(unprotected(await protectionOf(['a/b'], at.root)), undefined);
});

test("a worktree's .git file, which says where the repository is, is held", async () => {
  using at = tree(['w/.git', 'w/file']);
  const found = await protectionOf(['.git/config'], join(at.root, 'w'));
  assert.deepEqual(at.below(found.existing), ['w/.git']);
});
