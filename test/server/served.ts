/** A service of a test's own: on loopback, with a state directory that goes with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role, Scope } from '../../src/api/scope.ts';
import { type ConfigDocument, parseConfig } from '../../src/server/config/config.ts';
import { type ServeOptions, type Serving, serve } from '../../src/server/serve.ts';

export interface Served extends AsyncDisposable {
  readonly serving: Serving;
  readonly address: string;
  readonly state: string;
  /** A key of that role, as it goes into `Authorization: Bearer`. */
  key(role: string, tenant?: string): Promise<string>;
  keyOfScopes(scopes: readonly Scope[], tenant?: string): Promise<string>;
  /** A request with a key, or without any. */
  ask(
    method: string,
    path: string,
    options?: {
      readonly key?: string | undefined;
      /** Sent as JSON. */
      readonly body?: unknown;
      /** Sent as it is. */
      readonly raw?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    },
  ): Promise<{ status: number; headers: Headers; body: never; text: string }>;
}

export async function served(
  document: ConfigDocument = {},
  {
    state = mkdtempSync(join(tmpdir(), 'caisson-served-')),
    ...options
  }: { readonly state?: string } & ServeOptions = {},
): Promise<Served> {
  const config = parseConfig({
    stateDirectory: state,
    tenants: { acme: {}, globex: {} },
    ...document,
    listen: { port: 0, ...document.listen },
  });
  const serving = await serve(config, options);
  const newKey = async (grant: {
    tenant: string;
    roles: readonly Role[];
    scopes: readonly Scope[];
  }) => {
    const { keys } = serving.service.security;
    return (await keys.create({ ...grant, name: 'of a test', by: 'test' })).token;
  };
  return {
    serving,
    address: serving.address,
    state,
    key: (role, tenant = 'acme') => newKey({ tenant, roles: [role as Role], scopes: [] }),
    keyOfScopes: (scopes, tenant = 'acme') => newKey({ tenant, roles: [], scopes }),
    ask: async (method, path, { key, body, raw, headers, signal } = {}) => {
      const response = await fetch(`${serving.address}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(raw === undefined ? {} : { body: raw }),
        ...(signal === undefined ? {} : { signal }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: (isJson && text !== '' ? JSON.parse(text) : undefined) as never,
      };
    },
    [Symbol.asyncDispose]: async () => {
      await serving.stop(0);
      rmSync(state, { recursive: true, force: true });
    },
  };
}
