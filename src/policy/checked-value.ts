/**
 * Single values of a document, each with a pure function that finds fault with it.
 */
import { z } from 'zod';
import { isCaissonError } from '../core/error.ts';

/** More entries than a person reads, and few enough that comparing two policies stays quick. */
const MOST_ENTRIES = 256;

export type Fault = { message: string; hint?: string | undefined } | undefined;

/** A string that a pure function finds fault with, or not. */
export function checkedString(fault: (text: string) => Fault) {
  return z.string().check((ctx) => report(ctx, () => fault(ctx.value)));
}

export function list<T extends z.ZodType>(item: T) {
  return z.array(item).max(MOST_ENTRIES, `a list holds at most ${MOST_ENTRIES} entries`);
}

export function report(ctx: z.core.ParsePayload<unknown>, find: () => Fault): void {
  const fault = find();
  if (!fault) return;
  ctx.issues.push({
    code: 'custom',
    message: fault.message,
    input: ctx.value,
    ...(fault.hint === undefined ? {} : { params: { hint: fault.hint } }),
  });
}

export function faultOf(parse: () => unknown): Fault {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (isCaissonError(error)) return { message: error.message, hint: error.hint };
    throw error;
  }
}

export function nameFault(pattern: RegExp, what: string) {
  return (text: string): Fault =>
    pattern.test(text) ? undefined : { message: `${shorten(text)} is not ${what}` };
}

export function shorten(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** A name that a shell can set. */
export const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
