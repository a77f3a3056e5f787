/** The pages made from the tables are up to date: `node scripts/write-cli-docs.ts`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { exitCodesPage, withReference } from '../../src/cli/documentation.ts';
import { errorCodes } from '../../src/core/error.ts';

const docs = join(resolve(import.meta.dirname, '../..'), 'docs');
const read = (name: string) => readFileSync(join(docs, name), 'utf8');

test('docs/exit-codes.md is what the tables say', () => {
  assert.equal(read('exit-codes.md'), exitCodesPage());
  for (const code of Object.keys(errorCodes)) assert.ok(read('exit-codes.md').includes(code), code);
});

test('the reference of docs/cli.md is what the table of commands says', () => {
  assert.equal(read('cli.md'), withReference(read('cli.md')));
});
