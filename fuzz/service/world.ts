/** A service with several tenants, things of theirs, and keys of several kinds. */
import { openApiDocument } from '../../src/api/openapi.ts';
import { routes } from '../../src/api/routes.ts';
import { type Served, served } from '../../test/server/served.ts';
import type { Operation } from './requests.ts';
import type { Schema, Things } from './values.ts';

export interface Tenant {
  /** From the most that may be done to the least. */
  readonly keys: readonly string[];
  readonly things: Things;
}

export interface World extends AsyncDisposable {
  readonly service: Served;
  readonly tenants: readonly Tenant[];
  readonly operations: readonly Operation[];
}

const NAMES = ['acme', 'globex', 'initech'];

export async function openWorld(): Promise<World> {
  const service = await served({
    tenants: {
      acme: {},
      globex: { quotas: { kept: 4, modules: 8, policies: 8, keys: 20, workspaceBytes: '1MiB' } },
      initech: { quotas: { kept: 2, concurrency: 4, waiting: 2 } },
    },
    tenantDefaults: { quotas: { kept: 6, workspaceBytes: '16MiB' } },
    manager: { pool: { concurrency: 16 } },
    limits: {
      heartbeatMs: '400ms',
      headersTimeoutMs: '2s',
      requestTimeoutMs: '2s',
      uploadBytes: '1MiB',
      bodyBytes: '256KiB',
    },
    audit: { fsync: 'interval' },
  });
  const tenants: Tenant[] = [];
  for (const name of NAMES) {
    const roles = name === 'acme' ? ['operator', 'admin', 'viewer'] : ['admin', 'developer'];
    const keys = await Promise.all(roles.map((role) => service.key(role, name)));
    const things: Things = {
      sandbox: [],
      snapshot: [],
      shell: [],
      module: [],
      policy: [],
      key: [],
      tenant: ['scratch', 'none'],
      port: [],
    };
    tenants.push({ keys, things });
    const key = keys[0] as string;
    const made = async (method: string, path: string, body: unknown): Promise<void> => {
      const { status, text, body: value } = await service.ask(method, path, { key, body });
      if (status >= 300) throw new Error(text);
      learn(things, path, value);
    };
    await made('POST', '/api/sandboxes', { workspace: 'private', policy: 'moderate' });
    await made('PUT', '/api/policies/mine', { version: 1, level: 'strict' });
    await made('POST', '/api/effects/register', { id: 'mine', code: 'export default (a) => a' });
  }
  return {
    service,
    tenants,
    operations: operationsOf(),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

const MOST = 6;

/** Names of what an answer says is there now. */
export function learn(things: Things, path: string, value: unknown): void {
  const { id, key, name, shell, port } = (value ?? {}) as Record<string, unknown>;
  const add = (list: string[], each: unknown): void => {
    if (typeof each !== 'string' && typeof each !== 'number') return;
    list.push(String(each));
    if (list.length > MOST) list.shift();
  };
  if (/^\/api\/sandboxes(\/[^/]+\/fork)?$|\/open$/.test(path)) add(things.sandbox, id);
  if (path.endsWith('/snapshots')) add(things.snapshot, id);
  if (path.endsWith('/shells')) add(things.shell, id ?? shell);
  if (path.endsWith('/ports')) add(things.port, port);
  if (path.startsWith('/api/policies/')) add(things.policy, name);
  if (path === '/api/access/keys') add(things.key, (key as { id?: unknown } | undefined)?.id);
}

function operationsOf(): Operation[] {
  const { paths } = openApiDocument('0') as unknown as {
    paths: Record<
      string,
      Record<
        string,
        {
          parameters?: Operation['parameters'];
          requestBody?: { content: Record<string, { schema: Schema }> };
          responses: object;
        }
      >
    >;
  };
  return routes.map((route) => {
    const told = paths[route.path]?.[route.method.toLowerCase()];
    if (told === undefined) throw new Error(`${route.id} is not in the OpenAPI document`);
    const body = told.requestBody?.content['application/json']?.schema;
    return {
      route,
      parameters: told.parameters ?? [],
      ...(body === undefined ? {} : { body }),
      statuses: new Set(Object.keys(told.responses).map(Number)),
    };
  });
}
