/** `caisson sign`: what it writes, and with which key it does not. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makePlace } from './caisson.ts';

const place = makePlace();
after(() => place[Symbol.dispose]());
const at = (name: string): string => join(place.work, name);
const run = (...args: string[]) => place.caisson(args);

before(() => {
  mkdirSync(at('keys'), { mode: 0o700 });
  writeFileSync(at('greet.js'), 'export default 1');
  for (const name of ['alice', 'bob'])
    assert.equal(run('keys', 'generate', 'keys', '--name', name).status, 0);
});

const MODULE = ['--id', 'greet', '--module-version', '1.0.0'];

function fails(args: readonly string[], exit: number, said: RegExp): void {
  const { status, stderr } = run(...args);
  assert.match(stderr, said);
  assert.equal(status, exit, stderr);
  // What to type next stands below.
  assert.match(stderr, /\n {2}\S/);
}

describe('caisson sign', () => {
  test('writes an envelope beside the file', () => {
    const { status, stdout, stderr } = run(
      'sign',
      'greet.js',
      '--key',
      'keys/alice.key',
      ...MODULE,
    );
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^greet@1\.0\.0 {2}javascript {2}sha256:[0-9a-f]{64}\nsigned with [0-9a-f]{64}: greet\.js\.sig\n$/,
    );
    const { payload, payloadType, signatures } = JSON.parse(
      readFileSync(at('greet.js.sig'), 'utf8'),
    );
    assert.equal(payloadType, 'application/vnd.in-toto+json');
    assert.equal(signatures.length, 1);
    const statement = JSON.parse(Buffer.from(payload, 'base64').toString());
    assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
    assert.deepEqual(statement.predicate, { id: 'greet', version: '1.0.0', kind: 'javascript' });
  });

  test('adds the signature of another key to it, and not that of the same key twice', () => {
    const count = () => JSON.parse(readFileSync(at('greet.js.sig'), 'utf8')).signatures.length;
    for (const key of ['bob', 'alice', 'bob'])
      assert.equal(run('sign', 'greet.js', '--key', `keys/${key}.key`, ...MODULE).status, 0);
    assert.equal(count(), 2);
    fails(
      ['sign', 'greet.js', '--key', 'keys/bob.key', '--id', 'other'],
      65,
      /signs something else/,
    );
    assert.equal(count(), 2);
    assert.equal(
      run('sign', 'greet.js', '--key', 'keys/bob.key', '--id', 'other', '--replace').status,
      0,
    );
    assert.equal(count(), 1);
  });

  test('prints what would be signed, without a key', () => {
    const { status, stdout } = run(
      'sign',
      'greet.js',
      ...MODULE,
      '--unsigned',
      '--declares',
      'network,process',
      '--timeout',
      '2s',
    );
    assert.equal(status, 0);
    const { predicate, subject } = JSON.parse(stdout);
    assert.deepEqual(predicate.declares, ['network', 'process']);
    assert.deepEqual(predicate.limits, { timeoutMs: 2000 });
    assert.equal(subject[0].name, 'greet@1.0.0');
  });

  test('signs a command by its words', () => {
    const { status, stderr } = run(
      'sign',
      '--key',
      'keys/alice.key',
      '--id',
      'count',
      '--out',
      'count.sig',
      '--',
      'wc',
      '-w',
    );
    assert.equal(status, 0, stderr);
    assert.equal(run('keys', 'trust', 'alice', '--key', 'keys/alice.pub').status, 0);
    assert.equal(
      run('verify', '--id', 'count', '--signature', 'count.sig', '--', 'wc', '-w').status,
      0,
    );
    assert.equal(
      run('verify', '--id', 'count', '--signature', 'count.sig', '--', 'wc', '-l').status,
      65,
    );
  });

  test('never shows the private key, whatever goes wrong', () => {
    const secret = readFileSync(at('keys/alice.key'), 'utf8').split('\n')[1] ?? '';
    assert.ok(secret.length > 40);
    writeFileSync(
      at('keys/broken.key'),
      readFileSync(at('keys/alice.key'), 'utf8').replace('-----END', '-----EN'),
      { mode: 0o600 },
    );
    writeFileSync(
      at('keys/jwk.key'),
      `{"kty":"OKP","crv":"Ed25519","x":"${secret}","d":"${secret}"}`,
      { mode: 0o600 },
    );
    for (const key of ['alice', 'broken', 'jwk']) {
      for (const json of [[], ['--json']]) {
        const { stdout, stderr } = run(
          'sign',
          'greet.js',
          '--key',
          `keys/${key}.key`,
          '--id',
          'x',
          '--replace',
          ...json,
        );
        assert.ok(!`${stdout}${stderr}`.includes(secret), key);
      }
    }
  });

  test('does not use a key that others can read, and says what to type', () => {
    chmodSync(at('keys/bob.key'), 0o644);
    const { status, stderr } = run(
      'sign',
      'greet.js',
      '--key',
      'keys/bob.key',
      '--id',
      'x',
      '--out',
      'x.sig',
    );
    assert.equal(status, 65);
    assert.match(stderr, /others may read or write it\n {2}chmod 600 keys\/bob\.key/);
    chmodSync(at('keys/bob.key'), 0o600);
    assert.ok(!readdirSync(place.work).includes('x.sig'));
  });

  test('refuses what cannot be signed', () => {
    writeFileSync(at('notes.txt'), 'x');
    const key = ['--key', 'keys/alice.key'];
    const js = run('sign', 'notes.txt', ...key, '--kind', 'js', '--id', 'z');
    assert.match(js.stdout, /^z {2}javascript/, js.stderr);
    fails(['sign', 'greet.js'], 64, /no key to sign with/);
    fails(['sign', ...key], 64, /no code/);
    fails(['sign', 'none.js', ...key], 66, /none\.js cannot be read/);
    fails(['sign', 'notes.txt', ...key], 64, /cannot be told by its name/);
    fails(['sign', 'greet.js', ...key, '--kind', 'cobol'], 64, /not one of javascript/);
    fails(['sign', 'greet.js', ...key, '--id', '../greet'], 64, /id: write/);
    fails(['sign', 'greet.js', ...key, '--id', 'gr\u0435et'], 64, /id: write/);
    fails(['sign', 'greet.js', ...key, '--module-version', '1.0.0\n'], 64, /version/);
    fails(['sign', 'greet.js', ...key, '--declares', 'everything', '--id', 'y'], 64, /declares/);
    fails(
      ['sign', 'greet.js', '--key', 'keys/alice.pub', '--id', 'y'],
      65,
      /others may read|no PRIVATE KEY/,
    );
    fails(['sign', 'greet.js', ...key, '--id', 'y', '--', 'wc'], 64, /a command is words alone/);
    fails(['sign', '--id', 'y', ...key, '--', 'wc'], 64, /no file to write beside/);
    fails(
      ['sign', 'greet.js', ...key, '--id', 'y', '--out', 'no/where.sig'],
      66,
      /cannot be written/,
    );
  });

  test('replaces a link that stands where it writes, not what the link names', () => {
    writeFileSync(at('precious'), 'precious');
    symlinkSync(at('precious'), at('link.sig'));
    const { status } = run(
      'sign',
      'greet.js',
      '--key',
      'keys/alice.key',
      '--id',
      'y',
      '--out',
      'link.sig',
      '--replace',
    );
    assert.equal(status, 0);
    assert.equal(readFileSync(at('precious'), 'utf8'), 'precious');
    assert.ok(statSync(at('link.sig')).isFile());
  });

  test('takes the passphrase from the environment', () => {
    const made = place.caisson(['keys', 'generate', 'keys', '--name', 'safe', '--encrypt'], {
      environment: { CAISSON_KEY_PASSPHRASE: 'correct horse' },
    });
    assert.equal(made.status, 0, made.stderr);
    assert.match(readFileSync(at('keys/safe.key'), 'utf8'), /ENCRYPTED PRIVATE KEY/);
    const args = [
      'sign',
      'greet.js',
      '--key',
      'keys/safe.key',
      '--id',
      'safe',
      '--out',
      'safe.sig',
    ];
    const withWords = (name: string, words: string, more: string[] = []) =>
      place.caisson([...args, ...more], { environment: { [name]: words } });
    assert.match(
      withWords('OTHER', 'correct horse').stderr,
      /there is no passphrase: CAISSON_KEY_PASSPHRASE/,
    );
    assert.match(withWords('CAISSON_KEY_PASSPHRASE', 'wrong horse').stderr, /passphrase is wrong/);
    assert.ok(!readdirSync(place.work).includes('safe.sig'));
    assert.equal(withWords('OTHER', 'correct horse', ['--passphrase-env', 'OTHER']).status, 0);
    const short = place.caisson(['keys', 'generate', 'keys', '--name', 'short', '--encrypt'], {
      environment: { CAISSON_KEY_PASSPHRASE: 'short' },
    });
    assert.match(short.stderr, /less than 8/);
  });
});
