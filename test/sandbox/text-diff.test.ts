/** Our unified diffs, judged by patch(1): what it makes of the old text must be the new one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { BeyondBudget, Budget } from '../../src/sandbox/budget.ts';
import { unifiedDiff } from '../../src/sandbox/text-diff.ts';

test('the empty, the equal, the binary, the strange name', () => {
  assert.equal(unifiedDiff('a', 'x', 'x', 'modified'), 'modified a\n');
  assert.equal(unifiedDiff('a', undefined, 'x', 'modified'), 'Binary files a/a and b/a differ\n');
  const forged = unifiedDiff('a\n+++ b/.git/config', 'x\n', 'y\n', 'modified');
  assert.equal(forged.split('\n').filter((line) => line.startsWith('+++')).length, 1);
  const bare = unifiedDiff('a', 'x', 'x\n', 'modified');
  assert.match(bare, /-x\n\\ No newline at end of file\n\+x\n$/);
});

test('texts that differ in every line, and texts of very many, take little', () => {
  const numbered = (count: number, word: string): string =>
    Array.from({ length: count }, (_, i) => `${i} ${word}\n`).join('');
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) {
    const [old, now] = [numbered(2100, 'x'), numbered(2100, `y${i}`)];
    assert.equal(applyStrictly(old, unifiedDiff('f', old, now, 'modified')), now);
  }
  const many = unifiedDiff('f', '\n'.repeat(2 ** 20), 'a\n'.repeat(2 ** 19), 'modified');
  assert.equal(many, 'Files a/f and b/f differ\n');
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  // Each of the twenty took 200 MiB when its rounds were kept as maps.
  assert.ok(grown < 600, `${grown} MiB`);
});

test('where others wait, lines and what is searched are paid for, and what is small is the same', () => {
  const numbered = (word: string): string =>
    Array.from({ length: 1500 }, (_, i) => `${word} ${i}\n`).join('');
  const inline = (old: string, now: string): string =>
    unifiedDiff('f', old, now, 'modified', Budget.inline());
  for (const [old, now] of [
    ['', '\n'.repeat(40_000)],
    [numbered('old'), numbered('new')],
  ] as const) {
    assert.throws(() => inline(old, now), BeyondBudget);
  }
  const equal = 'a\n'.repeat(8000);
  const [old, now] = [`${equal}one\ntwo\n`, `${equal}one\n2\n`];
  assert.equal(inline(old, now), unifiedDiff('f', old, now, 'modified'));
});

/** Applies a unified diff as POSIX describes the format, strictly: context must match where the header says. */
function applyStrictly(before: string, diff: string): string {
  const old = before === '' ? [] : (before.match(/[^\n]*\n|[^\n]+$/g) ?? []);
  const out: string[] = [];
  let at = 0;
  const body = (diff.match(/[^\n]*\n/g) ?? []).slice(2);
  for (let i = 0; i < body.length; i++) {
    const line = body[i] as string;
    const header = /^@@ -(\d+)(?:,(\d+))? \+/.exec(line);
    if (header !== null) {
      const start = Number(header[1]) - (header[2] === '0' ? 0 : 1);
      while (at < start) out.push(old[at++] as string);
      continue;
    }
    if (line.startsWith('\\')) continue;
    const bare = body[i + 1]?.startsWith('\\') === true;
    const text = bare ? line.slice(1, -1) : line.slice(1);
    if (line[0] !== '+') assert.equal(old[at++], text);
    if (line[0] !== '-') out.push(text);
  }
  while (at < old.length) out.push(old[at++] as string);
  return out.join('');
}

const texts = fc
  .array(fc.constantFrom('a\n', 'b\n', 'c\n', '\n', 'dd\n', '@@ x\n', '-a\n'), { maxLength: 40 })
  .chain((lines) =>
    fc.boolean().map((bare) => (bare ? lines.join('').replace(/\n$/, '') : lines.join(''))),
  );

test('a diff leads from the old text to the new', () => {
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      fc.pre(before !== after);
      const diff = unifiedDiff('f', before, after, 'modified');
      assert.equal(applyStrictly(before, diff), after);
    }),
    { numRuns: 2000 },
  );
});

const patch = spawnSync('patch', ['--version']).error === undefined;
test('patch(1) reads it', { skip: patch ? false : 'patch is not installed' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'caisson-'));
  const numbers = Array.from({ length: 100 }, (_, i) => `${i}\n`);
  const after = numbers.with(3, 'x\n').toSpliced(50, 2).toSpliced(90, 0, 'new\n');
  writeFileSync(join(folder, 'f'), numbers.join(''));
  const diff = unifiedDiff('f', numbers.join(''), after.join(''), 'modified');
  const { status } = spawnSync('patch', ['-p1', '-F0'], { cwd: folder, input: diff });
  assert.equal(status, 0);
  assert.equal(readFileSync(join(folder, 'f'), 'utf8'), after.join(''));
  rmSync(folder, { recursive: true });
});
