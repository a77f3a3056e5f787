/**
 * Variables that the command line sets for the guest. Values never go into the policy: neither its digest nor a
 * cached plan holds a secret.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { CaissonError } from '../core/error.ts';

interface EnvironmentFlags {
  readonly env?: readonly string[];
  readonly 'env-file'?: readonly string[];
}

/** Files in their order, then `--env NAME=value`; the last one counts. */
export function environmentOf(flags: EnvironmentFlags): Record<string, string> {
  const set: Record<string, string> = {};
  for (const file of flags['env-file'] ?? []) Object.assign(set, readEnvFile(file));
  for (const word of flags.env ?? []) {
    const at = word.indexOf('=');
    if (at === 0) throw invalid(`--env ${word}: there is no name before =`);
    if (at > 0) set[word.slice(0, at)] = word.slice(at + 1);
  }
  return set;
}

function readEnvFile(file: string): NodeJS.Dict<string> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `the environment file ${file} cannot be read`,
      cause,
    });
  }
  // parseEnv passes over what it does not understand; a forgotten = would be a variable that is silently missing.
  const known = parseEnv(text);
  text.split(/\r?\n/).forEach((line, i) => {
    const name = /^\s*(?:export\s+)?([^\s=#'"]+)\s*$/.exec(line)?.[1];
    if (name !== undefined && !Object.values(known).some((value) => value?.includes(line))) {
      throw invalid(`${file}:${i + 1}: ${name} has no =`);
    }
  });
  return known;
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint: 'write NAME=value' });
}
