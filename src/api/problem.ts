/** What went wrong, over HTTP: problem+json (RFC 9457) from the one table of codes. */
import * as z from 'zod/mini';
import {
  CaissonError,
  type ErrorCode,
  type ErrorLayer,
  errorCodes,
  isCaissonError,
} from '../core/error.ts';

export const PROBLEM_TYPE = 'application/problem+json';

const codes = Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]];

export const problemSchema = z.object({
  type: z.string().check(z.describe('The code, as a URI: urn:caisson:error:CODE')),
  title: z.string().check(z.describe('What the code means')),
  status: z.int().check(z.describe('The HTTP status')),
  detail: z.string().check(z.describe('What happened here')),
  code: z.enum(codes).check(z.describe('For programs')),
  layer: z.string().check(z.describe('The part of Caisson where it arose')),
  hint: z.optional(z.string()).check(z.describe('What to change or type next')),
  details: z.optional(z.record(z.string(), z.unknown())).check(z.describe('By code')),
  instance: z.optional(z.string()).check(z.describe('Id of the request, as in the log')),
});

export type Problem = z.infer<typeof problemSchema>;

/** @param instance id of the request */
export function problemOf(error: CaissonError, instance?: string): Problem {
  const { code, layer, message, hint, details } = error;
  const { status, message: title } = errorCodes[code];
  return {
    type: `urn:caisson:error:${code}`,
    title,
    status,
    detail: message,
    code,
    layer,
    ...(hint === undefined ? {} : { hint }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
    ...(instance === undefined ? {} : { instance }),
  };
}

/** The error that a problem tells of. */
export function errorOf(problem: Problem): CaissonError {
  return new CaissonError(problem.code, {
    layer: problem.layer as ErrorLayer,
    message: problem.detail,
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    details: {
      ...problem.details,
      ...(problem.instance === undefined ? {} : { request: problem.instance }),
    },
  });
}

/** Whatever was thrown. What is no CaissonError is a fault of ours, of which nothing is told outside. */
export function asCaissonError(error: unknown): CaissonError {
  if (isCaissonError(error)) return error;
  return new CaissonError('INTERNAL', {
    layer: 'server',
    hint: 'the log of the service has more under the id of this request',
    cause: error,
  });
}
