/** Help as it stands in golden files; `UPDATE_GOLDEN=1` writes them anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { commandHelp, overview } from '../../src/cli/help.ts';

const golden = join(import.meta.dirname, 'golden');

const pages: [string, string][] = [
  ['overview', overview()],
  ...commands.map((command): [string, string] => [
    command.name.replaceAll(' ', '-'),
    commandHelp(command),
  ]),
];

for (const [name, text] of pages) {
  test(`help: ${name}`, () => {
    const path = join(golden, `${name}.txt`);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
    assert.equal(text, readFileSync(path, 'utf8'));
  });
}

test('no line is wider than a terminal of 100 columns', () => {
  for (const [name, text] of pages) {
    const wide = text.split('\n').filter((line) => line.length > 100);
    assert.deepEqual(wide, [], name);
  }
});
