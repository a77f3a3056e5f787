// biome-ignore-all lint/suspicious/noTemplateCurlyInString: texts of another language, and of the tree as it is shown
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { lower, open } from '../../../../src/admission/threat/python/front-end.ts';
import type { ProgramTree } from '../../../../src/admission/threat/tree.ts';
import { show } from '../show.ts';

before(open);

const lowered = (source: string): string => {
  const tree = lower(source);
  assert.deepEqual(tree.problems, [], source);
  return show(tree);
};

const cases: readonly (readonly [source: string, tree: string])[] = [
  ['import os, sys as s', 'import os(* as os); import sys(* as s)'],
  ['import a.b.c', 'import a.b.c(); import a(* as a)'],
  ['import a . b as c', 'import a.b(* as c)'],
  ['from x.y import (z as w, q)', 'import x.y(z as w, q as q)'],
  ['from . import r', 'import .(r as r)'],
  ['from ..p import t', 'import ..p(t as t)'],
  [
    'from os import *\nsystem(x)\nx = print',
    'import os(system as system); system(x); var x = print',
  ],
  ["__import__('os').system('ls')", '__import__("os").system("ls")'],
  ['f(a, *b, c=1, **d)', 'f(a, #...(b), c=1, **=#...(d))'],
  ["x = b'\\x41\\101\\u0041'", 'var x = "AA\\\\u0041"'],
  ["x = r'\\n' '\\N{DASH}\\\n' u'\\u0041\\U0001F600'", 'var x = "\\\\n\\\\N{DASH}A😀"'],
  ['x = f"a{b!r:>{w}}c{{}}" "d"', 'var x = `a|${b}|c{}|d`'],
  [
    'x = 0x1F, 0o17, 0b11, 1_0, -1, .5, 1e3, 10L, 1j',
    'var x = [31, 15, 3, 10, -1, 0.5, 1000, 10, undefined]',
  ],
  ['x = 123456789012345678901234567890', 'var x = 123456789012345678901234567890'],
  [
    's[::-1], s[1:], s[:2], s[i], s[1, 2]',
    's.%slice(null, null, -1); s.%slice(1, null); s.%slice(null, 2); s[i]; s[[1, 2]]',
  ],
  ['[f(x) for x in y if x]', 'y.%each((x) => {if (x) {return [f(x)]} else {return []}})'],
  ['{a: b for a, b in c}', 'c.%each(([a, b]) => {return [[a, b]]})'],
  ['[x for y in z for x in y]', 'z.%each((y) => {return y.%each((x) => {return [x]})})'],
  ['f(lambda a, *b, c=1, **d: a)', 'f((a, ...b, c = 1, d) => {return a})'],
  ['(m := g()) and h(m)', 'var m; (m = g() | h(m))'],
  ['x = a if b else c', 'var x = (b ? a | c)'],
  ['a.b = c = d', 'var c; a.b = c = d'],
  ['a, (b, *c) = d', 'var [a, [b, ...c]] = d'],
  ['x += 1\ny.z %= 2', 'var x; x += 1; y.z %= 2'],
  ["x = 'a' + b + 'c' + d", 'var x = <+>("a", b, "c", d)'],
  ['x = not a < b in c', 'var x = <not>(<< in>(a, b, c))'],
  ['if a: b()\nelif c: d()\nelse: e()', 'if (a) {b()} else {if (c) {d()} else {e()}}'],
  ['while True: f()', 'loop () {f()}'],
  ['while 1: break\nelse: g()', 'loop () {break}; g()'],
  ['for i, j in k: l(i)', 'var [i, j]; loop ([i, j] of k) {l(i)}'],
  ["with open('f') as f, g(): f.read()", 'var f = open("f"); g(); f.read()'],
  ['async def f():\n async with a as b: await b.c()', 'def f = () => {var b = a; #await(b.c())}'],
  [
    'try: a()\nexcept (B, C) as e: d(e)\nelse: f()\nfinally: g()',
    'try {a(); f()} {if () {var e = undefined; d(e)}} {g()}',
  ],
  [
    '@a.b(1)\ndef f(x: int, /, y: str = 2, *, z) -> int: return x',
    'def f = (x, y = 2, z) => {return x}; a.b(1)(f)',
  ],
  ['def f():\n global g\n g = 1\n l = 2', 'def f = () => {module g = 1; var l = 2}'],
  [
    'def f():\n x = 1\n def g():\n  nonlocal x\n  x = 2',
    'def f = () => {var x = 1; def g = () => {x = 2}}',
  ],
  ['if a:\n def f(): pass', 'if (a) {var f = () => {}}'],
  [
    'class A(b.C, metaclass=M):\n x = y()\n z()\n def m(self, p): self.q = p',
    'z(); M; var A = class{"x": y(), "m": (p) => {var self = this; self.q = p}} < b.C',
  ],
  ['class A:\n @staticmethod\n def m(p): pass', 'var A = class{"m": (p) => {}}'],
  [
    "match c:\n case 'x' | 'y': f()\n case [a] if a: g(a)",
    'var %subject = c; if (<match>(%subject, "x", "y")) {f()}; if (<match>(%subject, a)) {var a = %subject; g(a)}',
  ],
  ["print 'x'\nexec 'c' in n", 'print("x"); exec("c", n)'],
  ['"""text"""\ndef f():\n "text"\n return 1', 'def f = () => {return 1}'],
  ['"""text"""\nexec(__doc__)', 'var __doc__ = "text"; exec(__doc__)'],
  ['del x\nassert y\nraise Z(1)', '<delete>(x); <assert>(y); throw Z(1)'],
  ['x = {**a, "b": 1}', 'var x = {...: a, "b": 1}'],
];
for (const [source, tree] of cases) {
  test(source.replaceAll('\n', ' ⏎ '), () => assert.equal(lowered(source), tree));
}

test('places are in units of UTF-16', () => {
  const source = 'x = "é😀"\ny = f("ö", eval)\n# 😀\n';
  const tree = lower(source);
  const [, second] = tree.body;
  assert.equal(second?.kind, 'bind');
  const call = second.kind === 'bind' ? second.value : undefined;
  assert.equal(call && source.slice(call.start, call.end), 'f("ö", eval)');
  const [comment] = tree.comments;
  assert.equal(comment && source.slice(comment.start, comment.end), '# 😀');
});

test('pairs of surrogates are whole wherever they stand', () => {
  for (const before of ['', 'a', '"b"; ']) {
    const source = `${before}# ${'😀'.repeat(9000)}\nx = "${'😀é'.repeat(9000)}"\nf(y)\n`;
    const tree = lower(source);
    assert.deepEqual(tree.problems, []);
    const call = tree.body.at(-1);
    assert.equal(call && source.slice(call.start, call.end), 'f(y)');
  }
});

test('what cannot be parsed is told, and what stands around and within it is kept', () => {
  const tree = lower('import os\nos.system("a")\n)(]\nos.system("b")\nx = (((\n');
  assert.ok(tree.problems.length > 0);
  assert.match(show(tree), /os\.system\("a"\)/);
  assert.match(show(tree), /os\.system\("b"\)/);
});

/** Far beyond what Python itself takes. */
const many = 20_000;
const hostile: Readonly<Record<string, string>> = {
  brackets: '('.repeat(many) + ')'.repeat(many),
  'open brackets': 'x = ['.repeat(many),
  calls: `${'f('.repeat(many)}1${')'.repeat(many)}`,
  members: `x${'.a'.repeat(many)}()`,
  'called results': `x${'()'.repeat(many)}`,
  subscripts: `x${'[0]'.repeat(many)}`,
  not: `x = ${'not '.repeat(many)}1`,
  minus: `x = ${'-'.repeat(many)}1`,
  sums: `x = ${'a + '.repeat(many)}1`,
  differences: `x = ${'a - '.repeat(many)}1`,
  and: `x = ${'a and '.repeat(many)}1`,
  conditions: `x = ${'a if b else '.repeat(many)}1`,
  lambdas: `x = ${'lambda: '.repeat(many)}1`,
  'chained assignments': `${'a = '.repeat(many)}1`,
  indentation: Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}if x:`).join('\n'),
  elif: `if a: b\n${'elif a: f()\n'.repeat(many)}`,
  'nested f-strings': `x = ${'f"{'.repeat(200)}1${'}"'.repeat(200)}`,
  'texts beside each other': `x = ${'"a" '.repeat(many)}`,
  'one line': `x = "${'a'.repeat(5_000_000)}"`,
  statements: 'f(1);'.repeat(100_000),
  NULs: 'import os\0\nos.system("\0")\n\0\0\0',
  'lone surrogates': 'x = "\ud800"\n\udc00 = 1\n',
  'byte order mark': '\ufeffimport os\n',
  'tabs and spaces': 'if a:\n\tb()\n        c()\n  d()\n',
  'carriage returns': 'if a:\r\n  b()\r\n  c()\r',
  'unterminated text': 'x = """abc\n',
  'unterminated quotes': '"\'\n'.repeat(many),
  decorators: `${'@a\n'.repeat(many)}def f(): pass`,
  digits: `x = ${'9'.repeat(100_000)}`,
  'star imports': `${'from a import *\n'.repeat(500)}f()\n`,
  nothing: '',
};
for (const [what, source] of Object.entries(hostile)) {
  test(`hostile: ${what}`, () => {
    const tree: ProgramTree = lower(source, performance.now() + 20_000);
    assert.ok(tree.depth <= 402, `depth ${tree.depth}`);
  });
}

test('what is nested too deeply is left out and told', () => {
  const tree = lower(`${'f('.repeat(1000)}1${')'.repeat(1000)}`);
  assert.ok(tree.problems.some(({ message }) => message === 'nested too deeply'));
});

test('when the time is over, what was read by then is there', () => {
  const source = 'os.system("a")\n'.repeat(200_000);
  const tree = lower(source, performance.now() + 100);
  assert.ok(tree.problems.some(({ message }) => message === 'time limit of parsing'));
  assert.ok(lower(source.slice(0, 100)).nodes > 5, 'the parser is of use afterwards');
});
