/**
 * Which version of a tool a directory asks for: the files that version managers read, from a directory upwards.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Version files are a few lines; a larger one is not one. */
const LARGEST = 64 * 1024;

export function readSmall(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length <= LARGEST ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The nearest file of one of these names at or above `directory`, as text. */
export function nearestFile(
  directory: string,
  names: readonly string[],
): { readonly path: string; readonly text: string } | undefined {
  for (let at = directory; ; at = dirname(at)) {
    for (const name of names) {
      const path = join(at, name);
      const text = readSmall(path);
      if (text !== undefined) return { path, text };
    }
    if (dirname(at) === at) return undefined;
  }
}

/** `.python-version`, `version` and the like: one version a line, `#` begins a comment. */
export function versionLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '' && line !== 'system' && !line.includes('/'));
}

/** `.tool-versions` (asdf, mise): `name version version…`. */
export function toolVersions(text: string): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, readonly string[]>();
  for (const line of text.split('\n')) {
    const [name, ...versions] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (name !== undefined && name !== '') {
      result.set(
        name,
        versions.filter((version) => !version.includes('/')),
      );
    }
  }
  return result;
}

/** The `[tools]` of a mise.toml, as far as it is written `name = "version"`. */
export function miseTools(text: string): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, readonly string[]>();
  let inTools = false;
  for (const line of text.split('\n')) {
    const section = /^\s*\[([^\]]+)\]/.exec(line);
    if (section !== null) inTools = section[1]?.trim() === 'tools';
    const entry = /^\s*"?([\w.:-]+)"?\s*=\s*"([^"/]+)"/.exec(line);
    if (inTools && entry?.[1] !== undefined && entry[2] !== undefined) {
      result.set(entry[1], [entry[2]]);
    }
  }
  return result;
}

/** The directory for a wanted version: by its whole name, else the newest that it is a prefix of. */
export function installedVersion(directory: string, wanted: string): string | undefined {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch {
    return undefined;
  }
  const plain = wanted.replace(/^v/, '');
  const exact = names.find((name) => name === wanted || name.replace(/^v/, '') === plain);
  if (exact !== undefined) return exact;
  return names
    .filter((name) => name.replace(/^v/, '').startsWith(`${plain}.`))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
}
