/** JSON that is read strictly: the same values as the engine reads, and none that another parser may read otherwise. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { JsonProblem, parseStrictJson } from '../../../src/admission/signing/strict-json.ts';

const bounds = { bytes: 100_000, depth: 64 };
const PROTOTYPE = /"(__proto__|constructor|prototype)"/;

describe('strict JSON', () => {
  test('is read as the engine reads it', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 8, stringUnit: 'binary' }),
        fc.boolean(),
        (value, spaced) => {
          const text = JSON.stringify(value, null, spaced ? '\t' : '');
          fc.pre(!PROTOTYPE.test(text));
          assert.deepEqual(parseStrictJson(text, bounds), JSON.parse(text));
          assert.deepEqual(parseStrictJson(Buffer.from(text), bounds), JSON.parse(text));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('has no key twice, wherever and however it is written', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 3 }),
        fc.string({ minLength: 1, maxLength: 5 }),
        (value, key) => {
          const plainKey = JSON.stringify(key);
          const spelled = `"${[...Array(key.length).keys()].map((i) => `\\u${key.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;
          fc.pre(!PROTOTYPE.test(plainKey));
          const inner = JSON.stringify(value);
          fc.pre(!PROTOTYPE.test(inner));
          for (const second of [plainKey, spelled]) {
            for (const text of [
              `{${plainKey}:1,"other ":${inner},${second} :2}`,
              `[{"a":{${second}:${inner},${plainKey}:{}}}]`,
            ])
              if (key !== 'other ')
                assert.throws(() => parseStrictJson(text, bounds), /twice/, text);
          }
          // The same key in two objects is no harm.
          parseStrictJson(`[{${plainKey}:1},{${spelled}:{${plainKey}:2}}]`, bounds);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is refused with a problem of ours, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseStrictJson(bytes, bounds);
        } catch (error) {
          assert.ok(error instanceof JsonProblem, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('is read to its end, or refused, also where it is long or deep', () => {
    const deep = { bytes: 4_000_000, depth: 8 };
    const texts = [
      '"\\"'.repeat(300_000),
      `{"a":"${'\\\\'.repeat(400_000)}"}`,
      `[${'"x",'.repeat(300_000)}1]`,
      `{"${'a'.repeat(900_000)}":1}`,
      '['.repeat(900_000),
    ];
    for (const text of texts) {
      try {
        parseStrictJson(text, deep);
      } catch (error) {
        assert.ok(error instanceof JsonProblem, String(error));
      }
    }
  });
});
