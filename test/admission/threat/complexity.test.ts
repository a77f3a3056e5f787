/** Measures of a text and its tree. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Analyzer, type Measures } from '../../../src/admission/threat/analyzer.ts';

const analyzer = await Analyzer.open(['javascript']);
const measuresOf = (source: string): Measures =>
  analyzer.inspect(source, { language: 'javascript' }).measures;

test('lines, characters and bytes', () => {
  const { bytes, characters, lines, longestLine, averageLine } = measuresOf('f("ä");\n\n  g();');
  assert.deepEqual([bytes, characters, lines, longestLine, averageLine], [16, 15, 3, 7, 5]);
});

test('shares of the characters', () => {
  const { whitespaceShare, digitShare, nonAsciiShare, commentShare } = measuresOf('x = 12 //äb');
  assert.deepEqual(
    [whitespaceShare, digitShare, nonAsciiShare, commentShare].map((share) =>
      Math.round(share * 11),
    ),
    [3, 2, 1, 4],
  );
});

test('entropy: none of one character, one bit of two', () => {
  assert.equal(measuresOf('aaaa').entropy, 0);
  assert.equal(measuresOf('abab').entropy, 1);
});

test('words: how many, how many differ, how long, and those that tools make', () => {
  const { words, distinctWords, averageWord, shortWordShare, hexWordShare } = measuresOf(
    '_0x3f2a(ab, ab, _0x3f2b, other)',
  );
  assert.deepEqual([words, distinctWords], [5, 4]);
  assert.deepEqual([averageWord, shortWordShare, hexWordShare], [23 / 5, 2 / 5, 2 / 5]);
});

test('decisions, functions, loops', () => {
  const { cyclomatic, functions, loops } = measuresOf(
    'function f(a) { if (a) g(); else h(); for (;;) { if (a && b) break } return a ? 1 : 2 } (() => 1)()',
  );
  assert.deepEqual([cyclomatic, functions, loops], [6, 2, 1]);
});
