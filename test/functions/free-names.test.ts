/** What a function captures: what the analysis says, and what really throws a ReferenceError. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createContext, Script } from 'node:vm';
import fc from 'fast-check';
import { type AnyFunction, functionSource } from '../../src/functions/function-source.ts';
import { functionText, NAMES } from './random-function.ts';

/** Free names of what a text makes. */
function free(text: string): string[] {
  return functionSource(made(text)).uses.names.map(({ name }) => name);
}

/** Nothing of it is called. */
function made(text: string): AnyFunction {
  return new Script(`"use strict"; (${text})`).runInThisContext() as AnyFunction;
}

function method(text: string): AnyFunction {
  return (made(text) as unknown as { m: AnyFunction }).m;
}

describe('names that are bound', () => {
  for (const [what, text] of [
    [
      'parameters, their defaults and patterns',
      '(a, { b, c: { d = a }, ...e }, [f, ...g], h = f) => [a, b, d, e, f, g, h]',
    ],
    [
      'var from any depth, before it',
      '() => { a = 1; if (a) { for (;;) { try {} catch { var a; } } } }',
    ],
    ['functions before they stand', '() => { f(); function f() { g(); } function g() {} }'],
    ['blocks', '() => { { let a = 1; const b = a; class C {} function f() {} [a, b, C, f]; } }'],
    [
      'loops',
      '(x) => { for (let i = 0, n = x; i < n; i++) i; for (const k in x) k; for (const [v] of x) v; for (var w of x); w; }',
    ],
    ['catch', '() => { try { throw 1; } catch ({ message: m, ...rest }) { m; rest; } }'],
    ['switch', '(x) => { switch (x) { case 1: let a; default: a = 2; } }'],
    ['its own name', 'function fact(n) { return n < 2 ? 1 : n * fact(n - 1); }'],
    ['arguments', 'function f() { return (() => arguments.length)(); }'],
    ['this and new.target', 'function f() { return [this, new.target]; }'],
    [
      'keys, members, labels, meta',
      '(o) => { a: for (;;) { o.b; o?.c; ({ d: 1, e() {}, get f() { return 1; } }); break a; } }',
    ],
    [
      'classes',
      '(B) => { class A extends B { #p = 1; static s = A; static { var v = A; v; } m() { return super.m(this.#p, A); } } return A; }',
    ],
    ['typeof', '() => typeof nobody === "undefined" || typeof (nobody2)'],
    ['what eval and Function are given', '() => [eval("x"), new Function("return y")]'],
  ] as const) {
    test(`${what}: nothing but globals is free`, () => {
      const allowed = ['eval', 'Function', 'undefined'];
      assert.deepEqual(
        free(text).filter((name) => !allowed.includes(name)),
        [],
      );
    });
  }
});

describe('names that are free', () => {
  for (const [what, text, names] of [
    ['read', '() => base', ['base']],
    [
      'called, as a tag, as a member’s object',
      '() => { f(); t`x`; o.a.b; p?.q; }',
      ['f', 't', 'o', 'p'],
    ],
    [
      'assigned, updated, spread',
      '() => { a = 1; b++; [...c]; ({ ...d }); [e] = [1]; ({ f: g } = {}); }',
      ['a', 'b', 'c', 'd', 'e', 'g'],
    ],
    ['shorthand', '() => ({ a, b: c })', ['a', 'c']],
    ['computed keys', '() => ({ [a]: 1, [b]() {}, x: o[c] })', ['a', 'b', 'o', 'c']],
    ['a default that cannot see the body', 'function f(a = b) { var b; return a; }', ['b']],
    ['behind the block that had it', '() => { { let a; } a; }', ['a']],
    ['what a loop had', '() => { for (let i = 0; i; ) {} i; }', ['i']],
    ['what a catch had', '() => { try {} catch (e) {} e; }', ['e']],
    ['a function of a block, outside', '() => { { function f() {} } f(); }', ['f']],
    ['a name of an inner function expression, outside', '() => { (function g() {}); g; }', ['g']],
    ['var of an inner function', '() => { (() => { var v; })(); v; }', ['v']],
    ['var of a static block', '() => { class A { static { var v; } } v; }', ['v']],
    [
      'what a class is built on',
      '() => class extends Base { [key] = value; }',
      ['Base', 'key', 'value'],
    ],
    ['arguments of an arrow', '() => arguments', ['arguments']],
    ['a recursive arrow', '(n) => fact(n - 1)', ['fact']],
    ['typeof of more than a name', '() => typeof a.b', ['a']],
    ['of Node', 'async () => { await fetch(process.env.URL); }', ['fetch', 'process']],
  ] as const) {
    test(what, () => assert.deepEqual(free(text), names));
  }

  test('stand at the line and column of the function’s own text', () => {
    const places = (fn: AnyFunction) =>
      functionSource(fn).uses.names.map(({ name, line, column }) => `${name} ${line}:${column}`);
    assert.deepEqual(places(made('(a) =>\n  a + base')), ['base 2:7']);
    assert.deepEqual(places(made('(a) => a + base')), ['base 1:12']);
    assert.deepEqual(places(method('{ m(a) { return base; } }')), ['base 1:15']);
    assert.deepEqual(places(method('{ m() { a;\n b; } }')), ['a 1:7', 'b 2:2']);
  });
});

/** Names for which trying them said that they are not defined. */
function undefinedNames(text: string): Set<string> | undefined {
  const found = new Set<string>();
  const quietly = (fn: () => unknown): unknown => {
    try {
      return fn();
    } catch (error) {
      const { name, message } = error as Error;
      const missing = /^(\S+) is not defined$/.exec(message)?.[1];
      if (name === 'ReferenceError' && missing !== undefined) found.add(missing);
      return undefined;
    }
  };
  const context = createContext(
    { probe: quietly, run: quietly },
    { microtaskMode: 'afterEvaluate' },
  );
  let script: Script;
  try {
    script = new Script(`"use strict"; run(() => (${text})())`);
  } catch {
    // Twice the same name in one scope: no function that anybody could have.
    return undefined;
  }
  script.runInContext(context, { timeout: 2000 });
  return found;
}

/** meriyah 7.4 refuses an arrow's `arguments` in a default of a function in a static block, which JavaScript has. */
function freeUnlessMisread(text: string): string[] | undefined {
  try {
    return free(text);
  } catch (error) {
    if (/static block may not contain arguments/.test((error as Error).message)) return undefined;
    throw error;
  }
}

test('property: the free names of a function are those that throw a ReferenceError', () => {
  let compared = 0;
  let something = 0;
  fc.assert(
    fc.property(functionText, (text) => {
      const thrown = undefinedNames(text);
      if (thrown === undefined) return;
      compared++;
      const own = new Set<string>([...NAMES, 'arguments']);
      const all = freeUnlessMisread(text);
      if (all === undefined) return;
      const said = all.filter((name) => own.has(name));
      if (said.length > 0) something++;
      assert.deepEqual(said.sort(), [...thrown].sort(), text);
    }),
    { numRuns: 1500 },
  );
  assert.ok(
    compared > 500 && something > 150,
    `${compared} compared, ${something} with free names`,
  );
});
