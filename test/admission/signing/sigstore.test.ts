/** Sigstore bundles against an authority of our own: whom they name, and everything that must hold. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { signEd25519 } from '../../../src/admission/signing/ed25519.ts';
import { statementBytes } from '../../../src/admission/signing/statement.ts';
import type {
  SignerDocument,
  TrustDocument,
} from '../../../src/admission/signing/trust-document.ts';
import { trustRegistry } from '../../../src/admission/signing/trust-registry.ts';
import { verifySigned } from '../../../src/admission/signing/verify.ts';
import { digestOf, envelopeBy, NOW, person, predicate, subject } from './fixture.ts';
import { Authority, ISSUER, SIGNED_MS, SUBJECT } from './sigstore-authority.ts';

const authority = new Authority();
const payload = statementBytes(subject.digest, predicate);
type Sigstore = NonNullable<SignerDocument['sigstore']>;
type Bundle = ReturnType<Authority['bundle']>;

function registryOf(
  more: Partial<Sigstore> = {},
  rest: Partial<SignerDocument> = {},
  document: Partial<TrustDocument> = {},
  root: string = authority.trustedRoot(),
) {
  const sigstore = { issuer: ISSUER, subject: SUBJECT, root: 'root.json', ...more };
  return trustRegistry(
    { version: 1, signers: [{ name: 'ci', sigstore, ...rest }], ...document },
    'registry',
    () => root,
  );
}

function ask(bundle: unknown, registry = registryOf(), about = {}) {
  return verifySigned({ ...subject, ...about }, [JSON.stringify(bundle)], registry, NOW);
}

async function refused(bundle: unknown, reason: RegExp, registry = registryOf()) {
  const verdict = await ask(bundle, registry);
  assert.ok(!verdict.ok, JSON.stringify(verdict));
  assert.match(verdict.reason, reason);
  return verdict;
}

describe('a Sigstore bundle', () => {
  test('is accepted for whom its certificate names', async () => {
    const verdict = await ask(authority.bundle({ payload }));
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.equal(verdict.signer.name, 'ci');
    assert.equal(verdict.signer.identity, `${ISSUER} ${SUBJECT}`);
    assert.match(verdict.signer.keyId, /^[0-9a-f]{64}$/);
  });

  test('is about its code, id, version and kind alone', async () => {
    const bundle = authority.bundle({ payload });
    for (const about of [
      { digest: digestOf('x') },
      { name: 'other@1.0.0' },
      { name: 'greet@1.0.1' },
      { language: 'wasm' as const },
    ]) {
      const verdict = await ask(bundle, registryOf(), about);
      assert.deepEqual([verdict.ok, !verdict.ok && verdict.code], [false, 'SIGNATURE_INVALID']);
    }
  });

  test('of another identity is refused', async () => {
    for (const other of [
      'https://github.com/evil/app/.github/workflows/release.yml@refs/heads/main',
      `${SUBJECT}x`,
      `https://evil.example/?${SUBJECT}`,
      '',
    ])
      await refused(authority.bundle({ payload, subject: other }), /certificate names/);
    for (const issuer of ['https://accounts.example', `${ISSUER}/`, ISSUER.toUpperCase(), ''])
      await refused(authority.bundle({ payload, issuer }), /certificate was issued by/);
  });

  test('with names that would move a cursor is told without them', async () => {
    const hostile = `https://evil.example/\u001b[2J\u202e\u0085${'x'.repeat(3000)}`;
    const { verificationMaterial, ...rest } = authority.bundle({ payload, subject: hostile });
    const kindVersion = { kind: '\u001b]0;x\u0007', version: '\u009b2J' };
    const tlogEntries = verificationMaterial.tlogEntries.map((entry) => ({
      ...entry,
      kindVersion,
    }));
    for (const material of [verificationMaterial, { ...verificationMaterial, tlogEntries }]) {
      const { reason } = (await refused({ ...rest, verificationMaterial: material }, /./)) as {
        reason: string;
      };
      assert.match(reason, /^[ -~]{1,600}$/);
    }
  });

  test('is matched whole, by a pattern that is no regular expression', async () => {
    const bundle = authority.bundle({ payload });
    for (const pattern of ['https://github.com/acme/app/**', SUBJECT.replace('main', '*')])
      assert.ok((await ask(bundle, registryOf({ subject: pattern }))).ok, pattern);
    for (const pattern of [
      'acme',
      '.*',
      '^https',
      SUBJECT.replace('main', 'ma.n'),
      'https://github.com/acme/*',
    ])
      await refused(bundle, /certificate names/, registryOf({ subject: pattern }));
  });

  test('of an authority that nobody trusts is refused', async () => {
    await refused(new Authority().bundle({ payload }), /does not hold/);
    const elsewhere = registryOf({}, {}, {}, new Authority().trustedRoot());
    await refused(authority.bundle({ payload }), /does not hold/, elsewhere);
  });

  test('without its entry in the log is refused, unless the registry asks for none', async () => {
    const bundle = authority.bundle({ payload, withLog: false });
    await refused(bundle, /expected 1 timestamps/);
    // Then another trusted time must say when it was signed: without any, a certificate of minutes proves nothing.
    await refused(bundle, /expected 1 timestamps/, registryOf({ transparencyLog: 0 }));
    await refused(
      authority.bundle({ payload }),
      /expected 2 tlog entries/,
      registryOf({ transparencyLog: 2 }),
    );
    assert.throws(() => registryOf({ timestamps: 0 }), /timestamps/);
  });

  test('whose certificate is in no log is refused, unless the registry asks for none', async () => {
    const bundle = authority.bundle({ payload, withCertificateLog: false });
    await refused(bundle, /expected 1 SCTs/);
    assert.ok((await ask(bundle, registryOf({ certificateLog: 0 }))).ok);
  });

  test('is refused where any of its parts is changed', async () => {
    const changes: [string, (bundle: Bundle) => unknown][] = [
      [
        'payload',
        ({ dsseEnvelope }) => {
          dsseEnvelope.payload = statementBytes(subject.digest, {
            ...predicate,
            id: 'other',
          }).toString('base64');
        },
      ],
      [
        'payload of another that the same CI signed',
        ({ dsseEnvelope }) => {
          const other = authority.bundle({ payload: statementBytes(digestOf('x'), predicate) });
          dsseEnvelope.payload = other.dsseEnvelope.payload;
        },
      ],
      [
        'signature',
        ({ dsseEnvelope: { signatures } }) => {
          const [first] = signatures;
          if (first)
            first.sig = authority.bundle({ payload }).dsseEnvelope.signatures[0]?.sig ?? '';
        },
      ],
      [
        'certificate',
        ({ verificationMaterial }) => {
          verificationMaterial.certificate = authority.bundle({
            payload,
          }).verificationMaterial.certificate;
        },
      ],
      [
        'log entry',
        ({ verificationMaterial }) => {
          verificationMaterial.tlogEntries = authority.bundle({
            payload,
          }).verificationMaterial.tlogEntries;
        },
      ],
      [
        'time',
        ({
          verificationMaterial: {
            tlogEntries: [entry],
          },
        }) => {
          if (entry) entry.integratedTime = String(Number(entry.integratedTime) + 1);
        },
      ],
      [
        'proof',
        ({
          verificationMaterial: {
            tlogEntries: [entry],
          },
        }) => {
          if (entry)
            entry.inclusionProof.checkpoint.envelope =
              entry.inclusionProof.checkpoint.envelope.replace('\n1\n', '\n2\n');
        },
      ],
      [
        'promise',
        ({
          verificationMaterial: {
            tlogEntries: [entry],
          },
        }) => {
          if (entry)
            entry.inclusionPromise.signedEntryTimestamp = Buffer.alloc(70).toString('base64');
        },
      ],
      [
        'entry twice',
        ({ verificationMaterial }) => {
          verificationMaterial.tlogEntries.push(...verificationMaterial.tlogEntries);
        },
      ],
    ];
    for (const [name, change] of changes) {
      const bundle = authority.bundle({ payload });
      assert.ok((await ask(bundle)).ok);
      change(bundle);
      const { ok } = await ask(
        bundle,
        registryOf({ transparencyLog: name === 'entry twice' ? 2 : 1 }),
      );
      assert.equal(ok, false, name);
    }
  });

  test('signed outside the life of its certificate is refused', async () => {
    const bundle = authority.bundle({ payload });
    const late = authority.bundle({ payload, signedMs: SIGNED_MS + 3_600_000 });
    bundle.verificationMaterial.certificate = late.verificationMaterial.certificate;
    await refused(bundle, /does not hold/);
  });

  test('over something that is no statement of ours is refused', async () => {
    await refused(authority.bundle({ payload: Buffer.from('{}') }), /statement/);
    await refused(authority.bundle({ payload, payloadType: 'application/json' }), /payloadType/);
    const slsa = {
      ...JSON.parse(payload.toString()),
      predicateType: 'https://slsa.dev/provenance/v1',
    };
    await refused(authority.bundle({ payload: Buffer.from(JSON.stringify(slsa)) }), /statement/);
  });

  test('that signs a digest alone, or with a bare key, is refused', async () => {
    const { dsseEnvelope, ...rest } = authority.bundle({ payload });
    const message = {
      ...rest,
      messageSignature: {
        messageDigest: {
          algorithm: 'SHA2_256',
          digest: Buffer.from(subject.digest, 'hex').toString('base64'),
        },
        signature: dsseEnvelope.signatures[0]?.sig,
      },
    };
    await refused(message, /signs a digest alone/);
    const { certificate, ...material } = rest.verificationMaterial;
    const bare = {
      ...rest,
      dsseEnvelope,
      verificationMaterial: { ...material, publicKey: { hint: 'x' } },
    };
    assert.ok(certificate);
    await refused(bare, /does not hold|key not found/);
  });

  test('that is malformed is refused, however it is', async () => {
    const whole = authority.bundle({ payload });
    const { mediaType } = whole;
    const broken = [
      { mediaType },
      { ...whole, verificationMaterial: undefined },
      {
        ...whole,
        verificationMaterial: { ...whole.verificationMaterial, certificate: { rawBytes: 'AAAA' } },
      },
      {
        ...whole,
        verificationMaterial: { ...whole.verificationMaterial, certificate: { rawBytes: 'MIIB' } },
      },
      { ...whole, verificationMaterial: { ...whole.verificationMaterial, tlogEntries: [{}] } },
      { ...whole, dsseEnvelope: { ...whole.dsseEnvelope, signatures: [] } },
      { ...whole, dsseEnvelope: 7 },
      { ...whole, mediaType: `${mediaType}x`, dsseEnvelope: {} },
    ];
    for (const bundle of broken) await refused(bundle, /./);
    const leaf = Buffer.from(whole.verificationMaterial.certificate.rawBytes, 'base64');
    // What is signed begins behind the header of the outer sequence; the header itself nobody signed.
    const signedEnd = 8 + leaf.readUInt16BE(6);
    for (let at = 8; at < signedEnd; at += 3) {
      const other = Buffer.from(leaf);
      other[at] = (other[at] ?? 0) ^ 0x40;
      const material = {
        ...whole.verificationMaterial,
        certificate: { rawBytes: other.toString('base64') },
      };
      assert.equal(
        (await ask({ ...whole, verificationMaterial: material })).ok,
        false,
        `byte ${at}`,
      );
    }
  });

  test('by an identity that was revoked, expired or for other ids is refused', async () => {
    const bundle = authority.bundle({ payload });
    const rests: [Partial<SignerDocument>, RegExp][] = [
      [{ revoked: { at: '2026-01-01', reason: 'moved away' } }, /moved away/],
      [{ until: '2026-11-02' }, /trusted until/],
      [{ scope: { ids: ['pay-*'] } }, /not trusted for/],
    ];
    for (const [rest, reason] of rests) {
      const verdict = await refused(bundle, reason, registryOf({}, rest));
      assert.equal(verdict.ok === false && verdict.code, 'SIGNER_UNTRUSTED');
    }
  });

  test('counts for one person, although two entries fit it', async () => {
    const both = {
      name: 'again',
      sigstore: { issuer: ISSUER, subject: 'https://**', root: 'root.json' },
    };
    const document = {
      signers: [
        { name: 'ci', sigstore: { issuer: ISSUER, subject: SUBJECT, root: 'root.json' } },
        both,
      ],
      groups: [{ name: 'two', of: ['ci', 'again'], threshold: 2, ids: ['*'] }],
    };
    await refused(
      authority.bundle({ payload }),
      /needs 2 of ci, again/,
      registryOf({}, {}, document),
    );
  });

  test('adds up with a plain key', async () => {
    const alice = person('alice');
    const document = {
      signers: [
        { name: 'ci', sigstore: { issuer: ISSUER, subject: SUBJECT, root: 'root.json' } },
        { name: 'alice', key: alice.pem },
      ],
      groups: [{ name: 'both', of: ['ci', 'alice'], threshold: 2, ids: ['*'] }],
    };
    const registry = registryOf({}, {}, document);
    const texts = [JSON.stringify(authority.bundle({ payload })), envelopeBy([alice])];
    assert.ok((await verifySigned(subject, texts, registry, NOW)).ok);
    assert.equal((await verifySigned(subject, texts.slice(0, 1), registry, NOW)).ok, false);
  });

  test('is not taken where the registry knows keys alone, nor an envelope for a bundle', async () => {
    const alice = person('alice');
    const keys = registryOf({}, {}, { signers: [{ name: 'alice', key: alice.pem }] });
    await refused(authority.bundle({ payload }), /trusts no Sigstore identity/, keys);
    // An Ed25519 signature over the same, in the clothes of a bundle.
    const posing = authority.bundle({ payload });
    const [first] = posing.dsseEnvelope.signatures;
    if (first) first.sig = signEd25519(payload, alice.privateKey).toString('base64');
    await refused(posing, /does not hold/);
  });

  test('needs trust material that can be read', async () => {
    for (const root of ['', '{', '[]x', '{"tlogs": 7}', '{"tlogs":[],"tlogs":[]}']) {
      const verdict = await ask(authority.bundle({ payload }), registryOf({}, {}, {}, root));
      assert.equal(verdict.ok, false, root);
    }
  });
});
