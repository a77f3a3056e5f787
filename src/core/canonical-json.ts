/**
 * JSON that is written in one way only: exactly the fields of a shape in their order, as `JSON.stringify` writes them.
 * Needs no package, so that it can be read in processes that have none.
 */

/** What fits comes back; else it throws. */
export type Shape<T> = (given: unknown) => T;

class Misfit extends Error {}

export const text: Shape<string> = (given) => {
  if (typeof given !== 'string') throw new Misfit();
  return given;
};

/** Whole, from 0, exact. */
export const number: Shape<number> = (given) => {
  if (!Number.isSafeInteger(given) || (given as number) < 0) throw new Misfit();
  return given as number;
};

export function list<T>(each: Shape<T>): Shape<T[]> {
  return (given) => {
    if (!Array.isArray(given)) throw new Misfit();
    return given.map((one) => each(one));
  };
}

export function tuple<T extends unknown[]>(...shapes: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  return (given) => {
    if (!Array.isArray(given) || given.length !== shapes.length) throw new Misfit();
    return shapes.map((shape, i) => shape(given[i])) as T;
  };
}

export function fields<T extends object>(shapes: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  return (given) => {
    if (typeof given !== 'object' || given === null) throw new Misfit();
    const all = Object.entries<Shape<unknown>>(shapes);
    return Object.fromEntries(
      all.map(([name, shape]) => [name, shape((given as Record<string, unknown>)[name])]),
    ) as T;
  };
}

/** Undefined for whatever is written otherwise: spaces, repeated, unknown or reordered fields, another encoding. */
export function parseCanonical<T>(bytes: Uint8Array, shape: Shape<T>): T | undefined {
  try {
    const given = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const parsed = shape(JSON.parse(given));
    return JSON.stringify(parsed) === given ? parsed : undefined;
  } catch {
    return undefined;
  }
}
