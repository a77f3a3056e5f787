/** Whether code is signed by those who are trusted for it, and each way in which it is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { SignedSubject } from '../../../src/admission/signing/binding.ts';
import { signEd25519 } from '../../../src/admission/signing/ed25519.ts';
import {
  envelopeDocument,
  PAYLOAD_TYPE,
  preAuthenticationEncoding,
} from '../../../src/admission/signing/envelope.ts';
import { statementBytes } from '../../../src/admission/signing/statement.ts';
import type { TrustRegistry } from '../../../src/admission/signing/trust-registry.ts';
import { type VerifyOptions, verifySigned } from '../../../src/admission/signing/verify.ts';
import {
  CODE,
  digestOf,
  envelopeBy,
  NOW,
  type Person,
  person,
  predicate,
  subject,
  trusting,
} from './fixture.ts';

const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')] as const;
const stranger = person('mallory');

interface Case extends VerifyOptions {
  readonly signatures: readonly string[];
  readonly registry: TrustRegistry;
  readonly about?: Partial<SignedSubject>;
  readonly now?: number;
}

function ask({ signatures, registry, about = {}, now = NOW, ...options }: Case) {
  return verifySigned({ ...subject, ...about }, signatures, registry, now, options);
}

async function accepted(asked: Case, names: readonly string[] = ['alice']) {
  const verdict = await ask(asked);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.deepEqual(
    verdict.signers.map(({ name }) => name),
    names,
  );
  assert.deepEqual(verdict.signer, verdict.signers[0]);
  return verdict;
}

async function refused(asked: Case, code: string, reason: RegExp) {
  const verdict = await ask(asked);
  assert.ok(!verdict.ok, JSON.stringify(verdict));
  assert.equal(verdict.code, code, verdict.reason);
  assert.match(verdict.reason, reason);
  return verdict;
}

/** A payload of any kind, truly signed. */
function signedPayload(payload: Uint8Array, by: Person, type: string = PAYLOAD_TYPE): string {
  const signature = signEd25519(preAuthenticationEncoding(type, payload), by.privateKey);
  return JSON.stringify(envelopeDocument(payload, [{ keyId: by.keyId, signature }]));
}

const registry = trusting([alice, bob, carol]);
const good = envelopeBy([alice]);

describe('signed code', () => {
  test('is that of the signer whom the registry names', async () => {
    const verdict = await accepted({ signatures: [good], registry });
    assert.deepEqual(verdict.signer, { name: 'alice', keyId: alice.keyId });
    assert.equal(verdict.walls, undefined);
    assert.deepEqual(verdict.leftOut, []);
  });

  test('is nobody’s without a signature', async () => {
    await refused({ signatures: [], registry }, 'SIGNATURE_INVALID', /not signed/);
  });

  test('is refused where one byte of it differs', async () => {
    for (const digest of [
      digestOf(`${CODE} `),
      digestOf(''),
      digestOf(CODE.replace('name', 'Name')),
    ])
      await refused(
        { signatures: [good], registry, about: { digest } },
        'SIGNATURE_INVALID',
        /other code was signed/,
      );
  });

  test('is refused where any bit of the payload or the signature differs', async () => {
    const { payload, signatures, ...rest } = JSON.parse(good);
    const bytes = Buffer.from(payload, 'base64');
    for (let at = 0; at < bytes.length; at += 3) {
      const other = Buffer.from(bytes);
      other[at] = (other[at] ?? 0) ^ 1;
      const text = JSON.stringify({ ...rest, payload: other.toString('base64'), signatures });
      await refused(
        { signatures: [text], registry },
        'SIGNATURE_INVALID',
        /not a signature by the key of alice/,
      );
    }
    const short = [{ ...signatures[0], sig: signatures[0].sig.slice(0, 84) }];
    await refused(
      { signatures: [JSON.stringify({ ...rest, payload, signatures: short })], registry },
      'SIGNATURE_INVALID',
      /not a signature/,
    );
  });
});

describe('a signature that is moved', () => {
  const moved: [string, Partial<SignedSubject>, RegExp][] = [
    ['to another module', { name: 'greed@1.0.0' }, /signed as greet@1\.0\.0/],
    ['to another version', { name: 'greet@1.0.1' }, /signed as greet@1\.0\.0/],
    ['to a version that only begins so', { name: 'greet@1.0.0-beta' }, /signed as/],
    ['to a program without a version', { name: 'greet' }, /signed as/],
    ['to what is called nearly so', { name: 'Greet@1.0.0' }, /signed as/],
    ['to a lookalike in another alphabet', { name: 'gr\u0435et@1.0.0' }, /signed as/],
    ['to a composed letter', { name: 'greet@1.0.0\u0301' }, /signed as/],
    ['to a path', { name: './greet@1.0.0' }, /signed as/],
    ['to another kind', { language: 'typescript' }, /signed as javascript/],
    ['to other code', { digest: digestOf('x') }, /other code/],
  ];
  for (const [name, about, reason] of moved) {
    test(`${name} admits nothing`, async () => {
      await refused({ signatures: [good], registry, about }, 'SIGNATURE_INVALID', reason);
    });
  }

  test('between any two of ids, versions and kinds admits nothing', async () => {
    const all = ['greet', 'greet2', 'a'].flatMap((id) =>
      ['1.0.0', '2.0.0', undefined].flatMap((version) =>
        (['javascript', 'wasm'] as const).map((kind) => ({
          id,
          kind,
          ...(version === undefined ? {} : { version }),
        })),
      ),
    );
    let admitted = 0;
    for (const signed of all) {
      const text = signedPayload(statementBytes(subject.digest, signed), alice);
      for (const { id, version, kind } of all) {
        const about = { name: version === undefined ? id : `${id}@${version}`, language: kind };
        const { ok } = await ask({ signatures: [text], registry, about });
        const isSame =
          id === signed.id &&
          kind === signed.kind &&
          version === (signed as { version?: string }).version;
        assert.equal(ok, isSame, JSON.stringify([signed, about]));
        admitted += Number(ok);
      }
    }
    assert.equal(admitted, all.length);
  });
});

describe('a statement', () => {
  const statement = () => JSON.parse(statementBytes(subject.digest, predicate).toString());
  const signedText = (text: string) => signedPayload(Buffer.from(text), alice);
  const wrong = (value: object) => signedText(JSON.stringify(value));

  test('of another type is not one of ours, however truly it is signed', async () => {
    const other = [
      { ...statement(), _type: 'https://in-toto.io/Statement/v0.1' },
      { ...statement(), predicateType: 'https://slsa.dev/provenance/v1' },
      { ...statement(), note: 1 },
      { ...statement(), predicate: { ...predicate, limit: 1 } },
      { ...statement(), predicate: { ...predicate, kind: 'js' } },
      { ...statement(), predicate: { ...predicate, id: '../greet' } },
      { ...statement(), predicate: { ...predicate, id: 'gr\u0435et' } },
      { ...statement(), predicate: { ...predicate, version: '1.0.0/../2' } },
      { ...statement(), predicate: { ...predicate, declares: ['everything'] } },
      { ...statement(), predicate: { ...predicate, limits: { timeoutMs: '1' } } },
      { ...statement(), subject: [] },
      { ...statement(), subject: [...statement().subject, ...statement().subject] },
      { ...statement(), subject: [{ name: 'greet@1.0.0', digest: { sha512: subject.digest } }] },
      {
        ...statement(),
        subject: [{ name: 'greet@1.0.0', digest: { sha256: subject.digest.toUpperCase() } }],
      },
      { ...statement(), subject: [{ name: 'other@1.0.0', digest: { sha256: subject.digest } }] },
      {},
    ];
    for (const value of other)
      await refused({ signatures: [wrong(value)], registry }, 'SIGNATURE_INVALID', /statement/);
  });

  test('that can be read in two ways is refused', async () => {
    const text = JSON.stringify(statement());
    const twice = text.replace('"id":"greet"', '"id":"other","id":"greet"');
    for (const bad of [
      twice,
      text.replace('{', '{"__proto__":{},'),
      `${text}{}`,
      '[[[[[[[[[[1]]]]]]]]]]',
      '',
      'null',
    ])
      assert.equal((await ask({ signatures: [signedText(bad || ' ')], registry })).ok, false, bad);
    const deep = text.replace(
      '"predicate":{',
      `"predicate":{"x":${'['.repeat(20)}${']'.repeat(20)},`,
    );
    await refused(
      { signatures: [signedText(deep)], registry },
      'SIGNATURE_INVALID',
      /nested deeper/,
    );
    const huge = text.replace('"predicate":{', `"predicate":{"x":"${'x'.repeat(70_000)}",`);
    await refused({ signatures: [signedText(huge)], registry }, 'SIGNATURE_INVALID', /longer than/);
  });

  test('is not looked at before somebody of the registry has signed it', async () => {
    // Were it parsed, the reason would be of its contents.
    const text = signedPayload(Buffer.from('{'), stranger);
    const verdict = await refused(
      { signatures: [text], registry },
      'SIGNER_UNTRUSTED',
      /does not know/,
    );
    assert.doesNotMatch(JSON.stringify(verdict), /JSON|statement/);
  });

  test('signed under another type of payload is not taken for one', async () => {
    const payload = statementBytes(subject.digest, predicate);
    const text = signedPayload(payload, alice, 'application/json');
    await refused({ signatures: [text], registry }, 'SIGNATURE_INVALID', /not a signature/);
  });

  test('over the bare payload, without its encoding, is no signature', async () => {
    const payload = statementBytes(subject.digest, predicate);
    const bare = { keyId: alice.keyId, signature: signEd25519(payload, alice.privateKey) };
    await refused(
      { signatures: [JSON.stringify(envelopeDocument(payload, [bare]))], registry },
      'SIGNATURE_INVALID',
      /not a signature/,
    );
  });

  test('bounds what is declared and what executions are given', async () => {
    const signatures = [
      envelopeBy([alice], { declares: ['network'], limits: { timeoutMs: 1000 } }),
    ];
    const limits = { timeoutMs: 1000 };
    await accepted({ signatures, registry, about: { limits } });
    await accepted({ signatures, registry, about: { limits, declares: ['network'] } });
    const more: [Partial<SignedSubject>, RegExp][] = [
      [{ limits, declares: ['network', 'process'] }, /declares process/],
      [{ limits: { timeoutMs: 1001 } }, /timeoutMs is 1001/],
      [{ limits: { timeoutMs: Number.NaN } }, /timeoutMs/],
      [{}, /nobody says/],
    ];
    for (const [about, reason] of more)
      await refused({ signatures, registry, about }, 'SIGNATURE_INVALID', reason);
    // Where a signer leaves it open, it is open.
    await accepted({ signatures: [good], registry, about: { declares: ['process'] } });
    await refused(
      {
        signatures: [envelopeBy([alice], { declares: [] })],
        registry,
        about: { declares: ['process'] },
      },
      'SIGNATURE_INVALID',
      /declares process/,
    );
  });
});

describe('a signer', () => {
  const scoped = (rest: object) => trusting([[alice, rest]]);

  test('whom nobody trusts counts for nothing', async () => {
    const text = envelopeBy([stranger]);
    await refused({ signatures: [text], registry }, 'SIGNER_UNTRUSTED', /does not know/);
    // Nor does one who calls himself somebody else.
    const posing = text.replace(stranger.keyId, alice.keyId);
    await refused(
      { signatures: [posing], registry },
      'SIGNATURE_INVALID',
      /not a signature by the key of alice/,
    );
    await refused(
      { signatures: [good], registry: trusting([]) },
      'SIGNER_UNTRUSTED',
      /does not know/,
    );
  });

  test('is found without a keyid, or with one of another tool', async () => {
    for (const keyid of [undefined, '', 'SHA256:abc', 'alice']) {
      const document = JSON.parse(good);
      document.signatures[0].keyid = keyid;
      await accepted({ signatures: [JSON.stringify(document)], registry });
    }
  });

  test('that was revoked counts never, whenever that was', async () => {
    for (const at of ['2020-01-01', '2026-11-22', '2099-01-01']) {
      const revoked = { at, reason: 'laptop stolen' };
      await refused(
        { signatures: [good], registry: scoped({ revoked }) },
        'SIGNER_UNTRUSTED',
        /laptop stolen/,
      );
    }
  });

  test('counts from its first moment to the one before its last', async () => {
    const registryUntil = scoped({ from: '2026-01-01', until: '2027-01-01T00:00:00Z' });
    const at = (time: string) => ({
      signatures: [good],
      registry: registryUntil,
      now: Date.parse(time),
    });
    await accepted(at('2026-01-01T00:00:00Z'));
    await accepted(at('2026-12-31T23:59:59.999Z'));
    await refused(at('2025-12-31T23:59:59.999Z'), 'SIGNER_UNTRUSTED', /trusted from 2026/);
    await refused(at('2027-01-01T00:00:00Z'), 'SIGNER_UNTRUSTED', /trusted until 2027/);
    await refused({ ...at('2026-06-01'), now: Number.NaN }, 'SIGNER_UNTRUSTED', /NaN/);
  });

  test('with an end is not brought back by a clock that was set back', async () => {
    const document = { until: '2026-06-01' };
    const written = trusting([[alice, document]], { updated: '2026-07-01T00:00:00Z' });
    const now = Date.parse('2026-05-01');
    await refused(
      { signatures: [good], registry: written, now },
      'SIGNER_UNTRUSTED',
      /the clock is wrong/,
    );
  });

  test('counts for its ids, kinds and walls alone', async () => {
    const yes = [
      { ids: ['gr*'] },
      { ids: ['x', 'greet'] },
      { kinds: ['javascript'] },
      { ids: ['**'] },
    ];
    for (const scope of yes) await accepted({ signatures: [good], registry: scoped({ scope }) });
    const no: [object, RegExp][] = [
      [{ ids: ['gree'] }, /not trusted for "greet"/],
      [{ ids: ['*.greet', 'Greet', 'greet*x'] }, /not trusted for "greet"/],
      [{ kinds: ['wasm', 'typescript'] }, /not trusted for javascript/],
    ];
    for (const [scope, reason] of no)
      await refused(
        { signatures: [good], registry: scoped({ scope }) },
        'SIGNER_UNTRUSTED',
        reason,
      );
    const behind = scoped({ scope: { walls: ['microvm', 'isolate'] } });
    const verdict = await accepted({ signatures: [good], registry: behind });
    assert.deepEqual(verdict.walls, ['microvm', 'isolate']);
    await accepted({ signatures: [good], registry: behind, wall: 'isolate' });
    await refused(
      { signatures: [good], registry: behind, wall: 'process' },
      'SIGNER_UNTRUSTED',
      /nobody who is trusted/,
    );
  });

  test('may be asked for by name, or by the name of a group', async () => {
    await accepted({ signatures: [good], registry, by: ['bob', 'alice'] });
    await refused(
      { signatures: [good], registry, by: ['bob'] },
      'SIGNER_UNTRUSTED',
      /signed by bob/,
    );
    await refused({ signatures: [good], registry, by: [] }, 'SIGNER_UNTRUSTED', /nobody at all/);
    await refused(
      { signatures: [good], registry, by: ['dave'] },
      'SIGNER_UNTRUSTED',
      /dave: not in the registry/,
    );
  });
});

describe('several signatures', () => {
  const group = (more: object = {}) =>
    trusting([alice, bob, carol], {
      groups: [
        { name: 'release', of: ['alice', 'bob', 'carol'], threshold: 2, ids: ['gr*'], ...more },
      ],
    });

  test('meet a threshold, in one envelope or in two', async () => {
    const verdict = await accepted({ signatures: [envelopeBy([alice, bob])], registry: group() }, [
      'alice',
      'bob',
    ]);
    assert.deepEqual(verdict.groups, ['release']);
    await accepted({ signatures: [good, envelopeBy([carol])], registry: group() }, [
      'alice',
      'carol',
    ]);
  });

  test('by one person are one', async () => {
    const twice = JSON.parse(good);
    twice.signatures.push({ ...twice.signatures[0], keyid: '' }, twice.signatures[0]);
    const urlSafe = twice.signatures[0].sig.replaceAll('+', '-').replaceAll('/', '_');
    twice.signatures.push({ keyid: alice.keyId, sig: urlSafe });
    for (const signatures of [
      [good, good],
      [JSON.stringify(twice)],
      [good, envelopeBy([alice], { declares: [] })],
    ])
      await refused(
        { signatures, registry: group() },
        'SIGNER_UNTRUSTED',
        /needs 2 of alice, bob, carol, and alice signed/,
      );
  });

  test('below the threshold are refused, whoever is asked for', async () => {
    await refused(
      { signatures: [good], registry: group(), by: ['alice'] },
      'SIGNER_UNTRUSTED',
      /needs 2/,
    );
    // A group that no id needs binds whoever names it.
    await accepted({ signatures: [good], registry: group({ ids: ['pay-*'] }) });
    await refused(
      { signatures: [good], registry: group({ ids: ['pay-*'] }), by: ['release'] },
      'SIGNER_UNTRUSTED',
      /signed by release/,
    );
    await accepted({ signatures: [envelopeBy([bob, carol])], registry: group(), by: ['release'] }, [
      'bob',
      'carol',
    ]);
  });

  test('count without those of signers that are revoked, expired or out of scope', async () => {
    const rests = [
      { revoked: { at: '2026-01-01', reason: 'lost' } },
      { until: '2026-01-01' },
      { scope: { ids: ['x'] } },
    ];
    for (const rest of rests) {
      const groups = [{ name: 'release', of: ['alice', 'bob', 'carol'], threshold: 2, ids: ['*'] }];
      const partly = trusting([[alice, rest], bob, carol], { groups });
      const two = envelopeBy([alice, bob]);
      await refused(
        { signatures: [two], registry: partly },
        'SIGNER_UNTRUSTED',
        /needs 2 of .*, and bob signed; alice: /,
      );
      const verdict = await accepted(
        { signatures: [envelopeBy([alice, bob, carol])], registry: partly },
        ['bob', 'carol'],
      );
      assert.deepEqual(
        verdict.leftOut.map(({ signer }) => signer),
        ['alice'],
      );
    }
  });

  test('of which one is bad do not take the good one away', async () => {
    const bad = [
      '',
      '{}',
      'x'.repeat(2_000_000),
      good.slice(5),
      envelopeBy([stranger]),
      envelopeBy([bob], { id: 'other' }),
    ];
    for (const text of bad) {
      for (const signatures of [
        [text, good],
        [good, text],
      ]) {
        const verdict = await accepted({ signatures, registry });
        assert.equal(verdict.leftOut.length, 1);
      }
      await refused({ signatures: [text, good], registry: group() }, 'SIGNER_UNTRUSTED', /needs 2/);
    }
  });

  test('about different code do not add up', async () => {
    const signatures = [good, envelopeBy([bob], {}, digestOf('other'))];
    await refused(
      { signatures, registry: group() },
      'SIGNER_UNTRUSTED',
      /needs 2 .*; bob: other code was signed/,
    );
  });

  test('that are too many are not all tried', async () => {
    const many = Array.from({ length: 40 }, () => envelopeBy([stranger]));
    const verdict = await refused(
      { signatures: [...many, good], registry },
      'SIGNER_UNTRUSTED',
      /more than 16/,
    );
    assert.equal(verdict.leftOut.length, 17);
    // Each names no key, so that every key is tried.
    const crowd = trusting(Array.from({ length: 100 }, (_, i) => person(`p${i}`)));
    const document = JSON.parse(good);
    document.signatures = Array.from({ length: 16 }, () => ({ sig: document.signatures[0].sig }));
    await refused(
      { signatures: Array.from({ length: 16 }, () => JSON.stringify(document)), registry: crowd },
      'SIGNATURE_INVALID',
      /too many signatures/,
    );
  });
});

describe('an envelope that was tampered with at random', () => {
  test('is refused, or says what was signed; nothing throws', async () => {
    const [both] = [envelopeBy([alice, bob])];
    const { payload } = JSON.parse(both);
    const position = fc.nat({ max: both.length - 1 });
    const change = fc.record({ at: position, to: position, text: fc.string({ maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let text = both;
        for (const { at, to, text: put } of changes) {
          const cut = at + (to % 8);
          text = `${text.slice(0, at)}${put}${text.slice(cut)}`;
        }
        const { ok } = await ask({ signatures: [text], registry });
        if (ok) assert.equal(JSON.parse(text).payload, payload);
      }),
      { numRuns: 1500 },
    );
  });
});
