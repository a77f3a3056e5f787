/**
 * From the files of a program to what V8 takes: types stripped, imports resolved among them, errors with their place.
 */
import { stripTypeScriptTypes } from 'node:module';
import { posix } from 'node:path';
import type { GuestError, Program } from '../program.ts';

/** What is wrong with a program or its result, in words for whoever wrote it. */
export class GuestFault extends Error {
  readonly guest: GuestError;
  /** What works here for all of them no longer does. */
  readonly isFatal: boolean;

  constructor(guest: GuestError, isFatal = false) {
    super(guest.message);
    this.guest = guest;
    this.isFatal = isFatal;
  }
}

const SYNTAX_CODES = ['ERR_INVALID_TYPESCRIPT_SYNTAX', 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'];

/** JavaScript text of one of the program's files. @throws GuestFault */
export function textOf(program: Program, path: string): string {
  const source = program.files[path];
  const text = typeof source === 'string' ? source : decode(source ?? new Uint8Array(), path);
  if (path.endsWith('.json')) return `export default ${jsonText(text, path)}`;
  const typed =
    /\.[cm]?ts$/.test(path) ||
    (program.language === 'typescript' && path === program.entry && !/\.[cm]?js$/.test(path));
  if (!typed) return text;
  try {
    // Blanks take the place of types: lines and columns stay.
    return stripTypeScriptTypes(text, { sourceUrl: path });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (SYNTAX_CODES.includes(code)) throw stripError(error as Error, path, text);
    // The stripper is a WebAssembly instance that this process has one of: a trap in it, as of a source that is nested
    // too deeply, leaves it broken for every source after it.
    const message = 'its types cannot be taken out: it may be nested too deeply';
    throw new GuestFault(at('SyntaxError', message, text, path, 1, 1), true);
  }
}

/** Path of the file that a specifier means; undefined where there is none. */
export function resolveImport(
  program: Program,
  specifier: string,
  referrer: string,
): string | undefined {
  const path = /^\.{0,2}\//.test(specifier)
    ? posix.join(specifier.startsWith('/') ? '' : posix.dirname(referrer), specifier)
    : mapped(program.imports ?? {}, specifier);
  if (path === undefined) return undefined;
  const file = posix.normalize(path).replace(/^(\.?\/)+/, '');
  return Object.hasOwn(program.files, file) ? file : undefined;
}

/** V8's message ends with `[file:line:column]`. */
export function syntaxError(error: Error, files: (path: string) => string | undefined): GuestError {
  const found = /^(.*?) \[(.+):(\d+):(\d+)\]$/s.exec(error.message);
  if (found === null) return { name: error.name, message: error.message };
  const [, message = '', file = '', line = '1', column = '1'] = found;
  // Of what has no place, such as a nesting that V8's parser has no stack for.
  if (line === '0') return { name: error.name, message };
  return at(error.name, message, files(file) ?? '', file, Number(line), Number(column));
}

function at(
  name: string,
  message: string,
  text: string,
  file: string,
  line: number,
  column: number,
): GuestError {
  const wanted = text.split('\n', line)[line - 1] ?? '';
  // Of a long line only what is around the place.
  const from = Math.max(0, column - 60);
  const shown = wanted.slice(from, from + 120);
  const excerpt = `${shown}\n${' '.repeat(Math.max(0, column - 1 - from))}^`;
  return { name, message, position: { file, line, column, excerpt } };
}

function mapped(imports: Readonly<Record<string, string>>, specifier: string): string | undefined {
  if (Object.hasOwn(imports, specifier)) return imports[specifier];
  const prefix = Object.keys(imports)
    .filter((key) => key.endsWith('/') && specifier.startsWith(key))
    .sort((a, b) => b.length - a.length)[0];
  return prefix === undefined ? undefined : imports[prefix] + specifier.slice(prefix.length);
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new GuestFault({ name: 'SyntaxError', message: `${path} is not valid UTF-8` });
  }
}

function jsonText(text: string, path: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    const { message } = error as Error;
    throw new GuestFault({ name: 'SyntaxError', message: `${path}: ${message}` });
  }
}

/** The stripper's stack begins with `file:line`, the text around the place, and a line of carets. */
function stripError(error: Error, path: string, text: string): GuestFault {
  const [head = '', ...shown] = (error.stack ?? '').split('\n');
  const line = Number(/:(\d+)$/.exec(head)?.[1] ?? 1);
  const carets = shown.find((candidate) => /^ *\^+ *$/.test(candidate)) ?? '^';
  const column = carets.indexOf('^') + 1;
  return new GuestFault(at('SyntaxError', error.message, text, path, line, column));
}
