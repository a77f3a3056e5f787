/** A certificate of 127.0.0.1 that its own key signed, and the key, in PEM. */
import { webcrypto } from 'node:crypto';
import * as asn1 from 'asn1js';
import * as pkijs from 'pkijs';

const SUBJECT_ALT_NAME = '2.5.29.17';
const COMMON_NAME = '2.5.4.3';
const IP_ADDRESS = 7;
const DAY_MS = 24 * 3_600_000;

export async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const crypto = new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto as never });
  const certificate = new pkijs.Certificate({
    version: 2,
    serialNumber: new asn1.Integer({ value: 1 }),
  });
  const name = new pkijs.AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new asn1.Utf8String({ value: '127.0.0.1' }),
  });
  certificate.subject.typesAndValues.push(name);
  certificate.issuer.typesAndValues.push(name);
  certificate.notBefore.value = new Date(Date.now() - DAY_MS);
  certificate.notAfter.value = new Date(Date.now() + DAY_MS);
  const address = new asn1.OctetString({ valueHex: Uint8Array.of(127, 0, 0, 1).buffer });
  const names = new pkijs.GeneralNames({
    names: [new pkijs.GeneralName({ type: IP_ADDRESS, value: address })],
  });
  certificate.extensions = [
    new pkijs.Extension({
      extnID: SUBJECT_ALT_NAME,
      extnValue: names.toSchema().toBER(),
    }),
  ];
  await certificate.subjectPublicKeyInfo.importKey(pair.publicKey as never, crypto);
  await certificate.sign(pair.privateKey as never, 'SHA-256', crypto);
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', pair.privateKey);
  return {
    cert: pem('CERTIFICATE', certificate.toSchema(true).toBER()),
    key: pem('PRIVATE KEY', pkcs8),
  };
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
