/** Folding: nothing used is lost, the limit is kept where it can be, and the least is given away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { foldPaths } from '../../src/learn/fold-paths.ts';

const anywhere = { mayFold: () => true, count: () => 0 };

test('few paths stay as they are; what lies below another goes into it', () => {
  assert.deepEqual(foldPaths(['/w/b', '/w/a', '/w/a/x', '/w/a'], { limit: 9, ...anywhere }), [
    { path: '/w/a', members: ['/w/a', '/w/a/x'] },
    { path: '/w/b', members: ['/w/b'] },
  ]);
});

test('beyond the limit the directory goes that shows least for what it saves', () => {
  const count = (directory: string) => ({ '/w/full': 2, '/w/sparse': 900 })[directory] ?? 2000;
  const paths = ['/w/full/a', '/w/full/b', '/w/sparse/a', '/w/sparse/b', '/w/x'];
  const folded = foldPaths(paths, { limit: 4, mayFold: () => true, count });
  assert.deepEqual(
    folded.map(({ path }) => path),
    ['/w/full', '/w/sparse/a', '/w/sparse/b', '/w/x'],
  );
});

test('a directory with many entries folds where that is asked for, and never one that may not', () => {
  const paths = ['/h/lib/a', '/h/lib/b', '/h/lib/c', '/h/x', '/h/y', '/h/z'];
  const folded = foldPaths(paths, {
    limit: 99,
    from: 3,
    mayFold: (at) => at !== '/h',
    count: () => 0,
  });
  assert.deepEqual(
    folded.map(({ path }) => path),
    ['/h/lib', '/h/x', '/h/y', '/h/z'],
  );
});

test('every path is covered once, whatever the limit', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const paths = fc.array(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(paths, fc.integer({ min: 1, max: 10 }), (used, limit) => {
      const mayFold = (at: string) => at.split('/').length > 2;
      const folded = foldPaths(used, { limit, mayFold, count: () => 100 });
      const members = folded.flatMap((each) => each.members);
      assert.deepEqual(members.toSorted(), [...new Set(used)].sort());
      for (const { path, members: inner } of folded) {
        for (const each of inner) assert.ok(each === path || each.startsWith(`${path}/`));
      }
      // Four directories at the top may not be folded any further.
      assert.ok(folded.length <= Math.max(limit, 4 + 16));
    }),
  );
});
