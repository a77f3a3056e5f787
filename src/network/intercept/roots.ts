/**
 * Which certificate authorities are trusted: by the proxy, of servers; by a guest whose TLS is opened, of both.
 */
import { getCACertificates } from 'node:tls';

/** The machine's roots, one PEM each; Node's own copy of Mozilla's where it has none. */
export function hostRoots(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}

/**
 * What the guest finds as its bundle: the sandbox's own authority, and the host's roots for what is passed on unopened
 * (TLS that a rule allows by address).
 */
export function guestBundle(authorityPem: string, roots: readonly string[]): string {
  return [authorityPem, ...roots].map((pem) => `${pem.trimEnd()}\n`).join('');
}
