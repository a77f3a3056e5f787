/** What is wrong with an answer, held against the contract. */
import { errorsOf } from '../../src/api/openapi.ts';
import { PROBLEM_TYPE, problemSchema } from '../../src/api/problem.ts';
import { spawnEvent } from '../../src/api/spawn.ts';
import type { RawAnswer } from '../../test/server/raw-http.ts';
import type { FuzzedRequest, Operation } from './requests.ts';

/** Ready to be answered by any server, before anybody knows which route is meant. */
const ANYWHERE: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 408, 413, 415, 429, 431]);

export function findingsOf(
  operation: Operation,
  request: FuzzedRequest,
  answer: RawAnswer | undefined,
): string[] {
  if (answer === undefined) return request.isWhole ? ['no answer'] : [];
  const { status, headers } = answer;
  const found: string[] = [];
  if (isFault(status)) found.push(`a fault of the service: ${status}`);
  const isDocumented = operation.statuses.has(status);
  if (
    !isDocumented &&
    (request.isOfRoute || !ANYWHERE.has(status)) &&
    !isElsewhere(request, status)
  ) {
    found.push(`a status that is not documented: ${status}`);
  }
  if (headers['x-request-id'] === undefined) found.push('no x-request-id');
  if (headers['x-content-type-options'] !== 'nosniff') found.push('no strict headers');
  if (request.method === 'HEAD') return found;
  const type = headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) return [...found, ...eventFindings(operation, answer)];
  // It waits for room, and says so by white space.
  if (answer.isCut && operation.route.long === true && answer.body.toString().trim() === '')
    return found;
  if (answer.isCut) found.push('an answer without its end');
  if (status >= 400 && status !== 416)
    return [...found, ...problemFindings(operation, request, answer)];
  return [...found, ...bodyFindings(operation, request, answer)];
}

/** 503 is none: this host has no such wall, or is not ready. Where it is not documented, that is found. */
function isFault(status: number): boolean {
  return status >= 500 && status !== 503;
}

/** With another path or method it is a request to another route, of which this knows nothing. */
function isElsewhere({ isOfRoute }: FuzzedRequest, status: number): boolean {
  return !isOfRoute && (status < 400 || [409, 412, 422].includes(status));
}

function problemFindings(
  operation: Operation,
  request: FuzzedRequest,
  answer: RawAnswer,
): string[] {
  if (answer.headers['content-type'] !== PROBLEM_TYPE)
    return [`a problem as ${answer.headers['content-type']}`];
  const value = parsed(answer.body);
  const problem = problemSchema.safeParse(value);
  if (!problem.success) return [`a problem that is none: ${JSON.stringify(value)?.slice(0, 200)}`];
  const { code, status, detail } = problem.data;
  const found: string[] = [];
  if (status !== answer.status)
    found.push(`a problem of status ${status} answered with ${answer.status}`);
  if (request.isOfRoute && !errorsOf(operation.route).includes(code)) {
    found.push(`a code that is not documented: ${code} (${detail.slice(0, 120)})`);
  }
  // Messages of Node and of V8 tell where our code lies.
  if (/\/work\/|node_modules|\bat .*\.ts:/.test(answer.body.toString('latin1')))
    found.push('a place in our code is told');
  return found;
}

function bodyFindings({ route }: Operation, request: FuzzedRequest, answer: RawAnswer): string[] {
  if (!request.isOfRoute) return [];
  const promised = route.answers[answer.status];
  if (promised === undefined) return [];
  if (promised.schema === undefined) {
    return promised.content === undefined && answer.body.length > 0
      ? ['a body where none is promised']
      : [];
  }
  const value = parsed(answer.body);
  const { problem } = (value ?? {}) as { readonly problem?: unknown };
  // A failure after the status was sent: docs/service.md.
  if (route.long === true && problem !== undefined) return laterProblem(route, problem);
  const result = promised.schema.safeParse(value);
  if (result.success) return [];
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  return [`a body that its schema does not fit: ${issues.slice(0, 3).join('; ')}`];
}

function laterProblem(route: Operation['route'], value: unknown): string[] {
  const problem = problemSchema.safeParse(value);
  if (!problem.success) return ['a late problem that is none'];
  if (isFault(problem.data.status)) return [`a fault of the service, late: ${problem.data.code}`];
  return errorsOf(route).includes(problem.data.code)
    ? []
    : [`a late code that is not documented: ${problem.data.code}`];
}

function eventFindings({ route }: Operation, { body }: RawAnswer): string[] {
  const found: string[] = [];
  // The last frame may not have come whole.
  for (const frame of body.toString('utf8').split('\n\n').slice(0, -1)) {
    const data = frame.split('\n').filter((line) => line.startsWith('data: '));
    const name = frame
      .split('\n')
      .find((line) => line.startsWith('event: '))
      ?.slice(7);
    if (data.length === 0) continue;
    const value = parsed(Buffer.from(data.map((line) => line.slice(6)).join('\n')));
    if (value === undefined) found.push(`an event whose data is no JSON: ${frame.slice(0, 100)}`);
    if (name === 'problem') found.push(...laterProblem(route, value));
  }
  return found;
}

/** Of a WebSocket of guests. */
export function messageFindings({ route }: Operation, text: string): string[] {
  const event = spawnEvent.safeParse(parsed(Buffer.from(text)));
  if (!event.success) return [`a message that its schema does not fit: ${text.slice(0, 200)}`];
  return event.data.type === 'problem' ? laterProblem(route, event.data.problem) : [];
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
