/**
 * The certificates that the guest trusts: the host's bundle and the authority of its sandbox.
 */
import { readFile } from 'node:fs/promises';
import { CaissonError } from '../../core/error.ts';

/** Where distributions keep the bundle of roots: Debian, Fedora, openSUSE, Alpine. The first that is there counts. */
export const HOST_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/** Variables by which programs that bring roots of their own (Node, Python's requests, pip, git, curl, cargo …) are told of the bundle. */
export const BUNDLE_VARIABLES = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'NODE_EXTRA_CA_CERTS',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'DENO_CERT',
] as const;

export interface HostBundle {
  /** Where it was found; the guest's bundle must lie there too. */
  readonly path: string;
  readonly pem: string;
}

/**
 * The host's roots.
 * @throws CaissonError `UNENFORCEABLE` where none of {@link HOST_BUNDLES} can be read
 */
export async function readHostBundle(paths: readonly string[] = HOST_BUNDLES): Promise<HostBundle> {
  for (const path of paths) {
    const pem = await readFile(path, 'utf8').catch(() => undefined);
    if (pem?.includes('-----BEGIN CERTIFICATE-----')) return { path, pem };
  }
  throw new CaissonError('UNENFORCEABLE', {
    layer: 'network',
    message: 'the host has no bundle of root certificates that servers could be verified against',
    hint: 'install ca-certificates, or leave out network.intercept',
    details: { looked: paths },
  });
}

/** What the guest finds in the place of the host's bundle. */
export function guestBundle(hostPem: string, authorityPem: string): string {
  const host = hostPem.endsWith('\n') || hostPem === '' ? hostPem : `${hostPem}\n`;
  return `${host}${authorityPem}`;
}

/** One PEM for each certificate, as `tls.connect` wants them in `ca`. */
export function certificatesOf(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
