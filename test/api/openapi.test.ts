/** The OpenAPI document: valid, the one that is checked in, and of every route. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { errorsOf, openApiDocument } from '../../src/api/openapi.ts';
import { parameterNames } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { errorCodes } from '../../src/core/error.ts';
import { version } from '../../src/core/version.ts';

const document = openApiDocument(version) as {
  paths: Record<string, Record<string, { operationId: string; responses: object }>>;
};

test('is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.equal(valid, true, JSON.stringify(errors));
});

test('is the one that is checked in: node scripts/write-openapi.ts', () => {
  const path = join(import.meta.dirname, '../../docs/openapi.json');
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(JSON.stringify(document)));
});

test('every route once, by a name of its own', () => {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  assert.equal(operations.length, routes.length);
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, routes.length);
});

for (const route of routes) {
  test(`${route.method} ${route.path}: parameters and statuses`, () => {
    const names = Object.keys((route.params as { shape?: object } | undefined)?.shape ?? {});
    assert.deepEqual(names.sort(), parameterNames(route.path).sort());
    const statuses = new Set(
      Object.keys(document.paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {}),
    );
    for (const code of errorsOf(route))
      assert.ok(statuses.has(String(errorCodes[code].status)), code);
    for (const status of Object.keys(route.answers)) assert.ok(statuses.has(status));
  });
}

test('every field is described', () => {
  const bare: string[] = [];
  const look = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const { properties } = schema as { properties?: Record<string, { description?: string }> };
    for (const [name, field] of Object.entries(properties ?? {})) {
      if (field.description === undefined) bare.push(`${path}.${name}`);
    }
    for (const [name, value] of Object.entries(schema)) look(value, `${path}.${name}`);
  };
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      look((operation as { requestBody?: unknown }).requestBody, `${method} ${path}`);
    }
  }
  assert.deepEqual(bare, []);
});
