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
import { plain, quoted } from './quoted.ts';
import { parseStatement } from './statement.ts';
import { JsonProblem, parseStrictJson } from './strict-json.ts';
import type { TrustedSigner, TrustRegistry } from './trust-registry.ts';
import type { LeftOut } from './verify.ts';

const ROOT_BOUNDS = { bytes: 1024 * 1024, depth: 16 } as const;
/** Parsing one takes milliseconds. */
const ROOTS_MAX = 32;
const NAME_MAX = 2048;

type Sigstore = NonNullable<TrustedSigner['sigstore']>;

const roots = new Map<string, TrustMaterial>();

/** @param text of a trusted_root.json @throws TRUST_INVALID */
export function trustMaterial(text: string): TrustMaterial {
  const key = createHash('sha256').update(text).digest('hex');
  let material = roots.get(key);
  if (material === undefined) {
    try {
      const root = TrustedRoot.fromJSON(parseStrictJson(text, ROOT_BOUNDS));
      // The library reads any object at all, as one that trusts nobody.
      if (root.certificateAuthorities.length === 0) throw new JsonProblem('it names no authority');
      material = toTrustMaterial(root);
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
  // Of signers that trust the same, one verification serves all.
  const known = new Map<string, () => Named>();
  for (const signer of signers) {
    try {
      good.push(verifyFor(signer, bundle, known));
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
    throw signatureInvalid(
      `the Sigstore bundle cannot be read: ${plain((cause as Error).message)}`,
    );
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

/** Whom a certificate names. */
interface Named {
  readonly issuer: string;
  readonly subject: string;
  readonly keyId: string;
}

function verifyFor(
  signer: TrustedSigner,
  bundle: BundleWithDsseEnvelope,
  known: Map<string, () => Named>,
): GoodSignature {
  const { sigstore } = signer;
  if (sigstore === undefined) throw new Error('no identity of Sigstore');
  const { rootText, transparencyLog, certificateLog, timestamps } = sigstore;
  const trust = JSON.stringify([rootText, transparencyLog, certificateLog, timestamps]);
  const name = known.get(trust) ?? answered(() => verifiedName(sigstore, bundle));
  known.set(trust, name);
  const { issuer, subject, keyId } = name();
  if (issuer !== sigstore.issuer || issuer === '') {
    throw signatureInvalid(
      `the certificate was issued by ${quoted(issuer)}, not by ${sigstore.issuer}`,
    );
  }
  if (subject.length > NAME_MAX || !matchesPattern(sigstore.subject, subject)) {
    throw signatureInvalid(`the certificate names ${quoted(subject)}, not ${sigstore.subject}`);
  }
  return {
    signer,
    keyId,
    identity: plain(`${issuer} ${subject}`),
    statement: parseStatement(bundle.content.dsseEnvelope.payload),
  };
}

/** The library throws its own errors for what does not hold, and others for what is malformed: both are a no. */
function verifiedName(sigstore: Sigstore, bundle: BundleWithDsseEnvelope): Named {
  const verifier = new Verifier(trustMaterial(sigstore.rootText), {
    tlogThreshold: sigstore.transparencyLog,
    ctlogThreshold: sigstore.certificateLog,
    timestampThreshold: sigstore.timestamps,
  });
  try {
    const { key, identity } = verifier.verify(toSignedEntity(bundle));
    const spki = key.export({ type: 'spki', format: 'der' });
    return {
      issuer: identity?.extensions?.issuer ?? '',
      subject: identity?.subjectAlternativeName ?? '',
      keyId: createHash('sha256').update(spki).digest('hex'),
    };
  } catch (cause) {
    throw signatureInvalid(`the Sigstore bundle does not hold: ${plain((cause as Error).message)}`);
  }
}

/** What it returned or threw, as often as it is asked. */
function answered<T>(run: () => T): () => T {
  try {
    const value = run();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
