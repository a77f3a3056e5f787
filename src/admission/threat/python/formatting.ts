/** `%` and `.format` over constants. */
import type { Value } from '../facts.ts';

type Constant = Value['constant'];

/** As `str()` writes it. */
export function written(value: Constant): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

const PERCENT = /%(?:\(([^)]*)\))?[-+ #0]*\d*(?:\.\d+)?([a-zA-Z%])/g;

export function formatPercent(text: string, args: readonly Constant[]): string | undefined {
  let next = 0;
  let isKnown = true;
  const made = text.replace(PERCENT, (_, key: string | undefined, kind: string) => {
    if (kind === '%') return '%';
    const value = key === undefined ? args[next++] : undefined;
    const one = kind === 'c' && typeof value === 'number' ? letter(value) : inBase(value, kind);
    isKnown &&= one !== undefined;
    return one ?? '';
  });
  return isKnown ? made : undefined;
}

const BRACES = /\{\{|\}\}|\{([^{}!:]*)(?:![rsa])?(?::([^{}]*))?\}/g;

export function formatBraces(text: string, args: readonly Constant[]): string | undefined {
  let next = 0;
  let isKnown = true;
  const made = text.replace(BRACES, (whole: string, key?: string, form?: string) => {
    if (whole === '{{' || whole === '}}') return whole.slice(1);
    const index = key === undefined || key === '' ? next++ : /^\d+$/.test(key) ? Number(key) : -1;
    const value = args[index];
    const kind = form?.at(-1) ?? 's';
    const one = kind === 'c' && typeof value === 'number' ? letter(value) : inBase(value, kind);
    isKnown &&= one !== undefined;
    return one ?? '';
  });
  return isKnown ? made : undefined;
}

const letter = (code: number): string | undefined =>
  code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;

function inBase(value: Constant, kind: string): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (kind === 'x' || kind === 'X') return value.toString(16);
    if (kind === 'o') return value.toString(8);
    if (kind === 'b') return value.toString(2);
  }
  return written(value);
}
