/** Files of keys: who may read them, and what is never overwritten. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { keyIdOf } from '../../../src/admission/signing/ed25519.ts';
import {
  generateKeyFiles,
  readPrivateKeyFile,
  readPublicKeyFile,
} from '../../../src/admission/signing/key-file.ts';
import { parsePrivateKey, parsePublicKey } from '../../../src/admission/signing/key-text.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-keys-')));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

function home(mode = 0o700): string {
  const path = join(root, String(count++));
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

function refused(run: () => unknown, reason: RegExp): void {
  assert.throws(run, (error: { code: string; message: string; hint: string }) => {
    assert.equal(error.code, 'KEY_INVALID', error.message);
    assert.match(error.message, reason);
    assert.notEqual(error.hint, '');
    return true;
  });
}

describe('a new key', () => {
  test('is a pair of files, the private one for its owner alone', () => {
    const made = generateKeyFiles(home(), 'release');
    assert.equal(lstatSync(made.privateKey).mode & 0o777, 0o600);
    assert.match(readFileSync(made.privateKey, 'utf8'), /^-----BEGIN PRIVATE KEY-----/);
    const [mine, theirs] = [readPrivateKeyFile(made.privateKey), readPublicKeyFile(made.publicKey)];
    assert.equal(keyIdOf(parsePrivateKey(mine)), made.keyId);
    assert.equal(keyIdOf(parsePublicKey(theirs)), made.keyId);
  });

  test('is for its owner alone whatever the umask', () => {
    const directory = home();
    const program = `import { generateKeyFiles } from ${JSON.stringify(join(import.meta.dirname, '../../../src/admission/signing/key-file.ts'))}; process.umask(0); generateKeyFiles(${JSON.stringify(directory)}, 'k')`;
    execFileSync(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(lstatSync(join(directory, 'k.key')).mode & 0o777, 0o600);
  });

  test('may be encrypted', () => {
    const made = generateKeyFiles(home(), 'k', 'secret words');
    const text = readPrivateKeyFile(made.privateKey);
    assert.match(text, /ENCRYPTED/);
    assert.equal(keyIdOf(parsePrivateKey(text, 'secret words')), made.keyId);
    refused(() => parsePrivateKey(text), /encrypted/);
  });

  test('never takes the place of another, nor goes through a link', () => {
    const directory = home();
    const made = generateKeyFiles(directory, 'k');
    const before = readFileSync(made.privateKey, 'utf8');
    refused(() => generateKeyFiles(directory, 'k'), /there already/);
    assert.equal(readFileSync(made.privateKey, 'utf8'), before);
    // A public half that is there: the private one is not left behind.
    writeFileSync(join(directory, 'x.pub'), '');
    refused(() => generateKeyFiles(directory, 'x'), /there already/);
    assert.deepEqual(readdirSync(directory).sort(), ['k.key', 'k.pub', 'x.pub']);
    const target = join(home(), 'target');
    symlinkSync(target, join(directory, 'l.key'));
    refused(() => generateKeyFiles(directory, 'l'), /there already/);
    assert.throws(() => lstatSync(target), /ENOENT/);
  });

  test('is not made where others may change it', () => {
    for (const mode of [0o777, 0o1777, 0o770])
      refused(() => generateKeyFiles(home(mode), 'k'), /others may change/);
    refused(() => generateKeyFiles(join(root, 'none'), 'k'), /no directory/);
  });
});

describe('a private key', () => {
  test('that others can read or write is not used', () => {
    const { privateKey } = generateKeyFiles(home(), 'k');
    for (const mode of [0o604, 0o640, 0o644, 0o620, 0o666]) {
      chmodSync(privateKey, mode);
      refused(() => readPrivateKeyFile(privateKey), /others may read or write/);
    }
    chmodSync(privateKey, 0o400);
    assert.match(readPrivateKeyFile(privateKey), /PRIVATE KEY/);
  });

  test('is a small file that is there', () => {
    const directory = home();
    refused(() => readPrivateKeyFile(join(directory, 'none')), /ENOENT/);
    refused(() => readPrivateKeyFile(directory), /no file/);
    writeFileSync(join(directory, 'big'), 'x'.repeat(20_000), { mode: 0o600 });
    refused(() => readPrivateKeyFile(join(directory, 'big')), /too large/);
    // Would wait for a writer for ever, were it opened as a file is.
    execFileSync('mkfifo', ['-m', '600', join(directory, 'fifo')]);
    refused(() => readPrivateKeyFile(join(directory, 'fifo')), /no file/);
  });
});
