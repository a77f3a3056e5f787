/** Methods of texts and numbers, and functions that make texts of texts, over constants. None of them throws. */
import type { Value } from '../facts.ts';

type Constant = Value['constant'];
const LONGEST = 1_000_000;

/** Methods without callbacks, whose result is a constant and does not get much longer. */
const SAFE_METHODS = new Set(
  'at charAt charCodeAt codePointAt concat endsWith includes indexOf lastIndexOf normalize slice startsWith substr substring toLowerCase toUpperCase toLocaleLowerCase toLocaleUpperCase trim trimEnd trimStart trimLeft trimRight valueOf localeCompare'.split(
    ' ',
  ),
);
const ENCODINGS = new Set([
  'hex',
  'base64',
  'base64url',
  'latin1',
  'binary',
  'ascii',
  'utf16le',
  'ucs2',
]);

export interface Folded {
  readonly constant: Constant;
  readonly hidden?: Value['hidden'];
}

type Method = (this: unknown, ...args: readonly Constant[]) => Constant;

/** @param args undefined among them: not known. */
export function textMethod(
  text: string,
  method: string,
  args: readonly Constant[],
): Folded | undefined {
  if (method === 'toString') {
    const encoding = args[0];
    if (encoding === undefined || !ENCODINGS.has(String(encoding))) return { constant: text };
    return { constant: Buffer.from(text).toString(encoding as BufferEncoding), hidden: 'encoded' };
  }
  if (args.includes(undefined)) return undefined;
  if (SAFE_METHODS.has(method)) {
    const own = (String.prototype as unknown as Record<string, Method>)[method];
    const constant = quietly(() => own?.apply(text, [...args]));
    if (constant === undefined) return undefined;
    const isCut = typeof constant === 'string' && constant !== text && method !== 'trim';
    return isCut ? { constant, hidden: 'computed' } : { constant };
  }
  switch (method) {
    case 'repeat':
    case 'padStart':
    case 'padEnd': {
      const length = Number(args[0]) * (method === 'repeat' ? text.length : 1);
      if (!(length <= LONGEST)) return undefined;
      const own = (String.prototype as unknown as Record<string, Method>)[method];
      return { constant: quietly(() => own?.apply(text, [...args])), hidden: 'computed' };
    }
    case 'replace':
    case 'replaceAll': {
      const [from, to] = args;
      if (typeof from !== 'string' || typeof to !== 'string' || from === '') return undefined;
      if (to.length > from.length && text.length * to.length > LONGEST) return undefined;
      const constant = method === 'replace' ? text.replace(from, to) : text.replaceAll(from, to);
      return { constant, hidden: 'computed' };
    }
    default:
      return undefined;
  }
}

export function numberMethod(
  value: number | bigint,
  method: string,
  args: readonly Constant[],
): Constant {
  const [first] = args;
  if (method === 'toString') {
    return quietly(() => value.toString(typeof first === 'number' ? first : 10));
  }
  if (method === 'valueOf') return value;
  if (method === 'toFixed' && typeof value === 'number') {
    return quietly(() => value.toFixed(typeof first === 'number' ? first : 0));
  }
  return undefined;
}

/**
 * Replaces by a pattern that takes time in proportion to the text, whoever wrote it: no groups, at most one repetition.
 */
export function replacePattern(
  text: string,
  pattern: string,
  flags: string,
  to: string,
): string | undefined {
  if (pattern.length > 60 || text.length > 20_000 || to.length > 100) return undefined;
  const repeated = pattern.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  if (/[()|]/.test(repeated) || (repeated.match(/[*+?{]/g)?.length ?? 0) > 1) return undefined;
  if (!/^[gimsuy]*$/.test(flags)) return undefined;
  return quietly(() => text.replace(new RegExp(pattern, flags), to));
}

export function isFolding(path: string): boolean {
  return GLOBALS.has(path);
}

/** Functions of the language by path. */
export function callGlobal(path: string, args: readonly Constant[]): Folded | undefined {
  const fold = GLOBALS.get(path);
  if (fold === undefined || args.length === 0 || args.includes(undefined)) return undefined;
  if (args.some((arg) => typeof arg === 'string' && arg.length > LONGEST)) return undefined;
  const constant = quietly(() => fold(args));
  if (constant === undefined) return undefined;
  return HIDES.has(path) ? { constant, hidden: 'encoded' } : { constant };
}

const text = (args: readonly Constant[]): string => String(args[0]);

const GLOBALS = new Map<string, (args: readonly Constant[]) => Constant>([
  ['global.String', text],
  ['global.Number', (args) => Number(args[0])],
  ['global.Boolean', (args) => Boolean(args[0])],
  ['global.BigInt', (args) => (/^-?\d{1,60}$/.test(text(args)) ? BigInt(text(args)) : undefined)],
  [
    'global.parseInt',
    (args) => Number.parseInt(text(args), args[1] === undefined ? undefined : Number(args[1])),
  ],
  [
    'global.Number.parseInt',
    (args) => Number.parseInt(text(args), args[1] === undefined ? undefined : Number(args[1])),
  ],
  ['global.parseFloat', (args) => Number.parseFloat(text(args))],
  ['global.String.fromCharCode', (args) => String.fromCharCode(...args.map(Number))],
  ['global.String.fromCodePoint', (args) => String.fromCodePoint(...args.map(Number))],
  ['global.atob', (args) => decodeBase64(text(args))],
  ['global.btoa', (args) => Buffer.from(text(args), 'latin1').toString('base64')],
  ['global.unescape', (args) => unescapeText(text(args))],
  ['global.decodeURIComponent', (args) => decodeURIComponent(text(args))],
  ['global.decodeURI', (args) => decodeURI(text(args))],
  ['global.encodeURIComponent', (args) => encodeURIComponent(text(args))],
  ['global.encodeURI', (args) => encodeURI(text(args))],
  ['global.Buffer.from', (args) => decodeBuffer(text(args), args[1])],
  ['global.Buffer', (args) => decodeBuffer(text(args), args[1])],
  ['global.Math.floor', (args) => Math.floor(Number(args[0]))],
  ['global.Math.ceil', (args) => Math.ceil(Number(args[0]))],
  ['global.Math.round', (args) => Math.round(Number(args[0]))],
  ['global.Math.abs', (args) => Math.abs(Number(args[0]))],
  ['global.Math.min', (args) => Math.min(...args.map(Number))],
  ['global.Math.max', (args) => Math.max(...args.map(Number))],
]);

const HIDES = new Set([
  'global.String.fromCharCode',
  'global.String.fromCodePoint',
  'global.atob',
  'global.unescape',
  'global.decodeURIComponent',
  'global.decodeURI',
  'global.Buffer.from',
  'global.Buffer',
]);

/** What is decoded may be bytes: UTF-8 where it is, else one character a byte. */
function textOf(bytes: Buffer): string {
  const decoded = bytes.toString('utf8');
  return decoded.includes('\uFFFD') ? bytes.toString('latin1') : decoded;
}

function decodeBase64(value: string): string | undefined {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) return undefined;
  return Buffer.from(value, 'base64').toString('latin1');
}

function decodeBuffer(value: string, encoding: Constant): string | undefined {
  const name = encoding === undefined ? 'utf8' : String(encoding).toLowerCase();
  return Buffer.isEncoding(name) ? textOf(Buffer.from(value, name)) : undefined;
}

function unescapeText(value: string): string {
  return value.replace(/%u([0-9a-f]{4})|%([0-9a-f]{2})/gi, (_, wide: string, narrow: string) =>
    String.fromCharCode(Number.parseInt(wide ?? narrow, 16)),
  );
}

function quietly<T>(fold: () => T): T | undefined {
  try {
    return fold();
  } catch {
    return undefined;
  }
}
