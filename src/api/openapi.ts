/** The OpenAPI document of the service, made of its routes. https://spec.openapis.org/oas/v3.1.1 */
import * as z from 'zod/mini';
import { type ErrorCode, errorCodes } from '../core/error.ts';
import { PROBLEM_TYPE, problemSchema } from './problem.ts';
import { type Answer, isBytes, type Route } from './route.ts';
import { routes as allRoutes } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

const EVERYWHERE = [
  'REQUEST_INVALID',
  'REQUEST_TIMEOUT',
  'HEADERS_TOO_LARGE',
  'NOT_FOUND',
  'RATE_LIMITED',
  'DRAINING',
  'INTERNAL',
] as const;
const WITH_CALLER = ['UNAUTHENTICATED', 'FORBIDDEN'] as const;
const WITH_BODY = ['TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED'] as const;
const WITH_KEY = ['IDEMPOTENCY_MISMATCH', 'CONFLICT'] as const;

/** Every code that the route may answer with. */
export function errorsOf(route: Route): readonly ErrorCode[] {
  const codes: ErrorCode[] = [...(route.errors ?? []), ...EVERYWHERE];
  if (route.scope !== 'public') codes.push(...WITH_CALLER);
  // One that is not asked for is looked at, too, but for GET.
  if (route.body !== undefined || route.method !== 'GET') codes.push(...WITH_BODY);
  if (route.idempotent === true) codes.push(...WITH_KEY);
  return [...new Set(codes)];
}

/** @param version of the package */
export function openApiDocument(version: string, routes: readonly Route[] = allRoutes): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operationOf(route),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Caisson',
      version,
      description:
        'Runs code that nobody has reason to trust, behind exactly the isolation it deserves.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a JWT' },
      },
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      headers: {
        RequestId: { description: 'Id of the request, as in the log', schema: { type: 'string' } },
      },
    },
  };
}

function operationOf(route: Route): Json {
  const { id, tag, summary, description, scope } = route;
  const parameters = [...fieldsOf(route, 'path'), ...fieldsOf(route, 'query'), ...headersOf(route)];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(scope === 'public' ? { security: [] } : { 'x-scope': scope }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: bodyOf(route) }),
    responses: { ...answersOf(route), ...problemsOf(route) },
  };
}

function fieldsOf(route: Route, where: 'path' | 'query'): Json[] {
  const schema = where === 'path' ? route.params : route.query;
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...field }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: field,
  }));
}

function headersOf(route: Route): Json[] {
  if (route.idempotent !== true) return [];
  return [
    {
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      description: 'With the same key and body, it is done once and answered again',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    },
  ];
}

function bodyOf({ body, bodyOptional }: Route): Json {
  const required = bodyOptional !== true;
  if (isBytes(body)) {
    const { bytes, description } = body;
    return { required, description, content: { [bytes]: { schema: {} } } };
  }
  if (body === undefined) return {};
  return { required, content: { 'application/json': { schema: jsonSchema(body, 'input') } } };
}

function answersOf({ method, answers }: Route): Record<string, Json> {
  // A document that was read has an ETag.
  const isKept = method === 'GET' && answers[200]?.schema !== undefined;
  return Object.fromEntries(
    Object.entries({ ...answers, ...(isKept ? { 304: NOT_CHANGED } : {}) }).map(
      ([status, answer]) => [status, answerOf(answer)],
    ),
  );
}

const NOT_CHANGED = { description: 'It is what `If-None-Match` names' } satisfies Answer;

function answerOf({ description, schema, content }: Answer): Json {
  const headers = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } };
  if (content !== undefined)
    return { description, headers, content: { [content]: { schema: {} } } };
  if (schema === undefined) return { description, headers };
  return {
    description,
    headers,
    content: { 'application/json': { schema: jsonSchema(schema, 'output') } },
  };
}

/** One answer for each status; several codes may share it. */
function problemsOf(route: Route): Record<string, Json> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(route)) {
    const { status } = errorCodes[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        status,
        {
          description: codes.map((code) => `${code}: ${errorCodes[code].message}`).join('; '),
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      ]),
  );
}

/** JSON Schema 2020-12, which is what OpenAPI 3.1 speaks. */
function jsonSchema(schema: z.ZodMiniType, io: 'input' | 'output'): Json {
  const { $schema: _, $defs, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  // They would be looked for at the root of the whole document.
  if ($defs !== undefined) throw new TypeError('a recursive schema cannot stand in a route');
  return rest;
}
