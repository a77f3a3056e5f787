/** Whatever it is called by: the canonical path of what is called. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calledBy, factsOf, useOf } from './facts-of.ts';

const EXEC = 'node:child_process.exec';

const WAYS: readonly (readonly [string, string])[] = [
  [EXEC, 'require("child_process").exec("id")'],
  [EXEC, 'const { exec: e } = require("node:child_process"); e("id")'],
  [EXEC, 'import { exec as e } from "child_process"; e("id")'],
  [EXEC, 'import * as cp from "child_process"; cp.exec("id")'],
  [EXEC, 'import cp from "node:child_process"; cp["exec"]("id")'],
  [EXEC, 'import("child_process").then((m) => m.exec("id"))'],
  [EXEC, 'import("child_process").then(({ default: { exec } }) => exec("id"))'],
  [EXEC, '(async () => { const { exec } = await import("child_process"); exec("id") })()'],
  [EXEC, 'process.mainModule.require("child_process").exec("id")'],
  [EXEC, 'module.constructor._load("child_process").exec("id")'],
  [EXEC, 'process.getBuiltinModule("child_process").exec("id")'],
  [EXEC, 'const r = require; const m = "child_" + "process"; r(m).exec("id")'],
  [EXEC, 'globalThis["req" + "uire"]("child_process").exec("id")'],
  [EXEC, 'require("module").createRequire("/")("child_process").exec("id")'],
  [EXEC, 'const o = { cp: require("child_process") }; o.cp.exec("id")'],
  [EXEC, 'class A { cp = require("child_process"); go() { this.cp.exec("id") } }'],
  [
    EXEC,
    'class A { constructor() { this.cp = require("child_process") } go() { this.cp.exec("id") } }',
  ],
  [
    EXEC,
    'function F() { this.cp = require("child_process") } F.prototype.go = function () { this.cp.exec("id") }',
  ],
  [EXEC, 'const cp = () => require("child_process"); cp().exec("id")'],
  [EXEC, 'function load(name) { return require(name) } load("child_process").exec("id")'],
  [EXEC, '((cp) => cp.exec("id"))(require("child_process"))'],
  [EXEC, 'const [, cp] = [1, require("child_process")]; cp.exec("id")'],
  [EXEC, 'const { a: { cp } } = { a: { cp: require("child_process") } }; cp.exec("id")'],
  [EXEC, 'let cp; if (x) cp = require("child_process"); else cp = null; cp.exec("id")'],
  [EXEC, 'const f = require("child_process").exec; f.call(null, "id")'],
  [EXEC, 'Reflect.apply(require("child_process").exec, null, ["id"])'],
  [EXEC, 'Reflect.get(require("child_process"), "exec")("id")'],
  [EXEC, 'require("child_process").exec.bind(null)("id")'],
  [EXEC, 'require("child_process").exec.apply(null, ["id"])'],
  [EXEC, 'with (require("child_process")) { exec("id") }'],
  [EXEC, 'const cp = { ...require("child_process") }; cp.exec("id")'],
  [EXEC, 'Promise.resolve(require("child_process")).then((m) => m.exec("id"))'],
  [EXEC, 'new Promise((done) => done(require("child_process"))).then((m) => m.exec("id"))'],
  [EXEC, 'global.cp = require("child_process"); cp.exec("id")'],
  [EXEC, 'const o = {}; o.cp = require("child_process"); o["c" + "p"].exec("id")'],
  [EXEC, 'const o = { get cp() { return require("child_process") } }; o.cp.exec("id")'],
  [EXEC, '[require("child_process")].forEach((cp) => cp.exec("id"))'],
  [EXEC, 'for (const cp of [require("child_process")]) cp.exec("id")'],
  [EXEC, 'function* g() { yield require("child_process") } const a = g(); a.exec("id")'],
  [EXEC, 'const load = eval("require"); load("child_process").exec("id")'],
  ['global.eval', '(0, eval)("1")'],
  ['global.eval', 'globalThis["ev" + "al"]("1")'],
  ['global.eval', 'const e = window.self.eval; e("1")'],
  ['?.constructor.constructor', '[].constructor.constructor("return 1")'],
  ['?.constructor.constructor', 'this.constructor.constructor("return 1")'],
  ['?.constructor.constructor', '(() => {}).constructor("return 1")'],
  ['global.process.exit', 'Function("return process")().exit(1)'],
  ['global.process.exit', 'new Function("return this")().process.exit(1)'],
  ['global.process.exit', '[]["filter"]["constructor"]("return process")().exit(1)'],
  ['?.constructor.constructor', 'const { constructor: { constructor: F } } = []; F("return 1")'],
  ['node:child_process.exec', 'Object.create(require("child_process")).exec("id")'],
  ['global.process.exit', '[]["constructor"]["constructor"]("return this.process")().exit(1)'],
  ['node:net.connect().write', 'const s = require("net").connect(1); s.write("x")'],
  ['npm:axios.post', 'import axios from "axios"; axios.post("http://example.invalid")'],
  ['npm:axios.create().post', 'const c = require("axios").create(); c.post("x")'],
  ['global.WebSocket().send', 'new WebSocket("ws://example.invalid").send(1)'],
  ['?.exec', 'function f(a) { a.exec("id") }'],
];

for (const [path, source] of WAYS) {
  test(`${path}: ${source}`, () => {
    assert.ok(calledBy(source).includes(path), `called: ${calledBy(source).join(' ')}`);
  });
}

test('a name that the program binds itself is not the global one', () => {
  assert.deepEqual(calledBy('function eval(x) { return x } eval("1")'), []);
  assert.deepEqual(calledBy('const require = (x) => x; require("fs").exec()'), ['?.exec']);
  assert.deepEqual(calledBy('{ let fetch = () => 1; fetch(1) } fetch(2)'), ['global.fetch']);
});

test('a variable is what was assigned last, and either where that depends', () => {
  const one = 'let m = require("fs"); m = require("os"); m.arch()';
  assert.deepEqual(calledBy(one), ['node:os.arch']);
  const either = 'let m = require("fs"); if (x) m = require("os"); m.arch()';
  assert.deepEqual([...calledBy(either)].sort(), ['node:fs.arch', 'node:os.arch']);
});

test('imports, and loading of what is not known, are told apart', () => {
  const { uses } = factsOf('require("fs"); require(location.hash)');
  assert.deepEqual(
    uses.filter(({ form }) => form !== 'read').map(({ form, path }) => [form, path]),
    [
      ['import', 'node:fs'],
      ['call', 'global.require'],
    ],
  );
});

test('reading and writing: the whole path, and the key that is not known', () => {
  const paths = (source: string, form: string): readonly string[] =>
    factsOf(source)
      .uses.filter((use) => use.form === form)
      .map(({ path }) => path);
  assert.deepEqual(paths('f(process.env.HOME)', 'read'), ['global.process.env.HOME']);
  assert.deepEqual(paths('f({ ...process.env })', 'read'), ['global.process.env']);
  assert.deepEqual(paths('function g(k) { f(process.env[k]) }', 'read'), ['global.process.env[]']);
  assert.deepEqual(paths('const { HOME } = process.env', 'read'), ['global.process.env.HOME']);
  assert.deepEqual(paths('Object.prototype.x = 1', 'write'), ['global.Object.prototype.x']);
  assert.deepEqual(paths('function f(a, b, c) { a[b] = c }', 'write'), ['?[]']);
});

test('what is hidden or renamed is said to be indirect', () => {
  assert.equal(useOf('eval("1")', 'global.eval').indirect, undefined);
  assert.equal(useOf('globalThis[["ev", "al"].join("")]("1")', 'global.eval').indirect, true);
  assert.equal(useOf('const e = eval; e("1")', 'global.eval').indirect, true);
});

test('what a test was made of stands in what depends on it', () => {
  const { under } = useOf('if (require("os").platform() === "win32") fetch("x")', 'global.fetch');
  assert.deepEqual(
    under?.map(({ path }) => path),
    ['node:os.platform'],
  );
});

test('functions are numbered; the module itself is 0', () => {
  assert.equal(useOf('fetch(1)', 'global.fetch').within, 0);
  assert.notEqual(useOf('function f() { fetch(1) }', 'global.fetch').within, 0);
});

test('a loop without an end, and one with', () => {
  assert.equal(useOf('for (;;) { fetch(1) }', 'global.fetch').endlessLoop, true);
  assert.equal(useOf('for (;;) { if (fetch(1)) break }', 'global.fetch').endlessLoop, undefined);
  assert.equal(
    useOf('while (!0) { switch (x) { case 1: break } fetch(1) }', 'global.fetch').endlessLoop,
    true,
  );
});
