/**
 * Writes the OpenAPI document of the service to docs/openapi.json. test/api/openapi.test.ts says when it has to be run
 * again: whoever changes what is served changes this file with it.
 *
 *   node scripts/write-openapi.ts
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openApiDocument } from '../src/api/openapi.ts';
import { version } from '../src/core/version.ts';

const path = join(resolve(import.meta.dirname, '..'), 'docs/openapi.json');
writeFileSync(path, `${JSON.stringify(openApiDocument(version), null, 2)}\n`);
console.log(`wrote ${path}`);
