/** SPECIFICATION.md and SECURITY.md: every promise names a check that exists, or says that it is pending. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { escapeTests } from '../../src/plan/findings.ts';

const repository = resolve(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(repository, name), 'utf8');

/** The rows of every table below a heading, without the header's; cells trimmed. */
function rowsOf(page: string): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** Paths of checks: what a table may name as its evidence. */
function checksIn(text: string): string[] {
  return [
    ...text.matchAll(/`((?:test|bench|scripts\/threat|native\/launcher\/test)\/[^`\s]+)`/g),
  ].map(([, path]) => path ?? '');
}

for (const name of ['SPECIFICATION.md', 'SECURITY.md']) {
  test(`every check that ${name} names exists`, () => {
    const named = checksIn(read(name));
    assert.ok(named.length > 15);
    assert.deepEqual(
      named.filter((path) => !existsSync(join(repository, path))),
      [],
    );
  });
}

test('every row of SPECIFICATION.md names a check, or says that it is pending', () => {
  const headers = /^(?:shown by|measured by)$/;
  const bare = rowsOf(read('SPECIFICATION.md')).filter((cells) => {
    const last = cells.at(-1) ?? '';
    return !headers.test(last) && checksIn(last).length === 0 && !last.startsWith('pending');
  });
  assert.deepEqual(bare, []);
});

test('every attack that explain names stands in SPECIFICATION.md', () => {
  const page = read('SPECIFICATION.md');
  const missing = escapeTests.filter(
    (attack) =>
      !page.includes(`\`test/escape/${attack}.test.ts\``) && !page.includes(`pending (${attack})`),
  );
  assert.deepEqual(missing, []);
});
