/** What came back: read within bounds, understood, or told of as REMOTE_FAILED. Whoever answered need not be a service of Caisson. */

import type { IncomingMessage } from 'node:http';
import { errorOf, type Problem, problemSchema } from '../api/problem.ts';
import type { Route } from '../api/route.ts';
import { CaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';

const MOST_PROBLEM_BYTES = 2 ** 20;
/** Of what a stranger says, in our messages. */
const MOST_SHOWN = 300;

/**
 * @param mostBytes more is not read
 * @throws REMOTE_FAILED, ABORTED
 */
export async function textOf(
  response: IncomingMessage,
  mostBytes: number,
  signal?: AbortSignal,
): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    // Left early, it is destroyed, and its connection with it.
    for await (const part of response as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > mostBytes) throw tooLarge(mostBytes);
      parts.push(part);
    }
  } catch (cause) {
    throw cut(cause, signal);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What a reader of an answer's body is told. */
export function cut(cause: unknown, signal?: AbortSignal): unknown {
  if (cause instanceof CaissonError) return cause;
  if (signal?.aborted === true) return failure(cause, signal);
  return remoteFailed('its answer ended in the middle', cause);
}

/** The document that a route answers with. @throws what the service says, REMOTE_FAILED */
export function documentOf(route: Route, status: number, text: string): unknown {
  const promised = route.answers[status];
  if (promised === undefined) {
    throw remoteFailed(`it answered ${status}, which ${route.id} never does`);
  }
  if (promised.schema === undefined) return undefined;
  const value = tryJson(text);
  if (value === undefined) throw remoteFailed('its answer is not JSON');
  // It failed after its status had been sent: docs/service.md, "Long calls".
  if (isLate(value)) throw errorOf(value.problem);
  const checked = safeParse(promised.schema, value);
  if (checked.success) return value;
  const [{ path = [], message = '' } = {}] = checked.error.issues;
  throw remoteFailed(
    `its answer is not what ${route.id} promises: ${path.map(String).join('.')}: ${message}`,
  );
}

/** @throws never: what it says is what is returned */
export async function refusalOf(
  response: IncomingMessage,
  signal?: AbortSignal,
): Promise<CaissonError> {
  const { statusCode = 0 } = response;
  let value: unknown;
  try {
    value = tryJson(await textOf(response, MOST_PROBLEM_BYTES, signal));
  } catch (error) {
    if (signal?.aborted === true) return error as CaissonError;
  }
  const parsed = safeParse(problemSchema, value);
  if (parsed.success) return errorOf(parsed.data);
  const { code, detail } = (value ?? {}) as { readonly code?: unknown; readonly detail?: unknown };
  if (typeof code === 'string' && typeof detail === 'string') {
    // A code of a service that is newer than this client.
    return remoteFailed(`it refused: ${shown(code)}: ${shown(detail)}`);
  }
  const where = statusCode >= 300 && statusCode < 400 ? ', elsewhere, where nothing is sent,' : '';
  return remoteFailed(`it answered ${statusCode}${where} and not as a service of Caisson does`);
}

/** @throws REMOTE_FAILED */
export function parsedJson(text: string): unknown {
  const value = tryJson(text);
  if (value === undefined) throw remoteFailed('what it sent is not JSON');
  return value;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isLate(value: unknown): value is { readonly problem: Problem } {
  if (typeof value !== 'object' || value === null || !('problem' in value)) return false;
  return Object.keys(value).length === 1 && safeParse(problemSchema, value.problem).success;
}

export function failure(cause: unknown, signal: AbortSignal | undefined): CaissonError {
  if (signal?.aborted === true) {
    return new CaissonError('ABORTED', { layer: 'client', cause: signal.reason });
  }
  const { code = '', message } = cause as NodeJS.ErrnoException;
  // OpenSSL's own words for it are a line of file names.
  if (/wrong version number/.test(message)) {
    const details = { errno: code };
    return remoteFailed('it speaks no TLS there', cause, details, 'write http:// in its address');
  }
  return remoteFailed(message, cause, code === '' ? {} : { errno: code }, HINTS[code]);
}

const TRUST = 'give the certificate that its one leads to as ca (PEM)';
const ADDRESS = 'look whether url is right, and can be reached from here';
/** By the code of Node, what its caller can do. */
const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'no socket is there: start the service (caisson serve), or correct socketPath',
  ECONNREFUSED: 'nobody listens there: start the service (caisson serve), or correct the address',
  EACCES: 'the socket is its owner’s: ask as that user, or give it a mode (listen.socketMode)',
  ENOTFOUND: 'no host has that name: correct url',
  EAI_AGAIN: ADDRESS,
  EHOSTUNREACH: ADDRESS,
  ENETUNREACH: ADDRESS,
  ETIMEDOUT: ADDRESS,
  ECONNRESET: 'look whether it runs, and whether its address begins with https://',
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TRUST,
  ERR_TLS_CERT_ALTNAME_INVALID: 'ask by a name that its certificate has',
  CERT_HAS_EXPIRED: 'its operator has to renew its certificate (listen.tls.certFile)',
};

export function remoteFailed(
  message: string,
  cause?: unknown,
  details: Readonly<Record<string, unknown>> = {},
  hint = 'look whether it runs: GET /healthz',
): CaissonError {
  return new CaissonError('REMOTE_FAILED', {
    layer: 'client',
    message: `the service could not be asked: ${message}`,
    hint,
    cause,
    details,
  });
}

function tooLarge(mostBytes: number): CaissonError {
  return remoteFailed(`its answer has more than ${mostBytes} bytes (answerBytes)`);
}

function shown(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
