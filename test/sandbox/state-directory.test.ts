/** Where state is kept: what is wrong with a place is told, with what to type. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { openStateDirectory } from '../../src/sandbox/state-directory.ts';

const base = mkdtempSync(join(tmpdir(), 'caisson-state-'));
after(() => rmSync(base, { recursive: true, force: true }));

function refusal(path: string): string {
  try {
    openStateDirectory(path);
  } catch (error) {
    assert.ok(isCaissonError(error), String(error));
    return `${error.code}: ${error.message}; ${error.hint}`;
  }
  return 'opened';
}

test('a directory that is missing is made, with all above it, for its owner alone', () => {
  const path = join(base, 'a', 'b', 'c');
  assert.equal(openStateDirectory(path), path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(join(base, 'a')).mode & 0o777, 0o700);
  assert.equal(openStateDirectory(path), path);
});

test('a file, a link and one that others may use are none', () => {
  const file = join(base, 'file');
  writeFileSync(file, '');
  assert.match(refusal(file), /^PATH_ESCAPES: .*file is not a directory/);
  assert.match(
    refusal(join(file, 'below')),
    /^STORE_UNUSABLE: .*a part of the path is no directory/,
  );
  mkdirSync(join(base, 'own'), { mode: 0o700 });
  symlinkSync(join(base, 'own'), join(base, 'link'));
  assert.match(refusal(join(base, 'link')), /^PATH_ESCAPES: /);
  const wide = join(base, 'wide');
  mkdirSync(wide);
  chmodSync(wide, 0o755);
  assert.match(
    refusal(wide),
    /^PATH_ESCAPES: .*; chmod 700 .*wide, or name one of yours \(--state/,
  );
});

test('where a file system takes no directories, it is told at once', () => {
  assert.match(
    refusal('/proc/caisson-state/below'),
    /^STORE_UNUSABLE: .*\/proc\/caisson-state\/below cannot be made: /,
  );
});

test('a file is not to be made a directory by its mode', () => {
  const file = join(base, 'file');
  writeFileSync(file, '');
  assert.match(refusal(file), /name one of yours/);
  assert.doesNotMatch(refusal(file), /chmod/);
});

test('one of another user says whose it is; one that this user may not make, that it may not', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, () => {
  const theirs = join(base, 'theirs');
  mkdirSync(theirs, { mode: 0o700 });
  chownSync(theirs, 65533, 65533);
  assert.match(refusal(theirs), /it belongs to user 65533, and this is user 0: .*sudo -u '#65533'/);
  const source = join(import.meta.dirname, '../../src/sandbox/state-directory.ts');
  // Everything is loaded before the user changes, who might not read it.
  const loaded = `import(${JSON.stringify(source)}).then(({ openStateDirectory }) => {
      process.seteuid(65533);
      try { openStateDirectory('/var/lib/caisson-of-a-test'); } catch (error) { console.log(error.code + ': ' + error.message); }
    });`;
  const { stdout } = spawnSync(process.execPath, ['-e', loaded], { encoding: 'utf8' });
  assert.equal(
    stdout.trim(),
    'STORE_UNUSABLE: the state directory /var/lib/caisson-of-a-test cannot be made: this user may not',
  );
});
