/** A policy as a request names it. */
import * as z from 'zod/mini';

export const policyInput = z
  .union([z.string().check(z.minLength(1), z.maxLength(200)), z.record(z.string(), z.unknown())])
  .check(
    z.describe(
      'A level, a profile, a stored policy (NAME or NAME@VERSION), or a document as in a policy file; default strict',
    ),
  );
