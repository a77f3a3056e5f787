/**
 * A policy as a configuration names it: a level, a profile, a file, or written out.
 */
import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { isCaissonError } from '../../core/error.ts';
import type { PolicyDocument } from '../../policy/document.ts';
import { parsePolicy } from '../../policy/parse.ts';
import { documentOf } from '../../policy/to-document.ts';
import { configInvalid } from './config.ts';

/**
 * A name stays a name; a file is read, with what it extends of profiles, and told as a document. Files that extend files
 * are refused: what the service stands on is one file that one person may change.
 *
 * @throws CONFIG_INVALID
 */
export async function readPolicySetting(
  setting: string | PolicyDocument,
): Promise<string | PolicyDocument> {
  if (typeof setting !== 'string' || !isAbsolute(setting)) return setting;
  let text: Uint8Array;
  try {
    text = await readFile(setting);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw configInvalid([{ path: '', source: setting, message: `cannot be read: ${code}` }]);
  }
  try {
    return documentOf(parsePolicy(text, { source: setting }));
  } catch (error) {
    if (!isCaissonError(error)) throw error;
    throw configInvalid([{ path: '', source: setting, message: error.message }]);
  }
}
