/**
 * What the answer of an analysis depends on beside the code: part of the keys of caches. A digest of the files of this
 * folder where they run as they are; in a published package, which holds one bundle, its version.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../../../package.json' with { type: 'json' };

const HERE = fileURLToPath(import.meta.url);

function digestOfFiles(directory: string): string {
  const hash = createHash('sha256');
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names) {
    if (!name.endsWith('.ts') && !name.endsWith('.json')) continue;
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(directory, name)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 32);
}

/** Stable as long as rules, catalogues and model are. */
export const RULES_VERSION: string = HERE.endsWith(join('threat', 'version.ts'))
  ? digestOfFiles(join(HERE, '..'))
  : `package-${packageJson.version}`;
