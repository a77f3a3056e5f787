/**
 * Single values of a configuration. From a file they come as YAML has them, from the environment and flags as text.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { isCaissonError } from '../../core/error.ts';
import { parseBytes, parseDuration } from '../../core/units.ts';
import { receiverHint } from '../../observe/telemetry/receiver-url.ts';
import { blockAround, parseCidr } from '../../policy/address.ts';
import { TENANT_ID } from '../../store/tenant-record.ts';
import { UNIX } from '../http/client-address.ts';

/** Bytes: a number of them, or `64MiB`. */
export function size() {
  return quantity(parseBytes, 'write a size such as 64MiB, or a number of bytes');
}

/** Milliseconds: a number of them, or `30s`. */
export function duration() {
  // core's own reader takes a plain number for seconds; these fields say in their name that it is milliseconds.
  const parse = (value: string | number): number =>
    parseDuration(/^\d+$/.test(String(value)) ? `${value}ms` : value);
  return quantity(parse, 'write milliseconds, or a duration such as 30s');
}

export function count(least = 1, most = 1_000_000_000) {
  const what = `a whole number from ${least} to ${most}`;
  const error = isNot(what);
  return numeric(what).pipe(z.int({ error }).min(least, { error }).max(most, { error }));
}

/** A number, or the text of one: nothing else becomes one. */
export function numeric(what = 'a number') {
  const error = isNot(what);
  return z
    .union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/, { error })], { error: `write ${what}` })
    .transform(Number);
}

function isNot(what: string) {
  return ({ input }: { readonly input?: unknown }): string =>
    `${JSON.stringify(input)?.slice(0, 80)} is not ${what}`;
}

/** Of a server: without a name and password in it, since a configuration is shown. */
export function url() {
  return withoutPassword(z.url({ protocol: /^https?$/, error: 'write a URL of http or https' }));
}

/** The same of a receiver of telemetry, which people know as `localhost:4318`. */
export function receiverUrl() {
  const error = ({ input }: { readonly input?: unknown }): string =>
    receiverHint(typeof input === 'string' ? input : '');
  return withoutPassword(z.url({ protocol: /^https?$/, error }));
}

function withoutPassword(written: z.ZodURL) {
  return written.refine(
    (text) => {
      if (!URL.canParse(text)) return true;
      const { username, password } = new URL(text);
      return username === '' && password === '';
    },
    { error: 'write it without a password: what is secret stands in a file' },
  );
}

/** A file or directory of the service's host. */
export function hostPath() {
  return z
    .string()
    .min(1, 'write a path')
    .refine((text) => isAbsolute(text) && !text.includes('\0'), {
      error: 'write an absolute path: a service has no place of its own that others know',
    });
}

/** An address, a block of them, or `unix`. */
export function proxyAddress() {
  return z.string().superRefine((text, ctx) => {
    if (text === UNIX || parseCidr(text) !== undefined) return;
    const around = blockAround(text);
    const hint = around === undefined ? '10.0.0.1, 10.0.0.0/8 or unix' : around;
    ctx.addIssue({ code: 'custom', message: `write ${hint}` });
  });
}

/** `true` and `false`, also as the environment has them. */
export function flag() {
  return z.union([z.boolean(), z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })], {
    error: 'write true or false',
  });
}

/** A name of a tenant or a workspace: as it stands in paths and records. */
export function shortName() {
  return z
    .string()
    .regex(TENANT_ID, 'write a-z, 0-9, ., _ and -, at most 64, not .. and no sign at its ends');
}

function quantity(parse: (value: string | number) => number, hint: string) {
  return z.union([z.string(), z.number()], { error: hint }).transform((value, ctx) => {
    try {
      return parse(value);
    } catch (error) {
      if (!isCaissonError(error)) throw error;
      ctx.issues.push({
        code: 'custom',
        message: error.message,
        input: value,
        params: { hint },
      });
      return z.NEVER;
    }
  });
}
