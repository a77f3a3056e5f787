/** `caisson keys`: keys that are made, and whom the registry trusts. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Authority, ISSUER, SUBJECT } from '../admission/signing/sigstore-authority.ts';
import { entry, makePlace } from './caisson.ts';
import { typist } from './typist.ts';

const place = makePlace();
after(() => place[Symbol.dispose]());
const at = (name: string): string => join(place.work, name);
const run = (...args: string[]) => place.caisson(args);

function ok(...args: string[]) {
  const result = run(...args);
  assert.equal(result.status, 0, result.stderr);
  return result;
}

function fails(exit: number, said: RegExp, ...args: string[]): void {
  const { status, stderr } = run(...args);
  assert.match(stderr, said);
  assert.equal(status, exit, stderr);
  assert.match(stderr, /\n {2}\S/);
}

before(() => {
  mkdirSync(at('keys'), { mode: 0o700 });
  for (const name of ['alice', 'bob', 'carol']) ok('keys', 'generate', 'keys', '--name', name);
});

describe('caisson keys generate', () => {
  test('writes the private key for its owner alone, and prints none of it', () => {
    const { stdout, stderr } = ok('keys', 'generate', 'keys', '--name', 'dave', '--json');
    const { privateKey, publicKey, keyId, encrypted } = JSON.parse(stdout);
    assert.equal(lstatSync(at(privateKey)).mode & 0o777, 0o600);
    assert.match(readFileSync(at(publicKey), 'utf8'), /^-----BEGIN PUBLIC KEY-----/);
    assert.deepEqual([encrypted, /^[0-9a-f]{64}$/.test(keyId)], [false, true]);
    const secret = readFileSync(at(privateKey), 'utf8').split('\n')[1] ?? '?';
    assert.ok(!`${stdout}${stderr}`.includes(secret));
  });

  test('takes the place of nothing', () => {
    fails(65, /is there already/, 'keys', 'generate', 'keys', '--name', 'alice');
    fails(65, /no directory/, 'keys', 'generate', 'none');
    fails(64, /cannot name a key/, 'keys', 'generate', 'keys', '--name', '../x');
    fails(64, /there is no passphrase/, 'keys', 'generate', 'keys', '--name', 'e', '--encrypt');
    assert.ok(!existsSync(at('keys/e.key')));
  });
});

describe('a passphrase at a terminal', () => {
  const play = (
    steps: readonly (readonly [string, number, readonly number[]])[],
    ...args: string[]
  ) =>
    spawnSync('python3', ['-c', typist, JSON.stringify(steps), entry, ...args], {
      cwd: place.work,
      env: place.environment,
      encoding: 'utf8',
      timeout: 60_000,
    });
  const keys = (text: string) => [...Buffer.from(text)];

  test('is asked for twice, not shown, and protects the key', () => {
    const words = keys('correct horsf\u007fe\r');
    const steps = [
      ['Passphrase of the new key: ', 0, words],
      ['The same again: ', 0, words],
    ] as const;
    const made = play(steps, 'keys', 'generate', 'keys', '--name', 'typed', '--encrypt');
    assert.equal(made.stdout.trim(), '0', made.stderr);
    assert.match(readFileSync(at('keys/typed.key'), 'utf8'), /ENCRYPTED PRIVATE KEY/);
    writeFileSync(at('typed.js'), '1');
    const sign = ['sign', 'typed.js', '--key', 'keys/typed.key'];
    const asked = 'Passphrase of keys/typed.key: ';
    assert.equal(play([[asked, 0, keys('wrong horse\r')]], ...sign).stdout.trim(), '65');
    assert.equal(play([[asked, 0, keys('correct horse\r')]], ...sign).stdout.trim(), '0');
    // A text that never comes: all that was on the terminal is told.
    const screen = play(
      [
        [asked, 0, keys('correct horse\r')],
        ['never', 0, []],
      ],
      ...sign,
    ).stderr;
    assert.match(screen, /signed with/);
    assert.doesNotMatch(screen, /correct|horse/);
    // Ctrl-C
    assert.equal(play([[asked, 0, [3]]], ...sign).stdout.trim(), '130');
  });

  test('that is not the same twice makes no key', () => {
    const steps = [
      ['Passphrase of the new key: ', 0, keys('correct horse\r')],
      ['The same again: ', 0, keys('correct house\r')],
    ] as const;
    const made = play(steps, 'keys', 'generate', 'keys', '--name', 'twice', '--encrypt');
    assert.equal(made.stdout.trim(), '64', made.stderr);
    assert.ok(!existsSync(at('keys/twice.key')));
  });
});

describe('caisson keys trust', () => {
  test('keeps whom it trusts in the state directory, for its owner alone', () => {
    const { stdout } = ok(
      'keys',
      'trust',
      'alice',
      '--key',
      'keys/alice.pub',
      '--ids',
      'pay-*',
      '--until',
      '2099-01-31',
      '--json',
    );
    const { trust, keyId } = JSON.parse(stdout);
    assert.equal(lstatSync(trust).mode & 0o777, 0o600);
    assert.ok(trust.startsWith(place.environment.XDG_STATE_HOME ?? '?'));
    const list = ok('keys', 'list').stdout;
    assert.match(
      list,
      new RegExp(`^NAME +STATE +KEY +MAY SIGN\\nalice +trusted +${keyId} +pay-\\*\\n$`),
    );
  });

  test('takes no private key, no key of another type, no name twice', () => {
    fails(65, /private/, 'keys', 'trust', 'x', '--key', 'keys/alice.key');
    writeFileSync(at('text'), 'x');
    fails(65, /no PUBLIC KEY/, 'keys', 'trust', 'x', '--key', 'text');
    fails(64, /is there already/, 'keys', 'trust', 'alice', '--key', 'keys/bob.pub');
    fails(78, /the same key/, 'keys', 'trust', 'again', '--key', 'keys/alice.pub');
    fails(78, /name/, 'keys', 'trust', 'al\u0456ce', '--key', 'keys/bob.pub');
    fails(78, /write 2027/, 'keys', 'trust', 'bob', '--key', 'keys/bob.pub', '--until', 'soon');
    fails(64, /there is no key/, 'keys', 'trust', 'bob');
    assert.doesNotMatch(ok('keys', 'list').stdout, /bob/);
  });

  test('puts another in the place of one when it is told to', () => {
    ok('keys', 'trust', 'alice', '--key', 'keys/alice.pub', '--replace');
    assert.match(ok('keys', 'list').stdout, /everything/);
  });

  test('makes groups', () => {
    ok('keys', 'trust', 'bob', '--key', 'keys/bob.pub');
    fails(78, /carol, who is no signer/, 'keys', 'trust', 'release', '--of', 'alice,carol');
    fails(
      78,
      /nobody could meet/,
      'keys',
      'trust',
      'release',
      '--of',
      'alice,bob',
      '--threshold',
      '3',
    );
    fails(78, /threshold/, 'keys', 'trust', 'release', '--of', 'alice,bob', '--threshold', 'two');
    ok('keys', 'trust', 'release', '--of', 'alice', '--of', 'bob', '--ids', 'pay-*');
    assert.match(ok('keys', 'list').stdout, /group release: 2 of alice, bob, needed for pay-\*/);
  });

  test('takes identities of Sigstore with their trusted root', () => {
    writeFileSync(at('root.json'), new Authority().trustedRoot(), { mode: 0o600 });
    ok(
      'keys',
      'trust',
      'ci',
      '--issuer',
      ISSUER,
      '--subject',
      SUBJECT,
      '--root',
      'root.json',
      '--trust',
      'ci.yaml',
    );
    assert.match(ok('keys', 'list', '--trust', 'ci.yaml').stdout, /ci +trusted +https:\/\/token/);
    writeFileSync(at('no-root.json'), '{"tlogs": 1}', { mode: 0o600 });
    fails(
      78,
      /trusted root/,
      'keys',
      'trust',
      'x',
      '--issuer',
      'i',
      '--subject',
      's',
      '--root',
      'no-root.json',
    );
    fails(64, /there is no key/, 'keys', 'trust', 'x', '--issuer', 'i');
  });

  test('by many at once loses nobody', async () => {
    const names = ['bob', 'carol', 'alice'];
    const exits = await Promise.all(
      names.map(
        (name) =>
          new Promise<number | null>((done) => {
            spawn(
              entry,
              ['keys', 'trust', name, '--key', `keys/${name}.pub`, '--trust', 'many.yaml'],
              {
                cwd: place.work,
                env: place.environment,
                stdio: 'ignore',
              },
            ).on('exit', done);
          }),
      ),
    );
    const listed = JSON.parse(ok('keys', 'list', '--trust', 'many.yaml', '--json').stdout).signers;
    assert.equal(listed.length, exits.filter((exit) => exit === 0).length);
    assert.ok(
      exits.every((exit) => exit === 0 || exit === 78),
      String(exits),
    );
  });
});

describe('caisson keys revoke', () => {
  test('wants a reason and a signer that there is', () => {
    fails(64, /needs its reason/, 'keys', 'revoke', 'alice');
    fails(64, /no signer "alise"/, 'keys', 'revoke', 'alise', '--reason', 'x');
    assert.match(run('keys', 'revoke', 'alise', '--reason', 'x').stderr, /did you mean alice/);
  });

  test('is for good', () => {
    ok('keys', 'revoke', 'alice', '--reason', 'laptop stolen');
    assert.match(ok('keys', 'list').stdout, /alice +revoked/);
    assert.match(
      ok('keys', 'revoke', 'alice', '--reason', 'again').stderr,
      /already: laptop stolen/,
    );
    fails(64, /was revoked/, 'keys', 'trust', 'alice', '--key', 'keys/alice.pub', '--replace');
    fails(64, /was revoked/, 'keys', 'trust', 'alice', '--key', 'keys/carol.pub', '--replace');
    fails(
      64,
      /that key was revoked, as alice/,
      'keys',
      'trust',
      'alice2',
      '--key',
      'keys/alice.pub',
    );
    assert.match(
      readFileSync(
        join(place.environment.XDG_STATE_HOME ?? '', 'caisson/trusted-signers.yaml'),
        'utf8',
      ),
      /reason: laptop stolen/,
    );
  });

  test('takes the id of a key, too', () => {
    const { signers } = JSON.parse(ok('keys', 'list', '--json').stdout);
    const bob = signers.find(({ name }: { name: string }) => name === 'bob');
    ok('keys', 'revoke', bob.key, '--reason', 'left');
    assert.match(ok('keys', 'list').stdout, /bob +revoked/);
  });
});
