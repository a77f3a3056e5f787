/**
 * The addresses of this host's interfaces, the public ones among them. A name that leads to one of them would give a
 * guest what listens on the host, or what trusts whoever comes from it.
 */
import { networkInterfaces } from 'node:os';
import { plainAddress } from '../policy/special-address.ts';

/** Reading them takes about a tenth of a millisecond, and more with many interfaces. */
const KEPT_MS = 2000;

let own = new Set<string>();
let readMs = Number.NEGATIVE_INFINITY;

export function isOwnAddress(address: string): boolean {
  const nowMs = performance.now();
  if (nowMs - readMs > KEPT_MS) {
    own = readOwn();
    readMs = nowMs;
  }
  return own.has(plainAddress(address) ?? address);
}

function readOwn(): Set<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).map(({ address }) => plainAddress(address.replace(/%.*$/, '')) ?? address),
    ),
  );
}
