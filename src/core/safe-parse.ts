/** What came from outside, held against its schema: whatever it is, it fits or it does not. */
import * as z from 'zod/mini';

interface Schema<R> {
  safeParse(value: unknown, options?: { readonly reportInput?: boolean }): R;
}

interface Misfit {
  readonly success: false;
  readonly data?: undefined;
  readonly error: z.core.$ZodError;
}

/**
 * As the schema's own, which throws for `{"length": {"toString": 1}}` in the place of a text or a list (zod 4 holds the
 * `length` of whatever it is given against a bound, also where its type is wrong), and for a getter or a Proxy that throws.
 */
export function safeParse<R>(schema: Schema<R>, value: unknown): R | Misfit {
  try {
    return schema.safeParse(value, { reportInput: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'something in it throws';
    const message = `it holds a value that cannot be read: ${reason}`;
    const issue: z.core.$ZodIssue = { code: 'custom', path: [], input: value, message };
    return { success: false, error: new z.core.$ZodRealError([issue]) };
  }
}
