/** From what a caller gives as source to a {@link Program}. */
import { createHash } from 'node:crypto';
import type { Program } from '../backends/program.ts';
import { CaissonError } from '../core/error.ts';
import { requireSource } from './require-source.ts';

/** Languages that an engine evaluates; others are commands for an interpreter. */
export type EngineLanguage = Program['language'];

/** Source text, or a WASM module; or several files, one of which is the entry. */
export type ProgramSource = string | Uint8Array | ProgramFiles;

export interface ProgramFiles {
  /** By path, `/`-separated, without a leading `/`. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** One of `files`. */
  readonly entry: string;
  /** Bare specifier, or one that ends in `/`, to a path of `files` (the WICG import map's `imports`). */
  readonly imports?: Readonly<Record<string, string>>;
  /** Scripts that are run before it in its global scope, kept as a snapshot. */
  readonly libraries?: readonly { readonly name: string; readonly source: string }[];
}

const SINGLE: Readonly<Record<EngineLanguage, string>> = {
  javascript: 'main.js',
  typescript: 'main.ts',
  wasm: 'main.wasm',
};
const REMEMBERED = 1000;
/** Texts that were met before: hashing is most of what a short evaluation costs here. */
const byText = new Map<string, Program>();

/** @throws REQUEST_INVALID */
export function programOf(source: ProgramSource, language: EngineLanguage): Program {
  if (!Object.hasOwn(SINGLE, language)) {
    throw invalid(
      `${JSON.stringify(language)} is no language of an engine`,
      `there are: ${Object.keys(SINGLE).join(', ')}; eval takes python and shell, too`,
    );
  }
  if (typeof source === 'string') {
    const key = `${language}\0${source}`;
    let program = byText.get(key);
    if (program === undefined) {
      if (byText.size >= REMEMBERED) byText.clear();
      program = made({ files: { [SINGLE[language]]: source }, entry: SINGLE[language] }, language);
      byText.set(key, program);
    }
    return program;
  }
  if (source instanceof Uint8Array) {
    return made({ files: { [SINGLE[language]]: source }, entry: SINGLE[language] }, language);
  }
  requireSource(source);
  return made(source, language);
}

function made(source: ProgramFiles, language: EngineLanguage): Program {
  const { files, entry, imports, libraries } = source;
  for (const path of Object.keys(files)) {
    if (path !== '' && !path.startsWith('/') && !path.split('/').some(isSpecial)) continue;
    throw invalid(`${JSON.stringify(path)} is no path of a program's file`, 'write it as lib/a.js');
  }
  if (!Object.hasOwn(files, entry)) {
    const there = Object.keys(files).join(', ') || 'none';
    throw invalid(
      `the entry ${JSON.stringify(entry)} is not among the files`,
      `there are: ${there}`,
    );
  }
  return {
    id: digestOf(source, language),
    language,
    files,
    entry,
    ...(imports === undefined ? {} : { imports }),
    ...(libraries === undefined ? {} : { libraries }),
  };
}

function isSpecial(part: string): boolean {
  return part === '' || part === '.' || part === '..' || part.includes('\0');
}

/** Of everything that decides what it does; lengths go in, so that no two programs read alike. */
function digestOf({ files, entry, imports, libraries }: ProgramFiles, language: string): string {
  const hash = createHash('sha256');
  const add = (part: string | Uint8Array): void => {
    hash.update(`${part.length}:`).update(part);
  };
  add(language);
  add(entry);
  for (const path of Object.keys(files).sort()) {
    add(path);
    add(files[path] as string | Uint8Array);
  }
  add(JSON.stringify(Object.entries(imports ?? {}).sort()));
  for (const { name, source } of libraries ?? []) {
    add(name);
    add(source);
  }
  return hash.digest('hex');
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'sandbox', message, hint });
}
