/**
 * A Sigstore of our own, made anew for each test: a certificate authority as Fulcio, a certificate log, a transparency log
 * as Rekor, and bundles that they vouch for. Only what the verifier asks for, in DER by hand (X.690, RFC 5280, RFC 6962).
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { preAuthenticationEncoding } from '../../../src/admission/signing/envelope.ts';

interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface BundleRequest {
  readonly payload: Uint8Array;
  readonly payloadType?: string;
  readonly subject?: string;
  readonly issuer?: string;
  /** When the log says that it was signed; Unix ms. */
  readonly signedMs?: number;
  readonly withCertificateLog?: boolean;
  readonly withLog?: boolean;
}

export const SUBJECT = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
export const ISSUER = 'https://token.actions.githubusercontent.com';
export const SIGNED_MS: number = Date.parse('2026-11-01T12:00:00Z');
const ORIGIN = 'rekor.example.invalid';

export class Authority {
  readonly #ca = pair();
  readonly #certificateLog = pair();
  readonly #log = pair();
  readonly #root: Buffer;

  constructor() {
    this.#root = certificate({
      name: 'authority',
      key: this.#ca.publicKey,
      by: this.#ca,
      extensions: [
        extension('2.5.29.19', sequence(der(0x01, Buffer.from([0xff])))),
        extension('2.5.29.15', der(0x03, Buffer.from([0x01, 0x06]))),
      ],
    });
  }

  /** trusted_root.json */
  trustedRoot(): string {
    const start = '2020-01-01T00:00:00Z';
    const log = ({ publicKey }: Pair) => ({
      baseUrl: `https://${ORIGIN}`,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spki(publicKey).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start },
      },
      logId: { keyId: sha256(spki(publicKey)).toString('base64') },
    });
    return JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [log(this.#log)],
      ctlogs: [log(this.#certificateLog)],
      certificateAuthorities: [
        {
          subject: { organization: 'test', commonName: 'authority' },
          uri: 'https://fulcio.example.invalid',
          certChain: { certificates: [{ rawBytes: this.#root.toString('base64') }] },
          validFor: { start },
        },
      ],
      timestampAuthorities: [],
    });
  }

  /** A bundle, as `JSON.parse` gives it. */
  bundle(request: BundleRequest) {
    const { payload, payloadType = 'application/vnd.in-toto+json', withLog = true } = request;
    const signer = pair();
    const signature = ecdsa(preAuthenticationEncoding(payloadType, payload), signer);
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {
        certificate: { rawBytes: this.#leaf(signer, request).toString('base64') },
        tlogEntries: withLog ? [this.#entry(payload, signature, request)] : [],
        timestampVerificationData: { rfc3161Timestamps: [] },
      },
      dsseEnvelope: {
        payload: Buffer.from(payload).toString('base64'),
        payloadType,
        signatures: [{ sig: signature.toString('base64'), keyid: '' }],
      },
    };
  }

  #leaf(
    signer: Pair,
    {
      subject = SUBJECT,
      issuer = ISSUER,
      signedMs = SIGNED_MS,
      withCertificateLog = true,
    }: BundleRequest,
  ): Buffer {
    const template = {
      name: '',
      key: signer.publicKey,
      by: this.#ca,
      fromMs: signedMs - 60_000,
      untilMs: signedMs + 540_000,
    };
    const extensions = [
      extension('2.5.29.15', der(0x03, Buffer.from([0x07, 0x80]))),
      extension('2.5.29.17', sequence(der(0x86, Buffer.from(subject)))),
      extension('1.3.6.1.4.1.57264.1.8', der(0x0c, Buffer.from(issuer))),
    ];
    if (!withCertificateLog) return certificate({ ...template, extensions });
    const bare = toBeSigned({ ...template, extensions });
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(signedMs));
    const signed = Buffer.concat([
      Buffer.from([0, 0]),
      time,
      Buffer.from([0, 1]),
      sha256(spki(this.#ca.publicKey)),
      uint(bare.length, 3),
      bare,
      Buffer.from([0, 0]),
    ]);
    const proof = ecdsa(signed, this.#certificateLog);
    const timestamp = Buffer.concat([
      Buffer.from([0]),
      sha256(spki(this.#certificateLog.publicKey)),
      time,
      Buffer.from([0, 0, 4, 3]),
      uint(proof.length, 2),
      proof,
    ]);
    const list = Buffer.concat([uint(timestamp.length, 2), timestamp]);
    const logged = extension(
      '1.3.6.1.4.1.11129.2.4.2',
      der(0x04, Buffer.concat([uint(list.length, 2), list])),
    );
    return certificate({ ...template, extensions: [...extensions, logged] });
  }

  #entry(payload: Uint8Array, signature: Buffer, { signedMs = SIGNED_MS }: BundleRequest) {
    const body = Buffer.from(
      JSON.stringify({
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          payloadHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
          signatures: [{ signature: signature.toString('base64'), verifier: '' }],
        },
      }),
    );
    const logId = sha256(spki(this.#log.publicKey));
    const integratedTime = Math.floor(signedMs / 1000);
    // Keys in the order that RFC 8785 gives them.
    const promised = {
      body: body.toString('base64'),
      integratedTime,
      logID: logId.toString('hex'),
      logIndex: 0,
    };
    const leaf = sha256(Buffer.concat([Buffer.from([0]), body]));
    const note = `${ORIGIN}\n1\n${leaf.toString('base64')}\n`;
    const noted = Buffer.concat([logId.subarray(0, 4), ecdsa(Buffer.from(note), this.#log)]);
    return {
      logIndex: '0',
      logId: { keyId: logId.toString('base64') },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: String(integratedTime),
      inclusionPromise: {
        signedEntryTimestamp: ecdsa(Buffer.from(JSON.stringify(promised)), this.#log).toString(
          'base64',
        ),
      },
      inclusionProof: {
        logIndex: '0',
        rootHash: leaf.toString('base64'),
        treeSize: '1',
        hashes: [],
        checkpoint: { envelope: `${note}\n\u2014 ${ORIGIN} ${noted.toString('base64')}\n` },
      },
      canonicalizedBody: body.toString('base64'),
    };
  }
}

interface Template {
  readonly name: string;
  readonly key: KeyObject;
  readonly by: Pair;
  readonly extensions: readonly Buffer[];
  readonly fromMs?: number;
  readonly untilMs?: number;
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

function certificate(template: Template): Buffer {
  const body = toBeSigned(template);
  const signature = ecdsa(body, template.by);
  return sequence(body, ECDSA_SHA256, der(0x03, Buffer.from([0]), signature));
}

function toBeSigned({
  name,
  key,
  extensions,
  fromMs = Date.parse('2020-01-01'),
  untilMs = Date.parse('2049-01-01'),
}: Template): Buffer {
  return sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ECDSA_SHA256,
    distinguished('authority'),
    sequence(utcTime(fromMs), utcTime(untilMs)),
    name === '' ? sequence() : distinguished(name),
    spki(key),
    der(0xa3, sequence(...extensions)),
  );
}

function distinguished(name: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(name)))));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), der(0x04, value));
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = rest.flatMap((arc) => {
    const septets = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) septets.unshift((left & 0x7f) | 0x80);
    return septets;
  });
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function uint(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function pair(): Pair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function ecdsa(bytes: Uint8Array, { privateKey }: Pair): Buffer {
  return sign('sha256', bytes, privateKey);
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
