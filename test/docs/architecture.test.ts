/** The table of layers is up to date: `node scripts/architecture-layers.ts`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { withLayers } from '../../scripts/architecture-layers.ts';

const repository = resolve(import.meta.dirname, '../..');

test('ARCHITECTURE.md shows the layers of layers.json that exist', () => {
  const page = readFileSync(join(repository, 'ARCHITECTURE.md'), 'utf8');
  assert.equal(page, withLayers(page));
});
