import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { lookAtNamedPaths } from '../../src/host/named-paths.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-named-')));
after(() => rmSync(root, { recursive: true }));
const work = join(root, 'work');
mkdirSync(join(work, 'docs'), { recursive: true });
mkdirSync(join(root, 'data'));
writeFileSync(join(root, 'data/one'), '');
writeFileSync(join(work, 'notes'), '');
symlinkSync('data', join(root, 'link'));
symlinkSync(join(root, 'data'), join(work, 'planted'));

const look = (...read: string[]) =>
  lookAtNamedPaths(policyFromDocument({ version: 1, filesystem: { read } }), work);
const throws = (code: string, run: () => unknown) =>
  assert.throws(run, (error) => isCaissonError(error) && error.code === code);

test('says of each path where it leads and what it is', () => {
  assert.deepEqual(look(join(root, 'link'), join(root, 'data/one'), 'docs', 'notes'), [
    { path: '$workspace/docs', real: '$workspace/docs', kind: 'directory' },
    { path: '$workspace/notes', real: '$workspace/notes', kind: 'file' },
    { path: join(root, 'data/one'), real: join(root, 'data/one'), kind: 'file' },
    { path: join(root, 'link'), real: join(root, 'data'), kind: 'directory' },
  ]);
});

test('a path that is not there is named', () => {
  throws('PATH_MISSING', () => look(join(root, 'nowhere')));
  throws('PATH_MISSING', () => look('nowhere'));
});

test('a link in the workspace leads to nothing', () => {
  throws('PATH_ESCAPES', () => look('planted'));
  throws('PATH_ESCAPES', () => look('planted/one'));
});

test('what is carved out need not be there', () => {
  assert.equal(look('docs', '!docs/private').length, 1);
});
