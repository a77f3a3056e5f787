/** A page of a list. */
import { CaissonError } from '../../core/error.ts';

export const DEFAULT_LIMIT = 100;

/**
 * @param all in the order of their keys, which are unique
 * @param asked `after`: the key of the last one of the page before
 * @throws REQUEST_INVALID where `after` is none that a page could have ended with
 */
export function page<T, W>(
  all: readonly T[],
  keyOf: (item: T) => string,
  { limit = DEFAULT_LIMIT, after }: { limit?: number | undefined; after?: string | undefined },
  toWire: (item: T) => W,
): { items: W[]; next?: string } {
  if (after !== undefined && after.length === 0) {
    throw new CaissonError('REQUEST_INVALID', { layer: 'server', message: 'after is empty' });
  }
  // By order, not by place: what `after` named may be gone by now.
  const from = after === undefined ? 0 : all.findIndex((item) => keyOf(item) > after);
  if (from < 0) return { items: [] };
  const items = all.slice(from, from + limit);
  const last = items.at(-1);
  const more = from + limit < all.length && last !== undefined;
  return { items: items.map(toWire), ...(more ? { next: keyOf(last) } : {}) };
}
