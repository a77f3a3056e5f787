/** What was decided of code, as it stands in results. */
import * as z from 'zod/mini';
import type { AdmissionReport } from '../core/admission.ts';

const findingSchema = z.looseObject({
  family: z.string().check(z.describe('docs/threat/families.md')),
  score: z.number().check(z.describe('0 to 100')),
});

/** The type is core's; the schema says what of it a reader may count on. */
export const admissionReport = z
  .looseObject({
    decision: z
      .enum(['unchecked', 'admitted', 'strengthened', 'refused'])
      .check(z.describe('strengthened: admitted behind a stronger wall than was asked for')),
    score: z.optional(z.number()).check(z.describe('Threat score, 0 to 100')),
    findings: z.optional(z.array(findingSchema)).check(z.describe('What the score is made of')),
    signer: z.optional(z.looseObject({})).check(z.describe('Who vouches for it')),
    proof: z.optional(z.looseObject({})).check(z.describe('What its certificate bounds')),
    reasons: z.optional(z.array(z.string())).check(z.describe('Why it was decided so')),
    digest: z.optional(z.string()).check(z.describe('SHA-256 of what was looked at')),
  })
  .check(
    z.describe('Whether the code may run, and why: docs/admission.md'),
  ) as unknown as z.ZodMiniType<AdmissionReport, AdmissionReport>;
