/** What exact values of Python are, as its functions and methods need them; each throws where a value is another. */
import type { Value } from '../facts.ts';
import { type Exact, Inexact } from '../interpret/exact-values.ts';

type Constant = Value['constant'];

export const MOST_ITEMS = 100_000;

export function primitive(value: Exact): Constant {
  if (typeof value === 'object' && value !== null) throw new Inexact();
  return value;
}

export function known<Of>(value: Of | undefined): Of {
  if (value === undefined) throw new Inexact();
  return value;
}

export const textOf = (value: Exact): string => {
  if (typeof value !== 'string') throw new Inexact();
  return value;
};

export function wholeOf(value: Exact): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw new Inexact();
  return number;
}

/** What a loop over it sees. */
export function itemsOf(value: Exact): Exact[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string' && value.length <= MOST_ITEMS) return [...value];
  throw new Inexact();
}

export const codesToText = (list: readonly Exact[]): string => {
  const codes = list.map(wholeOf);
  if (codes.some((code) => code < 0 || code > 0x10ffff)) throw new Inexact();
  return codes.map((code) => String.fromCodePoint(code)).join('');
};

export const asValue = (value: Exact): Value => ({
  constant: primitive(value),
  labels: 0,
  origins: [],
});
