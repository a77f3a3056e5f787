/** What a caller without types may have given in the place of a text, a number or a path: each is checked before it is used. */
import { CaissonError, type ErrorLayer } from '../core/error.ts';
import { checkKind, shown } from '../policy/known-options.ts';

/** @throws REQUEST_INVALID */
export function requireObject(value: unknown, what: string, layer: ErrorLayer = 'sandbox'): void {
  checkKind(value, 'object', what, layer);
}

/** @throws REQUEST_INVALID */
export function requireText(value: unknown, what: string, layer: ErrorLayer = 'sandbox'): void {
  checkKind(value, 'text', what, layer);
}

/** Where it is given: whole, at least `least`; Infinity where `most` is. @throws REQUEST_INVALID */
export function requireWhole(
  value: number | undefined,
  what: string,
  {
    least = 0,
    most = Number.MAX_SAFE_INTEGER,
  }: { readonly least?: number; readonly most?: number },
  layer: ErrorLayer = 'sandbox',
): void {
  if (value === undefined || value === most) return;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer,
    message: `${what} is ${shown(value)}`,
    hint: `give a whole number${most < Number.MAX_SAFE_INTEGER ? ` from ${least} to ${most}` : `, at least ${least}`}`,
  });
}

/** setTimeout's own bound, 24.8 days: it fires at once for what is more. */
export const LONGEST_MS = 0x7fff_ffff;

/** Which bytes of a file. @throws REQUEST_INVALID */
export function requirePart(offset: number, length: number, layer: ErrorLayer = 'sandbox'): void {
  requireWhole(offset ?? Number.NaN, 'the offset', {}, layer);
  requireWhole(length ?? Number.NaN, 'the length', { most: Number.POSITIVE_INFINITY }, layer);
}

/** @throws REQUEST_INVALID */
export function requireHostPath(path: string, layer: ErrorLayer = 'sandbox'): void {
  requireText(path, 'the path of a file of this machine', layer);
  if (path !== '' && !path.includes('\0')) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer,
    message: `the path of a file of this machine ${path === '' ? 'is empty' : 'holds a NUL byte'}`,
    hint: 'name a file or directory',
  });
}

/** Permission bits. @throws REQUEST_INVALID */
export function requireMode(mode: number | undefined, layer: ErrorLayer = 'sandbox'): void {
  if (mode === undefined || (Number.isInteger(mode) && mode >= 0 && mode <= 0o7777)) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer,
    message: `the mode is ${shown(mode)}`,
    hint: 'give permission bits as a number, such as 0o644',
  });
}

/** @throws REQUEST_INVALID */
export function requireContent(value: unknown, what: string, layer: ErrorLayer = 'sandbox'): void {
  checkKind(value, 'content', `what is to ${what}`, layer);
}
