/**
 * Whether code is signed by those whom the registry trusts for it. A signature counts when it is good, its statement is
 * about this very code (./binding.ts), and its signer is trusted for the id, the kind, the wall and the time: revoked
 * signers never are, whatever time they might claim, for a plain key proves none.
 */
import type { VerifiedSigner } from '../../core/admission.ts';
import { checkOptions } from '../../policy/known-options.ts';
import { WALL_NAMES, type WallName } from '../../policy/policy.ts';
import { VERIFY_SIGNED } from '../option-kinds.ts';
import { type SignedSubject, whyUnbound } from './binding.ts';
import { verifyEd25519 } from './ed25519.ts';
import { type Envelope, parseEnvelope, parseSignatureDocument } from './envelope.ts';
import type { GoodSignature } from './good-signature.ts';
import { parseStatement, type SignedStatement } from './statement.ts';
import { thresholdsMet } from './threshold.ts';
import type { TrustRegistry } from './trust-registry.ts';
import { whyNotTrusted } from './trusted-for.ts';

/** Each is read whole, and costs verifications. */
const DOCUMENTS_MAX = 16;
const VERIFICATIONS_MAX = 256;
const REASONS_SHOWN = 5;
const KEY_ID = /^[0-9a-f]{64}$/;
const BUNDLE = 'application/vnd.dev.sigstore.bundle';

export interface VerifyOptions {
  /** Names of signers and groups, of which one must have signed; default: whoever the registry trusts. */
  readonly by?: readonly string[];
  /** The wall that it is to run behind; default: all are looked at, see `walls` of the answer. */
  readonly wall?: WallName;
}

export interface CountedSigner extends VerifiedSigner {
  /** Of a Sigstore certificate: whom it names. */
  readonly identity?: string;
}

/** A signature that does not count, and why. The words may hold names from the statement; not the payload. */
export interface LeftOut {
  readonly signer?: string;
  readonly reason: string;
  /** Signed, as it says, with a key that is not in the registry. */
  readonly unknownKey?: true;
}

export type SignatureVerdict =
  | {
      readonly ok: true;
      /** The first of {@link signers}. */
      readonly signer: CountedSigner;
      readonly signers: readonly CountedSigner[];
      /** Groups whose threshold is met. */
      readonly groups: readonly string[];
      /** Walls behind which that is enough; absent: any. */
      readonly walls?: readonly WallName[];
      readonly leftOut: readonly LeftOut[];
    }
  | {
      readonly ok: false;
      /** Signatures that are none or of other code; or good ones, by nobody who is trusted for it. */
      readonly code: 'SIGNATURE_INVALID' | 'SIGNER_UNTRUSTED';
      readonly reason: string;
      readonly leftOut: readonly LeftOut[];
    };

/**
 * Never throws for what the signatures hold; `REQUEST_INVALID` for the options.
 *
 * @param signatures DSSE envelopes and Sigstore bundles, JSON
 * @param nowMs wall clock, Unix ms: validity is judged by it, without tolerance
 * @example
 * const verdict = await verifySigned({ name: 'greet@1.0.0', language: 'javascript', digest }, [text], trust.current(), Date.now());
 */
export async function verifySigned(
  subject: SignedSubject,
  signatures: readonly string[],
  registry: TrustRegistry,
  nowMs: number,
  options: VerifyOptions = {},
): Promise<SignatureVerdict> {
  checkOptions(options, 'verifySigned', VERIFY_SIGNED, 'admission');
  const leftOut: LeftOut[] = [];
  const good: GoodSignature[] = [];
  const budget = { left: VERIFICATIONS_MAX };
  if (signatures.length > DOCUMENTS_MAX) {
    leftOut.push({
      reason: `more than ${DOCUMENTS_MAX} signatures were given; the rest is not read`,
    });
  }
  for (const text of signatures.slice(0, DOCUMENTS_MAX)) {
    try {
      const document = parseSignatureDocument(text);
      if (isBundle(document)) {
        const { verifyBundle } = await import('./sigstore.ts');
        verifyBundle(document, registry, good, leftOut);
      } else verifyEnvelope(parseEnvelope(document), registry, good, leftOut, budget);
    } catch (error) {
      leftOut.push({ reason: (error as Error).message });
    }
  }
  const bound = good.filter(({ signer, statement }) => {
    const reason = whyUnbound(statement, subject);
    if (reason !== undefined) leftOut.push({ signer: signer.name, reason });
    return reason === undefined;
  });
  return decide(subject, bound, leftOut, registry, nowMs, options);
}

function isBundle(document: unknown): boolean {
  const { mediaType } = (document ?? {}) as { mediaType?: unknown };
  return typeof mediaType === 'string' && mediaType.startsWith(BUNDLE);
}

function verifyEnvelope(
  { payload, signed, signatures }: Envelope,
  { signers, byKeyId }: TrustRegistry,
  good: GoodSignature[],
  leftOut: LeftOut[],
  budget: { left: number },
): void {
  let statement: SignedStatement | undefined;
  for (const { keyId, signature } of signatures) {
    const named = byKeyId.get(keyId);
    if (named === undefined && KEY_ID.test(keyId)) {
      leftOut.push({
        reason: `signed with the key ${keyId}, which the registry does not know`,
        unknownKey: true,
      });
      continue;
    }
    const tried = named === undefined ? signers : [named];
    const signer = tried.find(
      ({ key }) => key !== undefined && budget.left-- > 0 && verifyEd25519(signed, signature, key),
    );
    if (signer === undefined) {
      const whose = named === undefined ? 'any key of the registry' : `the key of ${named.name}`;
      const reason = budget.left > 0 ? `not a signature by ${whose}` : 'too many signatures to try';
      leftOut.push({ ...(named === undefined ? {} : { signer: named.name }), reason });
      continue;
    }
    // Only now are there bytes that somebody has signed.
    statement ??= parseStatement(payload);
    good.push({ signer, keyId: signer.keyId ?? '', statement });
  }
}

function decide(
  subject: SignedSubject,
  bound: readonly GoodSignature[],
  leftOut: LeftOut[],
  registry: TrustRegistry,
  nowMs: number,
  { by, wall }: VerifyOptions,
): SignatureVerdict {
  const trusted = bound.filter(({ signer }) => {
    const reason = whyNotTrusted(signer, subject, registry, nowMs);
    if (reason !== undefined) leftOut.push({ signer: signer.name, reason });
    return reason === undefined;
  });
  const asked = wall === undefined ? WALL_NAMES : [wall];
  const answers = asked.map((each) => {
    const counted = trusted.filter(({ signer }) => signer.scope.walls?.includes(each) !== false);
    return { wall: each, counted, ...thresholdsMet(subject, counted, registry, by) };
  });
  const met = answers.filter(({ missing }) => missing === undefined);
  const [first] = met;
  if (first === undefined) {
    const untrusted = bound.length > 0 || leftOut.some(({ unknownKey }) => unknownKey === true);
    return {
      ok: false,
      code: untrusted ? 'SIGNER_UNTRUSTED' : 'SIGNATURE_INVALID',
      reason: reasonOf(leftOut, trusted.length === 0 ? undefined : answers[0]?.missing),
      leftOut,
    };
  }
  // Whoever counts behind one of the walls is named; `walls` says behind which it is enough.
  const signers = [
    ...new Map(met.flatMap(({ counted }) => counted).map((one) => [one.signer.name, one])).values(),
  ].map(
    ({ signer, keyId, identity }): CountedSigner => ({
      name: signer.name,
      keyId,
      ...(identity === undefined ? {} : { identity }),
    }),
  );
  const [signer] = signers;
  if (signer === undefined) throw new Error('a threshold was met by nobody');
  const everywhere = met.length === asked.length && wall === undefined;
  return {
    ok: true,
    signer,
    signers,
    groups: first.groups,
    ...(everywhere ? {} : { walls: met.map((each) => each.wall) }),
    leftOut,
  };
}

function reasonOf(leftOut: readonly LeftOut[], missing: string | undefined): string {
  const why = leftOut.map(({ signer, reason }) =>
    signer === undefined ? reason : `${signer}: ${reason}`,
  );
  const all = [...(missing === undefined ? [] : [missing]), ...new Set(why)];
  return all.length === 0 ? 'it is not signed' : all.slice(0, REASONS_SHOWN).join('; ');
}
