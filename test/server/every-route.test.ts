/** Every route that is served, as the server itself registers it: held against the contract, and against the wrong callers. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as z from 'zod/mini';
import { openApiDocument } from '../../src/api/openapi.ts';
import { isBytes, pathOf, type Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { ROLE_NAMES, ROLES, SCOPES } from '../../src/api/scope.ts';
import { type Served, served } from './served.ts';

interface Registered {
  readonly method: string;
  readonly url: string;
  readonly contract: Route | undefined;
}

interface Refused {
  readonly code: string;
  readonly hint: string;
  readonly details: { readonly scope: string; readonly roles: readonly string[] };
}

/** What stands for a parameter of a path: a thing that is of the tenant acme. */
type Things = Readonly<Record<string, string>>;

describe('every route', () => {
  const registered: Registered[] = [];
  let service: Served;
  let own: Things;

  before(async () => {
    service = await served(
      {},
      {
        onRoute: ({ method, url, config }) => {
          for (const each of [method].flat())
            registered.push({ method: each, url, contract: config?.contract });
        },
      },
    );
    own = await thingsOf(service);
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  test('is in the contract and in the OpenAPI document, and the other way round', () => {
    const inServer = registered.map(
      ({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`,
    );
    const document = openApiDocument('0') as { paths: Record<string, Record<string, unknown>> };
    const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(inServer.sort(), inDocument.sort());
    for (const { contract, url } of registered) assert.ok(contract !== undefined, url);
  });

  test('public are those alone that tell nothing of anybody', () => {
    const open = registered.filter(({ contract }) => contract?.scope === 'public');
    assert.deepEqual(open.map(({ url }) => url).sort(), ['/healthz', '/openapi.json', '/readyz']);
  });

  /** Each is asked in the way its contract wants it, so that nothing but the caller is wrong. */
  const protectedRoutes = routes.filter(({ scope }) => scope !== 'public');
  assert.ok(protectedRoutes.length > 30);

  test('a scraper’s key reads the figures, and nothing else', async () => {
    const headers = { authorization: `Bearer ${await service.keyOfScopes(['metrics:read'])}` };
    const allowed: string[] = [];
    for (const route of protectedRoutes) {
      const { status } = await ask(service, route, own, headers);
      if (status !== 403) allowed.push(`${route.path} ${status}`);
    }
    assert.deepEqual(allowed, ['/metrics 200']);
  });

  for (const route of protectedRoutes) {
    const name = `${route.method} ${route.path}`;

    test(`${name}: not without credentials`, async () => {
      for (const headers of [
        {},
        { authorization: 'Bearer ' },
        { authorization: 'Basic YTpi' },
        { authorization: `Bearer csn_${'0'.repeat(16)}_${'A'.repeat(43)}` },
      ]) {
        const { status, body } = await ask(service, route, own, headers);
        assert.equal(status, 401, JSON.stringify(headers));
        assert.equal((body as { code: string }).code, 'UNAUTHENTICATED');
      }
    });

    test(`${name}: not with every scope but its own`, async () => {
      const others = SCOPES.filter((scope) => scope !== route.scope);
      const key = await service.keyOfScopes(others);
      const { status, body } = await ask(service, route, own, { authorization: `Bearer ${key}` });
      assert.equal(status, 403);
      const { code, hint, details } = body as Refused;
      assert.equal(code, 'FORBIDDEN');
      // What to ask for: the scope, or one of the roles that have it.
      assert.equal(details.scope, route.scope);
      const having = ROLE_NAMES.filter((role) => ROLES[role].some((each) => each === route.scope));
      assert.deepEqual(details.roles, having);
      for (const word of [route.scope, ...having]) assert.match(hint, new RegExp(`\\b${word}\\b`));
    });

    // Whoever stores under a name stores something of their own: test/server/policies.test.ts. Signers are no
    // tenant's: test/server/admission.test.ts.
    if (/\{/.test(route.path) && !['storePolicy', 'revokeSigner'].includes(route.id)) {
      test(`${name}: not what is another tenant's`, async () => {
        const key = await service.key('admin', 'globex');
        const { status, text } = await ask(service, route, own, { authorization: `Bearer ${key}` });
        assert.equal(status, 404, text);
      });
    }
  }
});

async function thingsOf(service: Served): Promise<Things> {
  const key = await service.key('admin');
  const operator = await service.key('operator');
  const made = async (method: string, path: string, body: unknown, by = key) => {
    const { body: value, status, text } = await service.ask(method, path, { key: by, body });
    assert.ok(status < 300, text);
    return value as Record<string, string>;
  };
  const { id = '' } = await made('POST', '/api/sandboxes', {
    workspace: 'private',
    policy: 'moderate',
  });
  await made('PUT', '/api/policies/mine', { version: 1, level: 'strict' });
  await made('POST', '/api/effects/register', { id: 'mine', code: 'export default () => 1' });
  const created = await made('POST', '/api/access/keys', { name: 'spare', roles: ['viewer'] });
  const keyId = (created as unknown as { key: { id: string } }).key.id;
  assert.ok(operator !== '');
  return { sandbox: id, policy: 'mine', module: 'mine@1.0.0', key: keyId, tenant: 'acme' };
}

async function ask(
  service: Served,
  route: Route,
  own: Things,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; body: unknown; text: string }> {
  const path = pathOf(route.path, paramsOf(route, own));
  const query = queryOf(route);
  const options = isBytes(route.body)
    ? { raw: 'x', headers: { ...headers, 'content-type': 'application/octet-stream' } }
    : route.body === undefined
      ? { headers }
      : {
          body: sample(z.toJSONSchema(route.body, { io: 'input', unrepresentable: 'any' })),
          headers,
        };
  // Each from an address of its own: who fails too often from one is not heard any more.
  asked += 1;
  const from = `127.${1 + (asked >> 14)}.${(asked >> 7) & 127}.${1 + (asked & 127)}`;
  return await askFrom(from, service.address, route.method, `${path}${query}`, options);
}

let asked = 0;

function askFrom(
  localAddress: string,
  address: string,
  method: string,
  path: string,
  options: { raw?: string; body?: unknown; headers: Readonly<Record<string, string>> },
): Promise<{ status: number; body: unknown; text: string }> {
  const { raw, body, headers } = options;
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const { hostname, port } = new URL(address);
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    body: unknown;
    text: string;
  }>();
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const asking = request(
    { hostname, port, method, path, localAddress, headers: { ...type, ...headers } },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => {
        const isJson = /json/.test(response.headers['content-type'] ?? '');
        resolve({ status: response.statusCode ?? 0, text, body: isJson ? JSON.parse(text) : text });
      });
    },
  );
  asking.once('error', reject);
  asking.end(payload);
  return promise;
}

function paramsOf({ path }: Route, own: Things): Record<string, string> {
  const id = path.startsWith('/api/sandboxes')
    ? own.sandbox
    : path.startsWith('/api/access/keys')
      ? own.key
      : own.tenant;
  return {
    id: id ?? '',
    name: own.policy ?? '',
    reference: own.module ?? '',
    port: '8080',
    shell: 'none',
    snapshot: 'none',
  };
}

function queryOf({ query }: Route): string {
  if (query === undefined) return '';
  const { properties = {}, required = [] } = z.toJSONSchema(query, {
    io: 'input',
    unrepresentable: 'any',
  }) as { properties?: Record<string, object>; required?: string[] };
  const words = required.map(
    (name) => `${name}=${encodeURIComponent(String(sample(properties[name] ?? {})))}`,
  );
  return words.length === 0 ? '' : `?${words.join('&')}`;
}

/** The least that a schema takes. */
function sample(schema: object): unknown {
  const {
    type,
    anyOf,
    properties,
    required,
    items,
    minItems,
    enum: choices,
    minimum,
    pattern,
  } = schema as {
    type?: string;
    anyOf?: object[];
    properties?: Record<string, object>;
    required?: string[];
    items?: object;
    minItems?: number;
    enum?: unknown[];
    const?: unknown;
    minimum?: number;
    pattern?: string;
  };
  if ('const' in schema) return schema.const;
  if (choices !== undefined) return choices[0];
  if (anyOf !== undefined) return sample(anyOf[0] ?? {});
  if (type === 'object') {
    return Object.fromEntries(
      (required ?? []).map((name) => [name, sample(properties?.[name] ?? {})]),
    );
  }
  if (type === 'array') return Array.from({ length: minItems ?? 0 }, () => sample(items ?? {}));
  if (type === 'integer' || type === 'number') return minimum ?? 1;
  if (type === 'boolean') return true;
  const fits = ['true', '644', '1.0.0'].find((each) => new RegExp(pattern ?? '').test(each));
  return fits ?? 'true';
}
