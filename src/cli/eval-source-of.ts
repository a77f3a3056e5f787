/** The source that a command line names: a word of it, or a file. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { CaissonError } from '../core/error.ts';
import type { EvalLanguage } from '../functions/eval-source.ts';
import type { ProgramSource } from '../sandbox/program.ts';

/** @throws REQUEST_INVALID, PATH_MISSING */
export function evalSourceOf(
  language: EvalLanguage,
  word: string | undefined,
  file: string | undefined,
): ProgramSource {
  if (file === undefined) {
    if (word === undefined) {
      throw invalid('eval needs a source', `caisson eval ${language} SOURCE, or --file FILE`);
    }
    if (language !== 'wasm') return word;
    throw invalid('WASM is binary, so its source is a file', 'caisson eval wasm --file FILE');
  }
  if (word !== undefined) {
    throw invalid('the source is given twice', `leave out SOURCE or --file; words come after --`);
  }
  const bytes = bytesOf(file);
  if (language === 'wasm') return bytes;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(`${file} is not valid UTF-8`, `is it ${language}?`);
  }
  if (language === 'python' || language === 'shell') return text;
  // Under its own name, which errors show.
  const entry = basename(file);
  return { files: { [entry]: text }, entry };
}

function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `the source ${file} cannot be read`,
      cause,
    });
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
