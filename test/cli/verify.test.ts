/** `caisson verify`: its exit codes, and what it says of a signature that does not count. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makePlace } from './caisson.ts';

const place = makePlace();
after(() => place[Symbol.dispose]());
const at = (name: string): string => join(place.work, name);
const run = (...args: string[]) => place.caisson(args);
const MODULE = ['--id', 'greet', '--module-version', '1.0.0'];
const TRUST = ['--trust', 'trust.yaml'];

function ok(...args: string[]) {
  const result = run(...args);
  assert.equal(result.status, 0, result.stderr);
  return result;
}

before(() => {
  mkdirSync(at('keys'), { mode: 0o700 });
  writeFileSync(at('greet.js'), 'export default 1');
  for (const name of ['alice', 'bob', 'carol']) {
    ok('keys', 'generate', 'keys', '--name', name);
    ok('keys', 'trust', name, '--key', `keys/${name}.pub`, ...TRUST);
  }
  ok('sign', 'greet.js', '--key', 'keys/alice.key', ...MODULE);
});

function verify(exit: number, said: RegExp, ...args: string[]) {
  const result = run(
    'verify',
    'greet.js',
    ...TRUST,
    ...(args.includes('--id') ? [] : MODULE),
    ...args,
  );
  assert.match(`${result.stdout}${result.stderr}`, said);
  assert.equal(result.status, exit, result.stderr);
  return result;
}

describe('caisson verify', () => {
  test('says who has signed', () => {
    verify(0, /signed by alice {2}[0-9a-f]{64}/);
    const { stdout } = verify(0, /"ok":true/, '--json');
    const { signer, walls, name, digest } = JSON.parse(stdout);
    assert.deepEqual(
      [signer.name, walls, name, digest.length],
      ['alice', undefined, 'greet@1.0.0', 64],
    );
  });

  test('ends with 65 for other code, another name, another kind', () => {
    verify(65, /signed as greet@1\.0\.0/, '--id', 'greet');
    verify(65, /signed as greet@1\.0\.0/, '--id', 'greed', '--module-version', '1.0.0');
    verify(65, /signed as javascript/, '--kind', 'typescript');
    writeFileSync(at('other.js'), 'export default 2');
    const other = run('verify', 'other.js', '--signature', 'greet.js.sig', ...MODULE, ...TRUST);
    assert.equal(other.status, 65);
    assert.match(other.stderr, /other code was signed/);
    writeFileSync(at('bad.sig'), '{}');
    verify(65, /no DSSE envelope/, '--signature', 'bad.sig');
  });

  test('ends with 77 where nobody who is trusted for it has signed', () => {
    verify(77, /signed by bob/, '--by', 'bob');
    const nobody = run('verify', 'greet.js', ...MODULE);
    assert.equal(nobody.status, 77);
    assert.match(nobody.stderr, /nobody is trusted yet: caisson keys trust NAME --key/);
    ok(
      'keys',
      'trust',
      'narrow',
      '--key',
      'keys/alice.pub',
      '--ids',
      'pay-*',
      '--trust',
      'narrow.yaml',
    );
    const narrow = run('verify', 'greet.js', ...MODULE, '--trust', 'narrow.yaml', '--json');
    assert.equal(narrow.status, 77);
    assert.deepEqual(JSON.parse(narrow.stdout).code, 'SIGNER_UNTRUSTED');
  });

  test('counts a group', () => {
    ok(
      'keys',
      'trust',
      'release',
      '--of',
      'alice,bob',
      '--of',
      'carol',
      '--threshold',
      '2',
      ...TRUST,
    );
    verify(77, /signed by release/, '--by', 'release');
    ok('sign', 'greet.js', '--key', 'keys/carol.key', ...MODULE);
    verify(0, /group release is met/, '--by', 'release');
  });

  test('says behind which walls it counts', () => {
    ok(
      'keys',
      'trust',
      'walled',
      '--key',
      'keys/alice.pub',
      '--walls',
      'isolate',
      '--walls',
      'microvm',
      '--trust',
      'walled.yaml',
    );
    const walled = ['verify', 'greet.js', ...MODULE, '--trust', 'walled.yaml'];
    assert.match(run(...walled).stdout, /only behind microvm, isolate/);
    assert.equal(run(...walled, '--wall', 'isolate').status, 0);
    assert.equal(run(...walled, '--wall', 'process').status, 77);
    assert.match(run(...walled, '--wall', 'castle').stderr, /walls are none, child/);
  });

  test('ends with 78 where the registry cannot be used', () => {
    const bad: [string, RegExp, () => void][] = [
      ['open.yaml', /others may write it/, () => chmodSync(at('open.yaml'), 0o666)],
      [
        'broken.yaml',
        /unknown key "x"/,
        () => writeFileSync(at('broken.yaml'), 'version: 1\nsigners: []\nx: 1'),
      ],
    ];
    for (const [name, said, spoil] of bad) {
      writeFileSync(at(name), readFileSync(at('trust.yaml')), { mode: 0o600 });
      spoil();
      const { status, stderr } = run('verify', 'greet.js', ...MODULE, '--trust', name);
      assert.equal(status, 78, stderr);
      assert.match(stderr, said);
    }
    symlinkSync('trust.yaml', at('link.yaml'));
    assert.equal(run('verify', 'greet.js', ...MODULE, '--trust', 'link.yaml').status, 78);
  });

  test('ends with 66 where the code or the signature is not there', () => {
    assert.equal(run('verify', 'none.js', ...TRUST).status, 66);
    verify(66, /none\.sig cannot be read/, '--signature', 'none.sig');
  });

  test('tampered with by one byte, revoked, moved: refused', () => {
    writeFileSync(at('good.js'), 'export default 3');
    ok('sign', 'good.js', '--key', 'keys/bob.key', '--id', 'good', '--module-version', '1.0.0');
    const good = ['verify', 'good.js', '--id', 'good', '--module-version', '1.0.0', ...TRUST];
    assert.equal(run(...good).status, 0);
    writeFileSync(at('good.js'), 'export default 4');
    assert.equal(run(...good).status, 65);
    writeFileSync(at('good.js'), 'export default 3');
    assert.equal(
      run('verify', 'greet.js', ...MODULE, '--signature', 'good.js.sig', ...TRUST).status,
      65,
    );
    ok('keys', 'revoke', 'bob', '--reason', 'laptop stolen', ...TRUST);
    const revoked = run(...good);
    assert.equal(revoked.status, 77);
    assert.match(revoked.stderr, /bob: revoked at .*: laptop stolen/);
  });
});
