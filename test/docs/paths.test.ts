/** Every file and folder of this repository that a document names exists. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const repository = resolve(import.meta.dirname, '../..');
const folders = readdirSync(repository, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
  .map(({ name }) => name);
/** What a build makes is not there in a fresh clone. */
const made = /^(?:node_modules|build|dist)\/|\/build\//;

/** In code (`src/plan/`, `test/escape/setuid.test.ts`): what begins with a folder of the repository. */
function namedInCode(text: string): string[] {
  const named = [...text.matchAll(/`([^`\s]+)`/g)].map(([, path]) => path ?? '');
  return named.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
}

/** Targets of links, without their anchors. */
function linked(text: string, document: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target]) => target ?? '')
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(document), target));
}

const documents = globSync(['*.md', 'docs/*.md', 'fuzz/*.md'], { cwd: repository });

for (const document of documents) {
  test(`${document} names what is there`, () => {
    // Runnable blocks name files of the reader's; examples.test.ts runs them.
    const text = readFileSync(join(repository, document), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const missing = [...namedInCode(text), ...linked(text, document)].filter(
      (path) => !made.test(path) && globSync(path, { cwd: repository }).length === 0,
    );
    assert.deepEqual(missing, []);
  });
}

test('documents are found', () => {
  assert.ok(documents.includes('README.md') && existsSync(join(repository, 'README.md')));
});
