/**
 * Sigstore bundles, verified by the project's own library against trust material that was given: certificate chain, logs,
 * timestamps and signature. Nothing is fetched. Who may sign is decided here: the library's own patterns are regular
 * expressions that need not match the whole name.
 */
import { createHash } from 'node:crypto';
import {
  type BundleWithDsseEnvelope,
  bundleFromJSON,
  isBundleWithDsseEnvelope,
} from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { type TrustMaterial, toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { PAYLOAD_TYPE } from './envelope.ts';
import type { GoodSignature } from './good-signature.ts';
import { matchesPattern } from './pattern.ts';
import { signatureInvalid, trustInvalid } from './problem.ts';
import { parseStatement } from './statement.ts';
import { JsonProblem, parseStrictJson } from './strict-json.ts';
import type { TrustedSigner, TrustRegistry } from './trust-registry.ts';
import type { LeftOut } from './verify.ts';

const ROOT_BOUNDS = { bytes: 1024 * 1024, depth: 16 } as const;
/** Parsing one takes milliseconds. */
const ROOTS_MAX = 32;
const NAME_MAX = 2048;

const roots = new Map<string, TrustMaterial>();

/** @param text of a trusted_root.json @throws TRUST_INVALID */
export function trustMaterial(text: string): TrustMaterial {
  const key = createHash('sha256').update(text).digest('hex');
  let material = roots.get(key);
  if (material === undefined) {
    try {
      material = toTrustMaterial(TrustedRoot.fromJSON(parseStrictJson(text, ROOT_BOUNDS)));
    } catch (cause) {
      const reason = cause instanceof JsonProblem ? `: ${cause.message}` : '';
      throw trustInvalid(
        `the trusted root of Sigstore cannot be used${reason}`,
        'take trusted_root.json from a place that you trust, such as the TUF repository of the instance',
        cause,
      );
    }
    if (roots.size >= ROOTS_MAX) roots.clear();
    roots.set(key, material);
  }
  return material;
}

/**
 * Adds what a bundle proves to `good`, or why it proves nothing to `leftOut`.
 *
 * @param document of `parseSignatureDocument`
 * @throws SIGNATURE_INVALID for what is no bundle over a statement of ours
 */
export function verifyBundle(
  document: unknown,
  registry: Pick<TrustRegistry, 'signers'>,
  good: GoodSignature[],
  leftOut: LeftOut[],
): void {
  const signers = registry.signers.filter(({ sigstore }) => sigstore !== undefined);
  if (signers.length === 0) {
    leftOut.push({ reason: 'a Sigstore bundle, and the registry trusts no Sigstore identity' });
    return;
  }
  const bundle = parseBundle(document);
  for (const signer of signers) {
    try {
      good.push(verifyFor(signer, bundle));
    } catch (error) {
      leftOut.push({ signer: signer.name, reason: (error as Error).message });
    }
  }
}

function parseBundle(document: unknown): BundleWithDsseEnvelope {
  let bundle: ReturnType<typeof bundleFromJSON>;
  try {
    bundle = bundleFromJSON(document);
  } catch (cause) {
    throw signatureInvalid(`the Sigstore bundle cannot be read: ${(cause as Error).message}`);
  }
  if (!isBundleWithDsseEnvelope(bundle)) {
    throw signatureInvalid(
      'the Sigstore bundle signs a digest alone, which says nothing of id, version and kind',
      'attest the statement instead: caisson sign FILE --unsigned prints the predicate',
    );
  }
  if (bundle.content.dsseEnvelope.payloadType === PAYLOAD_TYPE) return bundle;
  throw signatureInvalid(`its payloadType is not ${PAYLOAD_TYPE}: it signs something else`);
}

function verifyFor(signer: TrustedSigner, bundle: BundleWithDsseEnvelope): GoodSignature {
  const { sigstore } = signer;
  if (sigstore === undefined) throw new Error('no identity of Sigstore');
  const verifier = new Verifier(trustMaterial(sigstore.rootText), {
    tlogThreshold: sigstore.transparencyLog,
    ctlogThreshold: sigstore.certificateLog,
    timestampThreshold: sigstore.timestamps,
  });
  const { key, identity } = verified(() => verifier.verify(toSignedEntity(bundle)));
  const subject = identity?.subjectAlternativeName ?? '';
  const issuer = identity?.extensions?.issuer ?? '';
  if (issuer !== sigstore.issuer || issuer === '') {
    throw signatureInvalid(
      `the certificate was issued by ${shown(issuer)}, not by ${sigstore.issuer}`,
    );
  }
  if (subject.length > NAME_MAX || !matchesPattern(sigstore.subject, subject)) {
    throw signatureInvalid(`the certificate names ${shown(subject)}, not ${sigstore.subject}`);
  }
  return {
    signer,
    keyId: createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    identity: `${issuer} ${subject}`,
    statement: parseStatement(bundle.content.dsseEnvelope.payload),
  };
}

/** The library throws its own errors for what does not hold, and others for what is malformed: both are a no. */
function verified<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw signatureInvalid(`the Sigstore bundle does not hold: ${(cause as Error).message}`);
  }
}

/** Somebody else's text. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
