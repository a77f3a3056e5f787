/** `--dir /GUEST=HOSTDIR`: directories that a WASM module finds open, and that the policy lets be read for this run. */
import { realpathSync, statSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { isWithin, pathSet } from '../policy/path-set.ts';
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

/**
 * What the policy takes out by name stays out, at and below them.
 *
 * @param workspace absolute, without links: an evaluation has none, so what lies in it is said by its own path
 */
export function withPreopens(
  policy: Policy,
  preopens: Readonly<Record<string, string>>,
  workspace: string | undefined,
): Policy {
  const paths = Object.values(preopens);
  if (paths.length === 0) return policy;
  const { rules } = policy.read;
  const named = paths.map((path) => ({ path, include: true }));
  const inWorkspace = rules.flatMap(({ path, include }) =>
    include || workspace === undefined || !isWithin(path, WORKSPACE)
      ? []
      : [{ path: workspace + path.slice(WORKSPACE.length), include }],
  );
  return { ...policy, read: pathSet([...rules, ...named, ...inWorkspace]) };
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message,
    hint: 'write --dir /data=./data',
  });
}
