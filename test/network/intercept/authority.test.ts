/** The authority of a sandbox, and its certificates, as OpenSSL and Node judge them. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { Authority } from '../../../src/network/intercept/authority.ts';
import { guestBundle, hostRoots } from '../../../src/network/intercept/roots.ts';

const DAY = 24 * 3_600_000;

function parse(pem: string): X509Certificate[] {
  return (pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map(
    (each) => new X509Certificate(each),
  );
}

test('the authority signs leaves and nothing below them', async () => {
  const authority = await Authority.create();
  const [own] = parse(authority.certificatePem);
  const [leaf, above] = parse(await authority.certificateFor('a.example.org'));
  assert.ok(own && leaf && above);
  assert.equal(above.fingerprint256, own.fingerprint256);
  assert.equal(own.ca, true);
  assert.equal(leaf.ca, false);
  assert.ok(leaf.checkIssued(own) && leaf.verify(own.publicKey) && own.verify(own.publicKey));
  assert.equal(leaf.subjectAltName, 'DNS:a.example.org');
  assert.equal(leaf.checkHost('b.example.org'), undefined);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(own.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('two sandboxes have nothing in common', async () => {
  const [a, b] = await Promise.all([Authority.create(), Authority.create()]);
  const [own] = parse(a.certificatePem);
  const [leaf] = parse(await b.certificateFor('a.example.org'));
  assert.ok(own && leaf);
  assert.equal(leaf.verify(own.publicKey), false);
});

test('lives are short, and a leaf is made again in time', async () => {
  let now = Date.now();
  const authority = await Authority.create({ now: () => now, lifeMs: 3 * DAY });
  const [own] = parse(authority.certificatePem);
  const first = await authority.certificateFor('a.example.org');
  assert.equal(await authority.certificateFor('a.example.org'), first);
  const [leaf] = parse(first);
  assert.ok(own && leaf);
  assert.ok(Math.abs(own.validToDate.getTime() - now - 3 * DAY) < 1001);
  assert.ok(leaf.validToDate.getTime() - now <= DAY);
  now += DAY - 1;
  const [second] = parse(await authority.certificateFor('a.example.org'));
  assert.ok(second && second.serialNumber !== leaf.serialNumber);
  now += 1.9 * DAY;
  const [last] = parse(await authority.certificateFor('a.example.org'));
  assert.ok(last && last.validToDate <= own.validToDate);
});

test('one leaf for many that ask at once, also for names of full length', async () => {
  const authority = await Authority.create();
  const label = 'a'.repeat(61);
  const name = `${label}.${label}.${label}.${label}.org`;
  const chains = await Promise.all(
    Array.from({ length: 20 }, () => authority.certificateFor(name)),
  );
  assert.equal(new Set(chains).size, 1);
  assert.equal(parse(chains[0] ?? '')[0]?.checkHost(name), name);
});

test('a guest trusts its authority and the roots of the host', async () => {
  const { certificatePem } = await Authority.create();
  const other = (await Authority.create()).certificatePem.trimEnd();
  const bundle = guestBundle(certificatePem, [other]);
  assert.deepEqual(
    parse(bundle).map(({ raw }) => raw),
    [...parse(certificatePem).map(({ raw }) => raw), ...parse(other).map(({ raw }) => raw)],
  );
  assert.ok(hostRoots().length > 0);
});
