import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCaissonError } from '../../src/core/error.ts';
import {
  formatBytes,
  formatDuration,
  parseByteRate,
  parseBytes,
  parseCoreBytes,
  parseCores,
  parseCount,
  parseDuration,
  parseWeight,
} from '../../src/core/units.ts';

const rows: [(value: string | number) => number, string | number, number][] = [
  [parseBytes, '512MiB', 512 * 2 ** 20],
  [parseBytes, '512 mib', 512 * 2 ** 20],
  [parseBytes, '512M', 512 * 2 ** 20],
  [parseBytes, '1.5GB', 1.5e9],
  [parseBytes, '2KB', 2000],
  [parseBytes, '65536', 65536],
  [parseBytes, 1, 1],
  [parseBytes, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [parseByteRate, '10MiB/s', 10 * 2 ** 20],
  [parseDuration, '30s', 30_000],
  [parseDuration, '500ms', 500],
  [parseDuration, '1h30m', 5_400_000],
  [parseDuration, '1.5h', 5_400_000],
  [parseDuration, 30, 30_000],
  [parseDuration, '0.1', 100],
  [parseCores, 0.5, 500],
  [parseCores, '2', 2000],
  [parseCount, '7', 7],
  [parseWeight, 10000, 10000],
  [parseCoreBytes, 0, 0],
];

test('quantities are read as they are written', () => {
  for (const [parse, text, value] of rows) assert.equal(parse(text), value, `${text}`);
});

test('zero, negative, fractional, too large and foreign quantities are refused', () => {
  const sizes = [0, -1, '0', '-5MiB', 2 ** 53, '18446744073709551616', '9007199254740992', '1e3'];
  const odd = [
    '',
    ' ',
    '5XiB',
    'MiB',
    '1.1KiB',
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '٣',
    '1 2',
  ];
  for (const text of [...sizes, ...odd]) refused(() => parseBytes(text), `bytes ${text}`);
  for (const text of [0, '0s', '-1s', '1x', '10 parsecs', '', '1s2', 2 ** 60, '1e9h', '0ms']) {
    refused(() => parseDuration(text), `duration ${text}`);
  }
  for (const text of [0, -1, '0.001', 5000, 'two', '1e2'])
    refused(() => parseCores(text), `cores ${text}`);
  for (const text of [0, -1, 1.5, '1.5', '', '0x10', 2 ** 53])
    refused(() => parseCount(text), `count ${text}`);
  refused(() => parseWeight(10001), 'weight');
  refused(() => parseCoreBytes(-1), 'core');
});

test('an inherited name of an object is no unit', () => {
  refused(() => parseBytes('5constructor'), 'constructor');
  refused(() => parseBytes('5__proto__'), '__proto__');
});

test('what is formatted is read back exactly', () => {
  const quantity = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(quantity, (bytes) => assert.equal(parseBytes(formatBytes(bytes)), bytes)));
  const duration = fc.integer({ min: 1, max: 1e12 });
  fc.assert(fc.property(duration, (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)));
});

test('any text is a positive integer or a typed error', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,20} ?[a-zA-Z]{0,4}$/));
  fc.assert(
    fc.property(text, (value) => {
      for (const parse of [parseBytes, parseDuration, parseCount, parseCores, parseByteRate]) {
        try {
          const parsed = parse(value);
          assert.ok(Number.isSafeInteger(parsed) && parsed > 0, `${value} gave ${parsed}`);
        } catch (error) {
          if (!isCaissonError(error)) throw error;
          assert.equal(error.code, 'REQUEST_INVALID');
        }
      }
    }),
    { numRuns: 500 },
  );
});

function refused(run: () => number, what: string): void {
  assert.throws(run, (error) => isCaissonError(error) && error.code === 'REQUEST_INVALID', what);
}
