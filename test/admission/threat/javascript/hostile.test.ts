/** Whatever the source is, the analysis answers: no exception, no overflow of the stack, in bounded time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AnalysisNote,
  Analyzer,
  LARGEST_SOURCE,
} from '../../../../src/admission/threat/analyzer.ts';

const analyzer = await Analyzer.open(['javascript', 'typescript']);
const many = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('');

const DEEP: Readonly<Record<string, string>> = {
  lists: `${'['.repeat(1e5)}${']'.repeat(1e5)}`,
  'lists that parse': `x = ${'['.repeat(1500)}${']'.repeat(1500)}`,
  parentheses: '('.repeat(1e5),
  calls: `a${'()'.repeat(1e5)}`,
  'calls that parse': `a${'()'.repeat(2000)}`,
  members: `a${'.b'.repeat(1e5)}`,
  functions: `${'function f(){'.repeat(2000)}${'}'.repeat(2000)}`,
  arrows: `${'x=>'.repeat(5000)}1`,
  blocks: `${'{'.repeat(5000)}${'}'.repeat(5000)}`,
  'else if': `${'if(a){}else '.repeat(20_000)}{}`,
  differences: `x=${'1-'.repeat(3000)}1`,
  choices: `x=${'a?b:'.repeat(3000)}1`,
  negations: `x=${'!'.repeat(4000)}1`,
  templates: `x=${'`${'.repeat(1000)}1${'}`'.repeat(1000)}`,
  patterns: `var ${'['.repeat(3000)}a${']'.repeat(3000)}=b`,
};

for (const [what, source] of Object.entries(DEEP)) {
  test(`deep: ${what}`, () => {
    const { notes, measures } = analyzer.analyze(source, { language: 'javascript', model: false });
    assert.deepEqual(notes, ['too-deep']);
    assert.equal(measures.characters, source.length);
  });
}

const WIDE: Readonly<Record<string, string>> = {
  'a sum of 100,000 texts': `x = ${'"a"+'.repeat(1e5)}"b"`,
  '20,000 variables': many(20_000, (i) => `var v${i}=${i};`),
  'aliases that double': `var a0=require("fs");${many(3000, (i) => `var a${i + 1}=c?a${i}:[a${i},a${i}];`)}`,
  'texts that double': `var a0="x";${many(100, (i) => `var a${i + 1}=a${i}+a${i};`)}eval(a100)`,
  'lists that double': `var a0=[1];${many(60, (i) => `var a${i + 1}=[...a${i},...a${i}];`)}`,
  'lists in lists': 'function f(x){var a=[1];for(var i=0;i<90;i++)a=[a,a];return a+""} f(1)',
  cycles:
    'var o={};o.o=o;o.__proto__=o;o.constructor=o;class A extends A{} a=[];a.push(a);a[0]=a;a.join();fetch(o,a,A)',
  recursion:
    'function f(n){return f(n-1)+f(n-2)} f(100); function a(x){return b(x)} function b(x){return a(x)} a({})',
  'a loop that never ends': 'function f(x){while(true){x+="a"}} f("a")',
  'a list that never stops growing': 'function f(x){var a=[x];while(true)a.push(...a)} f("a")',
  'a chain of 3000 functions': `${many(3000, (i) => `function f${i}(x){return f${i + 1}(x)}`)}f0(require("fs"))`,
  '100,000 items': `x=[${'1,'.repeat(1e5)}];x.join("");x.map(y=>y+1)`,
  'names of the prototype':
    'var o={__proto__:null,hasOwnProperty:1,"toString":2};o["__proto__"]["x"]=1;__proto__=1;constructor=2;hasOwnProperty(3);toString();valueOf.call()',
  'a pattern that backtracks': `"${'a'.repeat(5000)}".replace(/(a+)+b/g,"x").replace(/a*a*b/,"y")`,
  'nested with': `${'with(a)'.repeat(200)}x()`,
  'long keys': `a["${'x'.repeat(1e5)}"].b["${'y'.repeat(1e5)}"].c()`,
  'a text of a million characters': `"${'YWJj'.repeat(250_000)}"`,
};

for (const [what, source] of Object.entries(WIDE)) {
  test(`wide: ${what}`, () => {
    const options = { language: 'javascript', model: false, timeoutMs: 60_000 } as const;
    const { notes } = analyzer.analyze(source, options);
    assert.deepEqual(notes, []);
  });
}

test('a source above the limit is measured, not parsed', () => {
  const source = `a="${'x'.repeat(LARGEST_SOURCE)}"`;
  const { notes, measures, score } = analyzer.analyze(source, {
    language: 'javascript',
    model: false,
  });
  assert.deepEqual(notes, ['too-large']);
  assert.equal(measures.longestLine, source.length);
  assert.ok(score >= 40, 'what cannot be looked at is suspicious');
});

test('a time limit ends it with what was found by then', () => {
  const source = `require("child_process").exec("id");${many(20_000, (i) => `f${i}(a.b.c, [${i}]);`)}`;
  const { notes, findings } = analyzer.analyze(source, {
    language: 'javascript',
    model: false,
    timeoutMs: 1,
  });
  assert.deepEqual(notes, ['time-limit']);
  assert.ok(
    findings.some(
      ({ family }) =>
        family === 'evasion' || family === 'resource-abuse' || family === 'obfuscation',
    ),
  );
});

const ODD: readonly (readonly [string, string | Uint8Array, readonly AnalysisNote[]])[] = [
  ['nothing', '', []],
  ['white space', ' \n\t', []],
  ['JSON', '{"a": [1, {"b": null}]}', []],
  ['a mark at the beginning', '\uFEFFf(1)', []],
  ['a shebang', '#!/usr/bin/env node\nf(1)', []],
  ['UTF-16', Buffer.from('\uFEFFf(1)', 'utf16le'), []],
  ['a script that is no module', 'with (a) b(); var let = 010', []],
  ['JSX', 'const a = <div onClick={() => f()}>{b}</div>', []],
  ['return outside of functions', 'return f(1)', []],
  ['a lone surrogate', 'x = "\uD800"', ['invalid-utf8']],
  [
    'bytes that are no UTF-8',
    new Uint8Array([0x61, 0x3d, 0x22, 0xff, 0xfe, 0x22]),
    ['invalid-utf8'],
  ],
  ['a NUL', 'f(1)\u0000', ['polyglot', 'partly-parsed']],
  ['HTML', '<html><script>f(1)</script>', ['polyglot', 'partly-parsed']],
  ['a picture', 'GIF89a=1;f(1)', ['polyglot']],
  ['an archive at its end', '//PK\u0001\u0002aaaaPK\u0005\u0006bbbb', ['polyglot']],
  ['a broken line', 'f(1);\nconst x = = 2;\ng(3)', ['partly-parsed']],
];

for (const [what, source, notes] of ODD) {
  test(`odd: ${what}`, () => {
    assert.deepEqual(
      analyzer.analyze(source, { language: 'javascript', model: false }).notes,
      notes,
    );
  });
}

test('what stands after a broken line is found', () => {
  const source = 'const cp = require("child_process");\nconst x = = 2;\ncp.exec("id");';
  const { findings } = analyzer.analyze(source, { language: 'javascript', model: false });
  const found = findings.find(({ family }) => family === 'child-process');
  assert.equal(found?.range.line, 3);
});

test('code in texts that are run is looked at, too', () => {
  const source = `eval(atob("${btoa('require("child_process").exec("id")')}"))`;
  const { findings } = analyzer.analyze(source, { language: 'javascript', model: false });
  assert.ok(findings.some(({ family }) => family === 'child-process'));
});

const SEEDS = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text that is analysed.
  'const {exec: e} = require("child_process"); e(`id ${process.env.HOME}`);',
  'class A extends B { #x = 1; static { f() } get y() { return this.#x } async *m(...a) { yield* a } }',
  'export default async ({ a = 1, ...b }, [c, , d]) => { for await (const x of b) try { await x } catch { throw d } }',
  'label: for (const k in o) { switch (k) { case "a": continue label; default: o[k] ??= (0, eval)(k) } }',
  '[1, ...x].map((c) => String.fromCharCode(c ^ 7)).join("").replace(/a/g, "b")?.[y]?.();',
];

test('any change of a source, of any length, is answered', () => {
  const edits = fc.array(
    fc.tuple(fc.nat(400), fc.nat(30), fc.string({ unit: 'binary', maxLength: 6 })),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...SEEDS),
      edits,
      fc.constantFrom('javascript', 'typescript'),
      (seed, changes, language) => {
        let source = seed;
        for (const [at, cut, put] of changes) {
          const from = at % (source.length + 1);
          source = source.slice(0, from) + put + source.slice(from + cut);
        }
        const { score, findings } = analyzer.analyze(source, { language, model: false });
        assert.ok(score >= 0 && score <= 100);
        for (const { range } of findings) {
          assert.ok(range.start >= 0 && range.end >= range.start && range.end <= source.length + 1);
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('any bytes are answered', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const { score } = analyzer.analyze(bytes, { language: 'javascript', model: false });
      assert.ok(score >= 0 && score <= 100);
    }),
    { numRuns: 200 },
  );
});

test('the same source has the same answer', () => {
  const source = `${SEEDS.slice(0, 1).join('\n')}`;
  const once = analyzer.analyze(source, { language: 'javascript' });
  const again = analyzer.analyze(source, { language: 'javascript' });
  assert.deepEqual({ ...once, elapsedMs: 0 }, { ...again, elapsedMs: 0 });
});
