/** The registry of trusted signers: what is in it, who could have written it, and that a change holds at once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { matchesPattern } from '../../../src/admission/signing/pattern.ts';
import type { TrustDocument } from '../../../src/admission/signing/trust-document.ts';
import { TrustFile } from '../../../src/admission/signing/trust-file.ts';
import { verifySigned } from '../../../src/admission/signing/verify.ts';
import { envelopeBy, NOW, person, subject, trusting } from './fixture.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-trust-')));
after(() => rmSync(root, { recursive: true, force: true }));

const alice = person('alice');
const bob = person('bob');
const entry = { name: 'alice', key: alice.pem };
let count = 0;

function home(): string {
  const path = join(root, String(count++));
  mkdirSync(path, { mode: 0o700 });
  return path;
}

function fileWith(content: string | object, mode = 0o600): TrustFile {
  const path = join(home(), 'trust.yaml');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode });
  chmodSync(path, mode);
  return new TrustFile(path);
}

function refused(run: () => unknown, reason: RegExp): void {
  assert.throws(run, (error: { code: string; message: string; hint: string; layer: string }) => {
    assert.deepEqual([error.code, error.layer], ['TRUST_INVALID', 'admission'], error.message);
    assert.match(error.message, reason);
    assert.notEqual(error.hint, '');
    return true;
  });
}

const good = { version: 1, signers: [entry] };

describe('a registry', () => {
  test('is read from YAML, JSON, and keys as PEM or JWK', () => {
    const yaml = `version: 1\nsigners:\n  - name: alice\n    key: |\n${alice.pem.replace(/^/gm, '      ')}`;
    const { publicKey } = generateKeyPairSync('ed25519');
    const jwk = {
      version: 1,
      signers: [{ name: 'x', key: JSON.stringify(publicKey.export({ format: 'jwk' })) }],
    };
    assert.equal(fileWith(yaml).current().signers[0]?.keyId, alice.keyId);
    assert.equal(fileWith(good).current().signers[0]?.keyId, alice.keyId);
    assert.match(fileWith(jwk).current().signers[0]?.keyId ?? '', /^[0-9a-f]{64}$/);
  });

  test('that is not there trusts nobody', () => {
    assert.deepEqual(new TrustFile(join(home(), 'none.yaml')).current().signers, []);
    assert.deepEqual(new TrustFile(join(root, 'no', 'where', 'none.yaml')).current().signers, []);
  });

  test('that is not valid trusts nobody either: it is an error', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const bad: [string | object, RegExp][] = [
      ['', /version|Invalid/],
      ['{', /./],
      ['version: 1\nversion: 1\nsigners: []', /twice/],
      ['version: 1\nsigners: &a []\ngroups: *a', /alias|anchor/],
      ['__proto__: {}\nversion: 1\nsigners: []', /not allowed/],
      [{ ...good, version: 2 }, /version/],
      [{ ...good, note: 1 }, /unknown key "note"/],
      [{ ...good, signers: [{ ...entry, untill: '2027-01-01' }] }, /unknown key "untill"/],
      [{ ...good, signers: [{ ...entry, until: 'tomorrow' }] }, /write 2027-01-31/],
      [{ ...good, signers: [{ ...entry, until: '2027-13-31' }] }, /write 2027-01-31/],
      [
        { ...good, signers: [{ ...entry, from: '2027-01-01', until: '2026-01-01' }] },
        /not before until/,
      ],
      [{ ...good, signers: [{ ...entry, name: '\u0430lice' }] }, /name/],
      [{ ...good, signers: [{ ...entry, scope: { ids: ['gr\u0435et'] } }] }, /ids/],
      [{ ...good, signers: [{ ...entry, scope: { ids: [] } }] }, /ids/],
      [{ ...good, signers: [{ ...entry, scope: { walls: ['castle'] } }] }, /walls/],
      [{ ...good, signers: [{ ...entry, revoked: {} }] }, /revoked/],
      [{ ...good, signers: [{ ...entry, revoked: true }] }, /revoked/],
      [{ ...good, signers: [{ name: 'a' }] }, /either key or sigstore/],
      [{ ...good, signers: [{ name: 'a', key: 'x' }] }, /the key of a/],
      [
        {
          ...good,
          signers: [
            { name: 'a', key: String(rsa.publicKey.export({ type: 'spki', format: 'pem' })) },
          ],
        },
        /type rsa/,
      ],
      [
        { ...good, signers: [entry, { ...entry, name: 'again' }] },
        /alice and again have the same key/,
      ],
      [{ ...good, signers: [entry, { name: 'alice', key: bob.pem }] }, /called alice/],
      [{ ...good, groups: [{ name: 'alice', of: ['alice'], threshold: 1 }] }, /called alice/],
      [
        { ...good, groups: [{ name: 'g', of: ['alice', 'dave'], threshold: 1 }] },
        /dave, who is no signer/,
      ],
      [
        { ...good, groups: [{ name: 'g', of: ['alice', 'alice'], threshold: 2 }] },
        /somebody twice/,
      ],
      [{ ...good, groups: [{ name: 'g', of: ['alice'], threshold: 2 }] }, /nobody could meet/],
      [{ ...good, groups: [{ name: 'g', of: ['alice'], threshold: 0 }] }, /threshold/],
      [
        {
          ...good,
          signers: [{ name: 's', sigstore: { issuer: 'i', subject: 's', root: 'absent.json' } }],
        },
        /not there/,
      ],
    ];
    for (const [content, reason] of bad) refused(() => fileWith(content).current(), reason);
  });

  test('has a revision that changes with anything in it', () => {
    const revisions = [
      trusting([alice]),
      trusting([bob]),
      trusting([[alice, { until: '2027-01-01' }]]),
      trusting([[alice, { revoked: { at: '2026-01-01', reason: 'x' } }]]),
      trusting([alice], { updated: '2026-01-01' }),
    ].map(({ revision }) => revision);
    assert.equal(new Set(revisions).size, revisions.length);
    assert.equal(trusting([alice]).revision, trusting([alice]).revision);
  });
});

describe('the file of a registry', () => {
  test('that others may write is refused', () => {
    for (const mode of [0o620, 0o602, 0o666, 0o777])
      refused(() => fileWith(good, mode).current(), /others may write it/);
    for (const mode of [0o600, 0o644, 0o400])
      assert.equal(fileWith(good, mode).current().signers.length, 1);
  });

  test('in a directory that others may change is refused, however far above', () => {
    const outer = home();
    mkdirSync(join(outer, 'inner'), { mode: 0o700 });
    const path = join(outer, 'inner', 'trust.yaml');
    writeFileSync(path, JSON.stringify(good), { mode: 0o600 });
    assert.equal(new TrustFile(path).current().signers.length, 1);
    chmodSync(outer, 0o777);
    refused(() => new TrustFile(path).current(), /others may change its directory/);
    // As /tmp is: nobody renames what is another's.
    chmodSync(outer, 0o1777);
    assert.equal(new TrustFile(path).current().signers.length, 1);
  });

  test('of somebody else is refused', {
    skip: process.geteuid?.() === 0 ? false : 'needs root',
  }, async () => {
    const { chownSync } = await import('node:fs');
    const trust = fileWith(good);
    chownSync(trust.path, 65534, 65534);
    refused(() => trust.current(), /somebody else/);
  });

  test('that is a link is refused, and one through a directory is looked at where it is', () => {
    const real = fileWith(good).path;
    const link = join(home(), 'trust.yaml');
    symlinkSync(real, link);
    refused(() => new TrustFile(link).current(), /symbolic link/);
    const open = home();
    const inside = join(open, 'inside');
    mkdirSync(inside, { mode: 0o700 });
    writeFileSync(join(inside, 'trust.yaml'), JSON.stringify(good), { mode: 0o600 });
    chmodSync(open, 0o777);
    const through = join(home(), 'through');
    symlinkSync(inside, through);
    refused(() => new TrustFile(join(through, 'trust.yaml')).current(), /others may change/);
  });

  test('where a guest writes is refused, there or not yet there', () => {
    const below = (directory: string) => (path: string) =>
      path === directory || path.startsWith(`${directory}/`);
    const { path } = fileWith(good);
    const directory = join(path, '..');
    const reachable = [below(directory), below(join(directory, '..')), below(path), () => true];
    for (const mayWrite of reachable) {
      refused(() => new TrustFile(path).current(mayWrite), /a guest can write/);
    }
    // The directory may be replaced as a whole, whatever is kept from writing inside.
    refused(() => new TrustFile(path).current((each) => each === directory), /a guest can write/);
    refused(
      () => new TrustFile(join(directory, 'none.yaml')).current(below(directory)),
      /a guest can write/,
    );
    // Named through a link: neither name may be within reach.
    const links = home();
    symlinkSync(directory, join(links, 'link'));
    const linked = new TrustFile(join(links, 'link', 'trust.yaml'));
    for (const mayWrite of [below(directory), below(links)]) {
      refused(() => linked.current(mayWrite), /a guest can write/);
    }
    const apart = [below(home()), below(`${directory}x`), below(join(directory, 'trust'))];
    for (const mayWrite of apart) {
      assert.equal(new TrustFile(path).current(mayWrite).signers.length, 1);
    }
  });

  test('that is no file, or too large, is refused without waiting', () => {
    const directory = home();
    refused(() => new TrustFile(directory).current(), /no regular file/);
    refused(() => fileWith('#'.repeat(1024 * 1024 + 1)).current(), /larger/);
    const path = join(home(), 'trust.yaml');
    writeFileSync(path, Buffer.from([0xff, 0xfe]), { mode: 0o600 });
    refused(() => new TrustFile(path).current(), /not UTF-8/);
  });

  test('holds as it is now: a revocation at once, a restored file, one taken away', async () => {
    const trust = fileWith(good);
    const text = envelopeBy([alice]);
    const ok = async () => (await verifySigned(subject, [text], trust.current(), NOW)).ok;
    assert.equal(await ok(), true);
    for (let round = 0; round < 20; round++) {
      const revoked = {
        ...good,
        signers: [{ ...entry, revoked: { at: '2026-01-01', reason: 'x' } }],
      };
      // In place, of the same length, within the same tick of the file system's clock.
      const pad = (value: object) => JSON.stringify(value).padEnd(400);
      writeFileSync(trust.path, pad(revoked));
      assert.equal(await ok(), false, `round ${round}`);
      writeFileSync(trust.path, pad(good));
      assert.equal(await ok(), true, `round ${round}`);
    }
    renameSync(trust.path, `${trust.path}.away`);
    assert.equal(await ok(), false);
    renameSync(`${trust.path}.away`, trust.path);
    assert.equal(await ok(), true);
    chmodSync(trust.path, 0o666);
    refused(() => trust.current(), /others may write/);
  });

  test('that is put in place again and again is read whole each time, the one or the other', async () => {
    const trust = fileWith(good);
    const two = { version: 1, signers: [entry, { name: 'bob', key: bob.pem }] };
    // Of another process, so that it happens in the middle of a read.
    const program = `
      import { renameSync, writeFileSync } from 'node:fs';
      const [path, ...texts] = process.argv.slice(1);
      for (let i = 0, end = Date.now() + 1500; Date.now() < end; i++) {
        writeFileSync(path + '.new', texts[i % 2], { mode: 0o600 });
        renameSync(path + '.new', path);
      }`;
    const texts = [good, two].map((value) => JSON.stringify(value));
    const args = ['--input-type=module', '-e', program, trust.path, ...texts];
    const writer = spawn(process.execPath, args, { stdio: 'inherit' });
    const seen = new Map<number, number>();
    let running = true;
    writer.on('exit', () => {
      running = false;
    });
    while (running) {
      const { length } = new TrustFile(trust.path).current().signers;
      seen.set(length, (seen.get(length) ?? 0) + 1);
      await new Promise((done) => setImmediate(done));
    }
    assert.equal(writer.exitCode, 0);
    assert.deepEqual([...seen.keys()].sort(), [1, 2]);
  });

  test('is kept in memory while it stays as it is', async () => {
    const trust = fileWith(good);
    await new Promise((done) => setTimeout(done, 120));
    const first = trust.current();
    assert.equal(trust.current(), first);
  });
});

describe('changing a registry', () => {
  const add = (document: TrustDocument): TrustDocument => ({
    ...document,
    signers: [...document.signers, entry],
  });

  test('writes it whole, for its owner alone, with the time', () => {
    for (const name of ['trust.yaml', 'trust.json']) {
      const trust = new TrustFile(join(home(), name));
      trust.update(NOW, add);
      assert.equal(lstatSync(trust.path).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(join(trust.path, '..')), [name]);
      assert.equal(new TrustFile(trust.path).current().updatedMs, NOW);
      const text = readFileSync(trust.path, 'utf8');
      if (name.endsWith('.json')) assert.equal(JSON.parse(text).version, 1);
    }
  });

  test('leaves it as it was where the change is not valid', () => {
    const trust = fileWith(good);
    const before = readFileSync(trust.path, 'utf8');
    refused(() => trust.update(NOW, add), /called alice|same key/);
    assert.equal(readFileSync(trust.path, 'utf8'), before);
    assert.deepEqual(readdirSync(join(trust.path, '..')), ['trust.yaml']);
  });

  test('is refused while somebody else does it, and says how to go on', () => {
    const trust = fileWith(good);
    trust.update(NOW, (document) => {
      refused(() => new TrustFile(trust.path).update(NOW, add), /somebody else/);
      return document;
    });
    assert.equal(existsSync(`${trust.path}.lock`), false);
  });

  test('that cannot be written says so, and leaves nothing', () => {
    const none = new TrustFile(join(root, 'nowhere', 'trust.yaml'));
    refused(() => none.update(NOW, add), /cannot be written/);
    const trust = fileWith(good);
    // What a draft is renamed to is a directory.
    refused(
      () =>
        trust.update(NOW, (document) => {
          rmSync(trust.path);
          mkdirSync(trust.path);
          return document;
        }),
      /cannot be written/,
    );
    assert.deepEqual(readdirSync(join(trust.path, '..')), ['trust.yaml']);
  });

  test('does not go through a link', () => {
    const target = fileWith(good);
    const before = readFileSync(target.path, 'utf8');
    const link = join(home(), 'trust.yaml');
    symlinkSync(target.path, link);
    refused(() => new TrustFile(link).update(NOW, (document) => document), /symbolic link/);
    assert.equal(readFileSync(target.path, 'utf8'), before);
  });
});

describe('a pattern', () => {
  test('matches the whole name', () => {
    const yes = [
      ['a', 'a'],
      ['*', 'abc'],
      ['a*c', 'abc'],
      ['a*c', 'ac'],
      ['**', 'a/b'],
      ['a/*/c', 'a/b/c'],
      ['a**c', 'a/b/c'],
      ['*.x', '..x'],
      ['', ''],
    ];
    const no = [
      ['a', 'ab'],
      ['a', 'ba'],
      ['*', 'a/b'],
      ['a*c', 'abcd'],
      ['a/*/c', 'a/b/d/c'],
      ['a.c', 'abc'],
      ['[ab]', 'a'],
      ['a+', 'aa'],
      ['(', ''],
      ['a', ''],
    ];
    for (const [pattern = '', name = ''] of yes)
      assert.ok(matchesPattern(pattern, name), `${pattern} ${name}`);
    for (const [pattern = '', name = ''] of no)
      assert.ok(!matchesPattern(pattern, name), `${pattern} ${name}`);
  });

  test('with one star does not reach over a branch that poses as a workflow', () => {
    const pattern = 'https://github.com/acme/*/.github/workflows/release.yml@refs/heads/main';
    assert.ok(
      matchesPattern(
        pattern,
        'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main',
      ),
    );
    const posing =
      'https://github.com/acme/app/.github/workflows/x.yml@refs/heads/b/.github/workflows/release.yml@refs/heads/main';
    assert.ok(!matchesPattern(pattern, posing));
  });

  test('takes no longer for being hostile', () => {
    const pattern = `${'*a'.repeat(200)}b`;
    assert.ok(!matchesPattern(pattern, 'a'.repeat(2000)));
  });
});
