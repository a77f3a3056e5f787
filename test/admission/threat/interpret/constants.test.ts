/** Texts that are put together, decoded or computed are whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf, seenValue, useOf } from './facts-of.ts';

const SHIFT =
  'function d(s, k) { let o = ""; for (let i = 0; i < s.length; i++) o += String.fromCharCode(s.charCodeAt(i) ^ k); return o }';
const TABLE = `
(function (f, n) { const t = table(); while (!![]) { try { const v = -parseInt(get(0x10)) / 1 + parseInt(get(0x11)) / 2;
  if (v === n) break; else t["push"](t["shift"]()); } catch (e) { t["push"](t["shift"]()); } } }(table, -5));
function get(a, b) { const t = table(); get = function (i, k) { i = i - 0x10; let r = t[i]; return r; }; return get(a, b); }
function table() { const q = ["child_process", "exec", "id", "10abc", "10xyz", "aa", "bb", "cc", "dd", "ee"];
  table = function () { return q; }; return table(); }`;

const FOLDED: readonly (readonly [unknown, string, string?])[] = [
  ['child_process', '"child_" + "process"'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text that is analysed.
  ['child_process', '`child_${"process"}`'],
  ['child_process', '["child", "process"].join("_")'],
  ['exec', '["c", "e", "x", "e"].reverse().join("")'],
  ['exec', '"cexe".split("").reverse().join("")'],
  ['exec', 'String.fromCharCode(101, 120, 101, 99)'],
  ['exec', 'String.fromCharCode(...[101, 120, 101, 99])'],
  ['exec', 'String.fromCharCode.apply(null, [101, 120, 101, 99])'],
  ['exec', '[101, 120, 101, 99].map((c) => String.fromCharCode(c)).join("")'],
  ['exec', '[100, 119, 100, 98].map(function (c) { return String.fromCharCode(c + 1) }).join("")'],
  ['exec', '[101, 120, 101, 99].reduce((a, c) => a + String.fromCharCode(c), "")'],
  ['exec', 'atob("ZXhlYw==")'],
  ['exec', 'Buffer.from("ZXhlYw==", "base64").toString()'],
  ['exec', 'Buffer.from("65786563", "hex").toString("utf8")'],
  ['exec', 'Buffer.from([101, 120, 101, 99]).toString()'],
  ['exec', 'unescape("%65%78ec")'],
  ['exec', 'decodeURIComponent("%65xec")'],
  ['exec', '"\\x65\\x78\\x65\\x63"'],
  ['exec', '"eXxXeXc".replace(/X/g, "")'],
  ['exec', '"e-x-e-c".split("-").join("")'],
  ['exec', '"xexecx".slice(1, -1)'],
  ['exec', '"EXEC".toLowerCase()'],
  ['eval', '(693741).toString(36)'],
  ['exec', '({ a: "exec" }).a'],
  ['exec', 't[1] + t[0]', 'const t = ["ec", "ex"]'],
  ['exec', 'd("gzga", 2)', SHIFT],
  ['exec', 'get(0x18)', TABLE],
  ['child_process', 'get(0x17)', TABLE],
  ['exec', 'dec("ZXhlYw==")', 'const dec = (s) => Buffer.from(s, "base64").toString()'],
  ['exec', 's', 'let s = "ex"; s += "ec"'],
  [7, '1 + 2 * 3'],
  [255, 'parseInt("ff", 16)'],
  [false, '![]'],
];

for (const [constant, expression, before] of FOLDED) {
  test(`${expression} is ${String(constant)}`, () => {
    assert.equal(seenValue(expression, before).constant, constant);
  });
}

test('what differs from call to call is told for each', () => {
  const { uses } = factsOf(`${SHIFT}; seen(d("gzga", 2)); seen(d("hg", 1))`);
  const seen = uses.filter(({ path }) => path === 'global.seen');
  assert.deepEqual(
    seen.map(({ args }) => args[0]?.constant),
    ['exec', 'if'],
  );
});

test('how a text was hidden', () => {
  assert.equal(seenValue('"child_process"').hidden, undefined);
  assert.equal(seenValue('"child_" + "process"').hidden, 'split');
  assert.equal(seenValue('atob("ZXhlYw==")').hidden, 'encoded');
  assert.equal(seenValue('["e", "c"].reverse().join("")').hidden, 'computed');
});

test('folded texts stand among the texts, with how they were hidden', () => {
  const { texts } = factsOf('f(["chi", "ld"].join(""), "plain")').strings;
  const told = new Map(texts.map(({ value, hidden }) => [value, hidden]));
  assert.equal(told.get('child'), 'split');
  assert.equal(told.has('plain'), true);
  assert.equal(told.get('plain'), undefined);
});

test('what is not known does not fold', () => {
  assert.equal(seenValue('x + "a"').constant, undefined);
  assert.equal(seenValue('s', 'let s = ""; for (const c of x) s += c').constant, undefined);
  assert.equal(seenValue('[1, x].join("")').constant, undefined);
  assert.equal(seenValue('"a".repeat(1e9)').constant, undefined);
});

test('either of two constants', () => {
  const value = seenValue('s', 'const s = x ? "cmd.exe" : "/bin/sh"');
  assert.deepEqual(
    [value.constant, value.also?.map(({ constant }) => constant)],
    ['cmd.exe', ['/bin/sh']],
  );
});

test('lists and objects that are handed over show what stands in them', () => {
  const [program, args, options] = useOf(
    'require("child_process").spawn("sh", ["-c", "id"], { shell: true })',
    'node:child_process.spawn',
  ).args;
  assert.equal(program?.constant, 'sh');
  assert.equal(args?.constant, '-c id');
  assert.deepEqual(
    args?.items?.map(({ constant }) => constant),
    ['-c', 'id'],
  );
  assert.equal(options?.entries?.get('shell')?.constant, true);
});

test('tables of texts that a function looks up in', () => {
  const names = Array.from({ length: 12 }, (_, i) => `"name${i}"`).join();
  assert.equal(
    factsOf(`const t = [${names}]; function f(i) { return t[i - 3] } f(x)`).strings.tables[0]
      ?.items,
    12,
  );
  assert.equal(factsOf(`const t = [${names}]; t.forEach(f)`).strings.tables.length, 0);
});

test('texts are counted: the longest, escaped ones, encodings', () => {
  const { strings } = factsOf(
    `f("\\x65\\x78\\x65\\x63", "${'QUJDabc0'.repeat(10)}", "${'0f'.repeat(40)}")`,
  );
  assert.deepEqual(
    [strings.count, strings.longest?.length, strings.escaped, strings.base64, strings.hex],
    [3, 80, 1, 1, 1],
  );
});
