import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cluster, minHash, similarity } from '../../../scripts/threat/cluster.ts';
import { NAME, TEXT, tokensOf } from '../../../scripts/threat/tokens.ts';

const OPERATORS = '+ - * / % & | ^ < > = ! ? : ; . , ( ) [ ] { }'.split(' ');
const WORDS = 'if else for while return try catch new typeof var throw switch v$ v$ v$'.split(' ');

const program = (seed: number, length: number): string => {
  let state = seed * 7919;
  const draw = (from: readonly string[]): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)] as string;
  };
  return Array.from({ length }, (_, at) =>
    at % 2 === 0 ? draw(WORDS).replace('$', `${seed}_${at}`) : draw(OPERATORS),
  ).join(' ');
};
describe('abstract tokens', () => {
  test('do not tell names, texts, numbers, comments and space', () => {
    assert.deepEqual(
      tokensOf('var a = f("x", 1); // c', 'javascript'),
      tokensOf("var/* c */ other=g(  'yy' ,\n0x20 );", 'javascript'),
    );
  });

  test('of tables and split texts do not tell their length', () => {
    const short = tokensOf('t = ["a", "b"]; u = "x" + "y"', 'javascript');
    const long = tokensOf('t = ["a", "b", "c", "d"]; u = "x" + "y" + "z" + "z"', 'javascript');
    assert.deepEqual(short, long);
    assert.ok(short.includes(TEXT) && short.includes(NAME));
  });

  test('tell keywords and operators', () => {
    assert.notDeepEqual(tokensOf('if (a) b', 'javascript'), tokensOf('while (a) b', 'javascript'));
    assert.notDeepEqual(tokensOf('eval(a)', 'javascript'), tokensOf('evil(a)', 'javascript'));
  });

  test('of Python leave out # and take triple quotes whole', () => {
    assert.deepEqual(
      tokensOf('x = """a\n"b" # c"""  # d\ny = 1', 'python'),
      tokensOf("x = 's'\ny = 2", 'python'),
    );
  });

  test('of texts that never end, end', () => {
    assert.ok(tokensOf('`a', 'javascript').length === 1);
    assert.ok(tokensOf('x = """a', 'python').length === 3);
    assert.ok(tokensOf('/* a', 'javascript').length === 0);
  });
});

describe('clusters', () => {
  test('hold what was renamed and padded, and part what is other', () => {
    const sources: string[] = [];
    for (let seed = 1; seed <= 8; seed++) {
      const one = program(seed, 900);
      sources.push(one, one.replaceAll(/v\d+_/g, 'zz'), `var pad = 1;\n${one}\nend();`);
    }
    const clusters = cluster(sources.map((source) => minHash(tokensOf(source, 'javascript'))));
    for (let seed = 0; seed < 8; seed++) {
      const [first, renamed, padded] = clusters.slice(seed * 3, seed * 3 + 3);
      assert.equal(renamed, first);
      assert.equal(padded, first);
    }
    assert.equal(new Set(clusters).size, 8);
  });

  test('are the same in every run', () => {
    const signatures = [1, 2, 3].map((seed) => minHash(tokensOf(program(seed, 50), 'javascript')));
    assert.deepEqual(cluster(signatures), cluster(signatures));
    assert.deepEqual(
      minHash([1, 2, 3, 4, 5, 6, 7, 8]).slice(0, 3),
      minHash([1, 2, 3, 4, 5, 6, 7, 8]).slice(0, 3),
    );
  });

  test('estimate similarity near what it is', () => {
    const base = Array.from({ length: 600 }, (_, at) => Math.imul(at + 1, 40503) & 0xffff);
    const half = [...base.slice(0, 300), ...base.slice(300).map((token) => token ^ 0x5a5a5)];
    const estimate = similarity(minHash(base), minHash(half));
    assert.ok(Math.abs(estimate - 1 / 3) < 0.2, String(estimate));
    assert.equal(similarity(minHash(base), minHash(base)), 1);
  });

  test('of nothing are none, and short ones are compared whole', () => {
    assert.deepEqual(cluster([]), []);
    assert.deepEqual(cluster([minHash([1, 2]), minHash([1, 2]), minHash([2, 1])]), [0, 0, 1]);
  });
});
