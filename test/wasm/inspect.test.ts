/** What is told of a module, and of what it wants and does not get. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkImports } from '../../src/wasm/check-imports.ts';
import { decode } from '../../src/wasm/decode.ts';
import { inspect } from '../../src/wasm/inspect.ts';
import { valueTypes } from '../../src/wasm/module.ts';
import { build } from './build-module.ts';

const { i32, i64, f64 } = valueTypes;
const module = decode(
  build({
    types: [{ parameters: [i32, i64], results: [f64] }],
    imports: [
      { module: 'env', name: 'work', entity: { kind: 'function', type: 1 } },
      {
        module: 'env',
        name: 'seen',
        entity: { kind: 'global', type: { type: i64, mutable: true } },
      },
      {
        module: 'other',
        name: 'memory',
        entity: { kind: 'memory', type: { minimum: 1, maximum: 16, shared: false } },
      },
    ],
    functions: [
      {
        export: 'run',
        results: ['i32', 'i32'],
        code: [
          ['i32.const', 1],
          ['i32.const', 2],
        ],
      },
    ],
    tables: [
      { element: valueTypes.externref, limits: { minimum: 3, maximum: undefined, shared: false } },
    ],
    globals: [{ type: 'f64', initial: ['f64.const', 0, 0, 0, 0, 0, 0, 0, 0], export: 'ratio' }],
    exports: [{ name: 'again', kind: 'function', index: 0 }],
    start: 1,
  }),
);

test('imports and exports with their types, sizes, features', () => {
  assert.deepEqual(inspect(module), {
    imports: [
      { module: 'env', name: 'work', kind: 'function', type: '(i32, i64) -> (f64)' },
      { module: 'env', name: 'seen', kind: 'global', type: 'mutable i64' },
      { module: 'other', name: 'memory', kind: 'memory', type: 'memory 1..16' },
    ],
    exports: [
      { name: 'run', kind: 'function', type: '() -> (i32, i32)' },
      { name: 'ratio', kind: 'global', type: 'mutable f64' },
      { name: 'again', kind: 'function', type: '(i32, i64) -> (f64)' },
    ],
    memories: [{ minimum: 1, maximum: 16, shared: false }],
    tables: [{ minimum: 3, maximum: undefined, shared: false }],
    codeBytes: 5,
    dataBytes: 0,
    largestBodyBytes: 5,
    functions: 1,
    globals: 1,
    start: true,
    features: ['multi-value', 'reference types'],
    customSections: [],
  });
});

test('unknown imports are named all at once', () => {
  assert.doesNotThrow(() => checkImports(module, () => true));
  assert.throws(
    () => checkImports(module, (from) => from === 'other'),
    (error: { code: string; message: string; details: object }) => {
      assert.equal(error.code, 'WASM_IMPORTS_UNKNOWN');
      assert.match(error.message, /function "env\.work", global "env\.seen"$/);
      assert.deepEqual(error.details, {
        imports: [
          { module: 'env', name: 'work', kind: 'function' },
          { module: 'env', name: 'seen', kind: 'global' },
        ],
      });
      return true;
    },
  );
});
