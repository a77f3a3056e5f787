/** A service of a test's own: on loopback, with a state directory that goes with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigDocument, parseConfig } from '../../src/server/config/config.ts';
import { type ServeOptions, type Serving, serve } from '../../src/server/serve.ts';

export interface Served extends AsyncDisposable {
  readonly serving: Serving;
  readonly address: string;
  readonly state: string;
  /** A key of that role, as it goes into `Authorization: Bearer`. */
  key(role: string, tenant?: string): Promise<string>;
  /** A request with a key, or without any. */
  ask(
    method: string,
    path: string,
    options?: {
      readonly key?: string | undefined;
      readonly body?: unknown;
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
  return {
    serving,
    address: serving.address,
    state,
    key: async (role, tenant = 'acme') => {
      const { security } = serving.service;
      const created = await security.keys.create({
        tenant,
        name: role,
        roles: [role as never],
        scopes: [],
        by: 'test',
      });
      return created.token;
    },
    ask: async (method, path, { key, body, headers, signal } = {}) => {
      const response = await fetch(`${serving.address}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
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
