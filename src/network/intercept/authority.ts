/**
 * The certificate authority of one sandbox, and the certificates that it makes for the names the guest asks for.
 *
 * The authority's key cannot be exported from Web Crypto and is never written anywhere: whoever takes the
 * certificate out of the sandbox can make nothing with it, and it is of no worth to another sandbox.
 */
import { webcrypto } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type * as Asn1 from 'asn1js';
import type * as Pkijs from 'pkijs';

export interface AuthorityOptions {
  /** How long the authority is good for, in milliseconds. Default: 30 days; a sandbox that is open longer must be reopened. */
  readonly lifeMs?: number;
  /** Unix milliseconds; for tests. Default: the clock. */
  readonly now?: () => number;
}

/** RFC 5280: dates of certificates. Clocks that go a little wrong must not make a new certificate "not yet valid". */
const BACKDATED_MS = 3_600_000;
const LEAF_LIFE_MS = 24 * 3_600_000;
const AUTHORITY_LIFE_MS = 30 * LEAF_LIFE_MS;
/** Names come from the guest (below `*.example.org` as many as it likes), so the cache is bounded. */
const MAXIMUM_LEAVES = 512;
const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

interface Leaf {
  readonly context: SecureContext;
  readonly chain: string;
  readonly renewAtMs: number;
}

interface LeafKey {
  readonly pair: webcrypto.CryptoKeyPair;
  readonly pem: string;
}

export class Authority {
  /** The authority's certificate, for the guest's bundle. */
  readonly certificatePem: string;
  readonly #issue: Issuer;
  readonly #leafKey: LeafKey;
  readonly #leaves = new Map<string, Promise<Leaf>>();
  readonly #now: () => number;

  private constructor(issue: Issuer, certificatePem: string, leafKey: LeafKey, now: () => number) {
    this.#issue = issue;
    this.certificatePem = certificatePem;
    this.#leafKey = leafKey;
    this.#now = now;
  }

  static async create({ lifeMs, now = Date.now }: AuthorityOptions = {}): Promise<Authority> {
    const [pkijs, asn1] = await Promise.all([import('pkijs'), import('asn1js')]);
    // Two generateKey calls, not one: only the leaves' key may be handed to OpenSSL.
    const [own, leaf] = await Promise.all([generateKey(false), generateKey(true)]);
    const issue = new Issuer(pkijs, asn1, own, now() + (lifeMs ?? AUTHORITY_LIFE_MS));
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', leaf.privateKey);
    const certificate = await issue.authority(now());
    return new Authority(issue, certificate, { pair: leaf, pem: pem('PRIVATE KEY', pkcs8) }, now);
  }

  /** What a TLS server for this name needs. Made at the first call, then kept for about a day. */
  async contextFor(name: string): Promise<SecureContext> {
    return (await this.#leafFor(name)).context;
  }

  /** The certificate for a name, and the authority's behind it. */
  async certificateFor(name: string): Promise<string> {
    return (await this.#leafFor(name)).chain;
  }

  /** Forgets the leaves; the authority's own key goes with the object. */
  close(): void {
    this.#leaves.clear();
  }

  async #leafFor(name: string): Promise<Leaf> {
    const known = this.#leaves.get(name);
    if (known !== undefined) {
      const leaf = await known;
      if (leaf.renewAtMs > this.#now()) return leaf;
      this.#leaves.delete(name);
    }
    const made = this.#leaves.get(name) ?? this.#make(name);
    this.#leaves.set(name, made);
    if (this.#leaves.size > MAXIMUM_LEAVES) {
      const [oldest] = this.#leaves.keys();
      if (oldest !== undefined) this.#leaves.delete(oldest);
    }
    return made;
  }

  async #make(name: string): Promise<Leaf> {
    const nowMs = this.#now();
    const certificate = await this.#issue.leaf(name, this.#leafKey.pair.publicKey, nowMs);
    const chain = `${certificate}${this.certificatePem}`;
    const context = createSecureContext({ cert: chain, key: this.#leafKey.pem });
    return { context, chain, renewAtMs: nowMs + LEAF_LIFE_MS / 2 };
  }
}

/** Writes certificates (RFC 5280), all with the extensions that strict verifiers (Python 3.13, webpki) ask for. */
class Issuer {
  readonly #pkijs: typeof Pkijs;
  readonly #asn1: typeof Asn1;
  readonly #engine: Pkijs.CryptoEngine;
  readonly #own: webcrypto.CryptoKeyPair;
  readonly #endMs: number;
  readonly #commonName = `Caisson sandbox ${serialBytes().toString('hex').slice(0, 12)}`;

  constructor(pkijs: typeof Pkijs, asn1: typeof Asn1, own: webcrypto.CryptoKeyPair, endMs: number) {
    this.#pkijs = pkijs;
    this.#asn1 = asn1;
    this.#own = own;
    this.#endMs = endMs;
    this.#engine = new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto as never });
  }

  async authority(nowMs: number): Promise<string> {
    const certificate = await this.#blank(this.#own.publicKey, nowMs, this.#endMs);
    this.#name(certificate.subject, this.#commonName);
    const { BasicConstraints } = this.#pkijs;
    const constraints = new BasicConstraints({ cA: true, pathLenConstraint: 0 });
    certificate.extensions = [
      this.#extension('2.5.29.19', true, constraints.toSchema()),
      // keyCertSign and cRLSign
      this.#extension('2.5.29.15', true, this.#bits(0x06, 1)),
      await this.#keyIdentifier('2.5.29.14', this.#own.publicKey),
    ];
    return this.#sign(certificate);
  }

  async leaf(name: string, key: webcrypto.CryptoKey, nowMs: number): Promise<string> {
    const endMs = Math.min(nowMs + LEAF_LIFE_MS, this.#endMs);
    const certificate = await this.#blank(key, nowMs, endMs);
    // The name stands in subjectAltName alone: a common name ends at 64 letters, and clients no longer read it.
    this.#name(certificate.subject, 'Caisson interception');
    const { BasicConstraints, ExtKeyUsage, GeneralName, GeneralNames } = this.#pkijs;
    const names = new GeneralNames({ names: [new GeneralName({ type: 2, value: name })] });
    const serverAuth = new ExtKeyUsage({ keyPurposes: ['1.3.6.1.5.5.7.3.1'] });
    certificate.extensions = [
      this.#extension('2.5.29.19', true, new BasicConstraints({ cA: false }).toSchema()),
      // digitalSignature
      this.#extension('2.5.29.15', true, this.#bits(0x80, 7)),
      this.#extension('2.5.29.37', false, serverAuth.toSchema()),
      this.#extension('2.5.29.17', false, names.toSchema()),
      await this.#keyIdentifier('2.5.29.14', key),
      await this.#keyIdentifier('2.5.29.35', this.#own.publicKey),
    ];
    return this.#sign(certificate);
  }

  async #blank(key: webcrypto.CryptoKey, nowMs: number, endMs: number) {
    const { Certificate, Time } = this.#pkijs;
    const certificate = new Certificate({ version: 2 });
    certificate.serialNumber = new this.#asn1.Integer({ valueHex: toArrayBuffer(serialBytes()) });
    certificate.notBefore = new Time({ type: 0, value: new Date(nowMs - BACKDATED_MS) });
    certificate.notAfter = new Time({ type: 0, value: new Date(endMs) });
    this.#name(certificate.issuer, this.#commonName);
    await certificate.subjectPublicKeyInfo.importKey(key, this.#engine);
    return certificate;
  }

  async #sign(certificate: Pkijs.Certificate): Promise<string> {
    await certificate.sign(this.#own.privateKey, 'SHA-256', this.#engine);
    return pem('CERTIFICATE', certificate.toSchema(true).toBER(false));
  }

  #name(into: Pkijs.RelativeDistinguishedNames, commonName: string): void {
    const value = new this.#asn1.Utf8String({ value: commonName });
    into.typesAndValues.push(new this.#pkijs.AttributeTypeAndValue({ type: '2.5.4.3', value }));
  }

  #extension(id: string, critical: boolean, value: Asn1.BaseBlock): Pkijs.Extension {
    const { Extension } = this.#pkijs;
    return new Extension({ extnID: id, critical, extnValue: value.toBER(false) });
  }

  #bits(byte: number, unusedBits: number): Asn1.BitString {
    return new this.#asn1.BitString({ valueHex: Uint8Array.of(byte).buffer, unusedBits });
  }

  /** RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key; an identifier, not a protection. */
  async #keyIdentifier(id: string, key: webcrypto.CryptoKey): Promise<Pkijs.Extension> {
    const point = await webcrypto.subtle.exportKey('raw', key);
    const digest = await webcrypto.subtle.digest('SHA-1', point);
    const keyIdentifier = new this.#asn1.OctetString({ valueHex: digest });
    if (id === '2.5.29.14') return this.#extension(id, false, keyIdentifier);
    const { AuthorityKeyIdentifier } = this.#pkijs;
    return this.#extension(id, false, new AuthorityKeyIdentifier({ keyIdentifier }).toSchema());
  }
}

function generateKey(extractable: boolean): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ECDSA_P256, extractable, ['sign', 'verify']);
}

/** 16 random bytes, positive and without a leading zero, as DER wants an INTEGER. */
function serialBytes(): Buffer {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes;
}

function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
