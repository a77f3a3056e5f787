/** `--dir /GUEST=HOSTDIR`: directories that a WASM module finds open, and that the policy lets be read for this run. */
import { realpathSync, statSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { pathSet, unionPaths } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

/** Directories of this host, without links, by the path that the guest sees. @throws REQUEST_INVALID, PATH_MISSING */
export function preopensOf(words: readonly string[] = []): Record<string, string> {
  const found: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    const [guest, host] = [word.slice(0, at), word.slice(at + 1)];
    if (at <= 0 || host === '') throw invalid(`--dir ${word} does not say both directories`);
    if (!guest.startsWith('/')) throw invalid(`--dir ${word}: ${guest} does not begin with /`);
    if (Object.hasOwn(found, guest)) throw invalid(`--dir names ${guest} twice`);
    if (statSync(host, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new CaissonError('PATH_MISSING', {
        layer: 'cli',
        message: `${host} is not a directory`,
        hint: 'make it first, or leave it out',
        details: { path: host },
      });
    }
    found[guest] = realpathSync(host);
  }
  return found;
}

export function withPreopens(policy: Policy, preopens: Readonly<Record<string, string>>): Policy {
  const paths = Object.values(preopens);
  if (paths.length === 0) return policy;
  const named = pathSet(paths.map((path) => ({ path, include: true })));
  return { ...policy, read: unionPaths(policy.read, named) };
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message,
    hint: 'write --dir /data=./data',
  });
}
