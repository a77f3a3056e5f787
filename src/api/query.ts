/** Pieces that several routes share. */
import * as z from 'zod/mini';

/** A whole number out of a query. */
export function wholeNumber(
  least: number,
  most: number,
  description: string,
): z.ZodMiniType<number> {
  return z.coerce
    .number({ error: 'write a whole number' })
    .check(
      z.multipleOf(1, { error: 'write a whole number' }),
      z.gte(least, { error: `write at least ${least}` }),
      z.lte(most, { error: `write at most ${most}` }),
      z.describe(description),
    );
}

/** `true` or `false` out of a query. */
export function yesOrNo(description: string): z.ZodMiniType<'true' | 'false'> {
  return z.enum(['true', 'false'], { error: 'write true or false' }).check(z.describe(description));
}

const MOST_PER_PAGE = 1000;

/** What every list takes. */
export const pageFields = {
  limit: z.optional(wholeNumber(1, MOST_PER_PAGE, 'At most so many, default 100')),
  after: z
    .optional(z.string().check(z.maxLength(512)))
    .check(z.describe('Where to go on: `next` of the page before')),
};

/** @param item of the list */
export function pageOf<T extends z.ZodMiniType>(item: T) {
  return z.strictObject({
    items: z.array(item).check(z.describe('In order')),
    next: z.optional(z.string()).check(z.describe('Hand it in as `after`; absent: that was all')),
  });
}

export const idParam = z.strictObject({
  id: z.string().check(z.minLength(1), z.maxLength(128), z.describe('Its id')),
});

export const labels = z
  .record(z.string().check(z.maxLength(256)), z.string().check(z.maxLength(256)))
  .check(
    z.refine((value) => Object.keys(value).length <= 64, { error: 'at most 64 labels' }),
    z.describe('To be found again by'),
  );
