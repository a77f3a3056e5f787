/**
 * `caisson policy init [PROFILE]`. Never writes over a file.
 */
import { writeFileSync } from 'node:fs';
import { CaissonError } from '../../core/error.ts';
import { isProfileName } from '../../policy/profiles.ts';
import type { Action } from '../command.ts';

type InitFlags = {
  readonly level: { summary: string; value: string };
  readonly out: { summary: string; value: string };
};

export const action: Action<InitFlags> = async ({ flags, positionals: [profile = 'agent'] }) => {
  const { initPolicy } = await import('../../policy/show.ts');
  if (!isProfileName(profile)) throw new CaissonError('REQUEST_INVALID', { layer: 'cli' });
  const whole = initPolicy(profile);
  const text =
    flags.level === undefined
      ? whole
      : whole.replace('version: 1\n', `version: 1\nlevel: ${flags.level}\n`);
  if (flags.out === undefined) return { exit: 0, document: { text }, text };
  try {
    writeFileSync(flags.out, text, { flag: 'wx' });
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: exists ? `${flags.out} exists already` : `${flags.out} cannot be written`,
      hint: exists ? 'name another file, or remove it first' : 'name a place where you may write',
      cause,
    });
  }
  return {
    exit: 0,
    document: { file: flags.out, text },
    notes: [`wrote ${flags.out}; next: caisson explain ${flags.out}`],
  };
};
