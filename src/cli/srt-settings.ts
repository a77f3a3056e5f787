/**
 * `--srt-settings`: what the translation has to be told of this machine. It looks at no file itself.
 */
import { type Dirent, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CaissonError } from '../core/error.ts';
import type { SrtTranslation } from '../policy/srt/policy-from-srt-settings.ts';

/** A policy holds 256 entries a list; what is allowed has to fit beside what patterns stand for. */
const MATCHES_MAX = 200;
const ENTRIES_MAX = 500_000;

export interface SrtRequest {
  /** As it was typed. */
  readonly file: string;
  /** Absolute, without links. */
  readonly cwd: string;
  /** Whether somebody would be asked about destinations. */
  readonly asks: boolean;
}

/** @throws POLICY_INVALID, REQUEST_INVALID */
export async function translateSrt(
  { file, cwd, asks }: SrtRequest,
  read: { readonly text: string | Uint8Array; readonly source: string },
): Promise<SrtTranslation> {
  const { translateSrtSettings } = await import('../policy/srt/policy-from-srt-settings.ts');
  const { globBase, srtGlobMatcher } = await import('../policy/srt/srt-glob.ts');
  const translation = translateSrtSettings(textOf(read.text, file), {
    home: realOf(homedir()) ?? homedir(),
    cwd,
    look: realOf,
    expand: (pattern) => matching(pattern, globBase(pattern), srtGlobMatcher(pattern)),
    source: read.source,
  });
  if (translation.asksNobody && asks) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `${file} says network.strictAllowlist, so nobody may be asked about other destinations`,
      hint: 'leave out --ask, or take strictAllowlist out of the settings',
    });
  }
  return translation;
}

function textOf(text: string | Uint8Array, file: string): string {
  if (typeof text === 'string') return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    throw new CaissonError('POLICY_INVALID', { layer: 'cli', message: `${file} is not UTF-8` });
  }
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What cannot be looked at may still be there: it stays named.
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : path;
  }
}

/** Links are not followed: what they lead to is found where it lies. */
function matching(pattern: string, base: string, matcher: RegExp): string[] {
  const deepest = pattern.includes('**') ? Number.POSITIVE_INFINITY : pattern.split('/').length;
  const found: string[] = [];
  const ahead = [base];
  let entries = 0;
  for (let directory = ahead.pop(); directory !== undefined; directory = ahead.pop()) {
    for (const entry of entriesOf(directory)) {
      const path = join(directory, entry.name);
      if (++entries > ENTRIES_MAX) throw tooMany(pattern, `more than ${ENTRIES_MAX} files`);
      if (matcher.test(path)) found.push(path);
      else if (entry.isDirectory() && path.split('/').length < deepest) ahead.push(path);
    }
    if (found.length > MATCHES_MAX) throw tooMany(pattern, `more than ${MATCHES_MAX} paths`);
  }
  return found.sort();
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

function tooMany(pattern: string, what: string): CaissonError {
  return new CaissonError('POLICY_INVALID', {
    layer: 'cli',
    message: `filesystem.denyRead: ${pattern} stands for, or leads through, ${what}`,
    hint: 'name directories instead, which stand for everything below them',
  });
}
