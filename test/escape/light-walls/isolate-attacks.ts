/** What JavaScript does to be more than a guest. Each body is that of an async function `attack(f)`'s caller: see `program`. */
import assert from 'node:assert/strict';
import type { Evaluation, OutcomeKind } from '../../../src/index.ts';
import type { Attack } from './attack.ts';

const ENDED: readonly OutcomeKind[] = ['exited'];
const LIMITS: readonly OutcomeKind[] = ['timed-out', 'out-of-memory'];
const ANY: readonly OutcomeKind[] = [...ENDED, ...LIMITS];

/** A host function that is harmless whatever it is given. */
const grants = {
  f: async (...args: unknown[]) => args[0],
  fails: async () => {
    throw new TypeError('refused');
  },
  bytes: async () => Buffer.from('granted'),
};

type Check = (evaluation: Evaluation) => void;

/** The guest says which of its tries led anywhere. */
const nothingFound: Check = ({ kind, value, error }) => {
  assert.equal(kind, 'exited', JSON.stringify(error));
  assert.deepEqual(value, [], JSON.stringify(error));
};
const notCopied: Check = ({ error }) => assert.equal(error?.name, 'DataCloneError');
const answers =
  (expected: unknown): Check =>
  ({ value, error }) =>
    assert.deepEqual(value, expected, JSON.stringify(error));

function attack(
  name: string,
  body: string,
  ends: readonly OutcomeKind[],
  check?: Check,
  keep: 'nothing' | 'context' = 'nothing',
): Attack {
  return {
    name,
    language: 'javascript',
    source: `export default async () => { ${body} }`,
    options: { grants, keep },
    ends,
    ...(check === undefined ? {} : { check }),
  };
}

function module(name: string, source: string, ends: readonly OutcomeKind[], check?: Check): Attack {
  return {
    name,
    language: 'javascript',
    source,
    options: { grants },
    ends,
    ...(check === undefined ? {} : { check }),
  };
}

/** Whatever is reachable from `seeds` by names, prototypes and constructors: does any of it know the host? */
const SEARCH = `
  const found = []; const seen = new Set();
  const look = (value, path) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
    if (seen.has(value) || seen.size > 5000 || path.length > 12) return;
    seen.add(value);
    if (typeof value === 'function') {
      try { if (Object.getPrototypeOf(value)?.constructor?.('return typeof process + typeof require + typeof Buffer')() !== 'undefinedundefinedundefined') found.push(path.join('.')); } catch {}
    }
    const own = [];
    try { own.push(...Reflect.ownKeys(value)); } catch {}
    try { look(Object.getPrototypeOf(value), [...path, '__proto__']); } catch {}
    for (const key of own) {
      if (['caller', 'arguments'].includes(String(key))) continue;
      try { look(value[key], [...path, String(key)]); } catch (e) { try { look(e, [...path, String(key), 'thrown']); } catch {} }
    }
  };
`;

const REALM: readonly Attack[] = [
  attack(
    'the realm of granted functions, their answers and their errors',
    `${SEARCH}
     const error = await fails().catch((e) => e);
     for (const [name, seed] of Object.entries({ f, answer: await f({ a: [] }), bytes: await bytes(), error, console, promise: f(1) })) look(seed, [name]);
     return found;`,
    ENDED,
    nothingFound,
  ),
  attack(
    'prototypes of granted functions',
    `Object.setPrototypeOf(f, null); f.apply = f.call = f.bind = () => 'mine';
     Object.defineProperty(f, 'then', { get() { throw 1 } });
     Function.prototype.call = Function.prototype.apply = function () { return 'mine' };
     return [await f(7), typeof process].concat();`,
    ENDED,
    answers([7, 'undefined']),
  ),
  attack(
    'names on the stack, functions and receivers through Error.prepareStackTrace',
    `${SEARCH}
     const places = [];
     Error.prepareStackTrace = (error, sites) => { for (const site of sites) {
       for (const get of ['getThis', 'getFunction', 'getEvalOrigin', 'getTypeName']) try { look(site[get]?.(), [get]); } catch {}
       places.push(String(site.getFileName()), String(site.getScriptNameOrSourceURL?.())); } return sites };
     new Error().stack; try { console.log({ get a() { throw new Error() } }) } catch (e) { e.stack }
     try { setTimeout('no') } catch (e) { e.stack } try { null.x } catch (e) { e.stack }
     (await fails().catch((e) => e)).stack; new Promise((_, no) => no(new Error())).catch((e) => e.stack);
     try { (function deep() { deep() })() } catch (e) { e.stack }
     try { await f(() => 1) } catch (e) { e.stack }
     return [...found, ...places.filter((p) => /\\/|node:|host/.test(p))];`,
    ENDED,
    nothingFound,
  ),
  attack(
    'callers through arguments',
    `${SEARCH}
     const walk = new Function(\`const out = []; let c = arguments.callee; for (let i = 0; i < 50 && c; i++) { out.push(c); try { c = c.caller } catch { break } } return out\`);
     for (const caller of walk()) look(caller, ['caller']);
     const spy = { get a() { for (const c of walk()) look(c, ['getter']); return 1 } };
     console.log(spy); await f(spy).catch(() => {});
     return found;`,
    ENDED,
    nothingFound,
  ),
  attack(
    'all built-in functions replaced, before they are used',
    `const log = (...a) => calls.push(a.length); const calls = [];
     for (const owner of [Map.prototype, Array.prototype, Set.prototype, Promise.prototype, String.prototype, Function.prototype, RegExp.prototype])
       for (const key of Reflect.ownKeys(owner)) { const d = Object.getOwnPropertyDescriptor(owner, key); if (typeof d.value === 'function' && d.writable && key !== 'constructor') owner[key] = function () { throw 'replaced ' + String(key) } }
     Object.keys = JSON.stringify = Reflect.apply = Symbol.for = Promise.resolve = Array.from = Array.isArray = () => { throw 'replaced' };
     try { console.log({ a: [new Map([[1, 2]])] }) } catch {}
     try { f(1); setTimeout(() => 1); queueMicrotask(() => 1) } catch {}
     return 1;`,
    ANY,
  ),
  attack(
    'descriptors by inheritance',
    `Object.prototype.get = () => 1; Object.prototype.set = () => 1; Object.prototype.value = 3; Object.prototype.then = function (r) { r('then') };
     return { a: 1 }`,
    ANY,
  ),
  attack(
    'the library’s own messages, by their shape',
    `return { kind: 'killed', evaluated: { kind: 'value', value: 1 }, spent: true, ['__proto__']: { polluted: 1 }, dropped: { stdout: 1e9 } }`,
    ENDED,
    () => assert.equal(({} as { polluted?: unknown }).polluted, undefined),
  ),
  attack(
    'names of prototypes as calls, and calls of nothing',
    `const tries = ['constructor', '__proto__', 'toString', 'hasOwnProperty']; const out = [];
     for (const name of tries) { try { out.push(typeof globalThis[name]) } catch (e) { out.push(e.name) } }
     return typeof globalThis['f.constructor']`,
    ENDED,
    answers('undefined'),
  ),
  attack(
    'the memory behind bytes that came in',
    `const text = (await bytes()); return [text.buffer.byteLength, String.fromCharCode(...new Uint8Array(text.buffer))]`,
    ENDED,
    answers([7, 'granted']),
  ),
];

const RESULTS: readonly Attack[] = [
  attack('a getter that throws', 'return { get a() { throw new Error() } }', ENDED, notCopied),
  attack('a getter that loops', 'return { get a() { for (;;); } }', ANY),
  attack('a getter that answers', 'return { get a() { return 1 } }', ENDED, notCopied),
  attack('a Proxy', 'return new Proxy({}, { get() { for (;;); } })', ANY),
  attack('a Proxy inside', 'return { a: [new Proxy([], { ownKeys() { for (;;); } })] }', ANY),
  attack('a function', 'return () => 1', ENDED, notCopied),
  attack('a generator', 'return (function* () { for (;;) yield 1 })()', ENDED),
  attack('an async generator', 'return (async function* () { for (;;) yield 1 })()', ENDED),
  attack(
    'an async iterator that loops',
    'return { [Symbol.asyncIterator]() { for (;;); }, [Symbol.iterator]() { for (;;); } }',
    ANY,
  ),
  attack('a cycle', 'const a = { b: [] }; a.b.push(a, a.b); return a', ENDED, ({ value }) => {
    const { b } = value as { b: unknown[] };
    assert.deepEqual([b[0] === value, b[1] === b], [true, true]);
  }),
  attack('a depth of 10^5', 'let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; return a', ANY),
  attack('a depth of 10^6', 'let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a', ANY),
  attack('10^6 objects', 'return Array.from({ length: 1e6 }, () => ({}))', ANY),
  attack('an array of holes', 'const a = []; a[2 ** 32 - 2] = 1; return a', ANY),
  attack(
    'a WebAssembly module',
    'return new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0]))',
    ANY,
  ),
  attack('shared memory', 'return new SharedArrayBuffer(8)', ANY),
  attack('a resizable buffer', 'return new ArrayBuffer(8, { maxByteLength: 2 ** 30 })', ANY),
  attack('a detached buffer', 'const b = new ArrayBuffer(8); b.transfer(); return [b]', ANY),
  attack(
    'a view whose length is tracked',
    'const b = new ArrayBuffer(8, { maxByteLength: 64 }); const v = new Uint8Array(b); b.resize(2); return v',
    ANY,
  ),
  attack(
    'an error with a cause that is itself',
    'const e = new Error(); e.cause = e; return e',
    ANY,
  ),
  attack(
    'invalid dates, big numbers, lone surrogates',
    'return [new Date(NaN), 2n ** 4000n, "\\ud800", -0, NaN, /(?<a>)/gu]',
    ENDED,
  ),
];

const PROMISES: readonly Attack[] = [
  module(
    'a thenable that resolves twice, with itself, and throws',
    'let n = 0; export default () => ({ then(yes, no) { n++; yes({ then: (y) => y(n) }); yes(2); no(3); throw 4 } })',
    ENDED,
    answers(1),
  ),
  module(
    'a then that is a getter with side effects',
    'let n = 0; export default () => ({ get then() { return ++n > 1 ? undefined : (yes) => yes(n) } })',
    ANY,
  ),
  module('a then that loops', 'export default () => ({ get then() { for (;;); } })', ['timed-out']),
  module('thenables for ever', 'const t = () => ({ then(yes) { yes(t()) } }); export default t', [
    'timed-out',
    'out-of-memory',
  ]),
  module(
    'a Promise of a species',
    'class P extends Promise { static get [Symbol.species]() { for (;;); } } export default () => P.resolve(1)',
    ANY,
  ),
  module(
    'a subclass whose then never calls back',
    'class P extends Promise { then() { return this } } export default () => new P((yes) => yes(1))',
    ENDED,
  ),
  module(
    'another Promise in its place',
    'globalThis.Promise = class { static resolve() { for (;;); } }; export default async () => 1',
    ANY,
  ),
  module(
    'a species of arrays',
    'class A extends Array { static get [Symbol.species]() { return function () { for (;;); } } } export default () => { console.log(A.from([1])); return A.from([1]) }',
    ANY,
  ),
  module('a promise that is never settled', 'export default () => new Promise(() => {})', ENDED),
  module('a rejection with nothing', 'export default () => Promise.reject()', ENDED),
  module('a top-level await of nothing', 'await new Promise(() => {}); export default 1', ENDED),
  module(
    'microtasks that go on after the result',
    'const l = () => Promise.resolve().then(l); export default () => { l(); return 1 }',
    ANY,
  ),
  module(
    'waiting without a thread',
    'export default () => Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1e6).value',
    ANY,
  ),
  module(
    'sleeping',
    'export default () => Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)',
    ['timed-out', 'exited'],
  ),
  module(
    'unwaited rejections',
    'for (let i = 0; i < 1e4; i++) Promise.reject(new Error(i)); export default 1',
    ANY,
  ),
];

const CALLS: readonly Attack[] = [
  attack(
    'a Proxy as an argument',
    'return await f(new Proxy({}, { get() { for (;;); } })).catch((e) => e.name)',
    ANY,
  ),
  attack(
    'functions and symbols as arguments',
    'const out = []; for (const a of [() => 1, Symbol(), new WeakMap()]) out.push(await f(a).then(() => "through", () => "refused")); return out',
    ENDED,
    answers(['refused', 'refused', 'refused']),
  ),
  attack(
    'a cyclic argument of 10^4 levels',
    'const top = {}; let a = top; for (let i = 0; i < 1e4; i++) a = a.a = {}; a.a = top; return typeof await f(top).catch((e) => e.name)',
    ANY,
  ),
  attack(
    'an argument of 10^6 levels',
    'let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return typeof await f(a).catch((e) => e.name)',
    ANY,
  ),
  attack('10^6 arguments', 'return await f(...new Array(1e6).fill(1)).catch((e) => e.name)', ANY),
  attack(
    'an argument of 100 MB',
    'return await f("x".repeat(1e8)).then((x) => x.length, (e) => e.name)',
    ANY,
  ),
  attack(
    'calls that nobody waits for',
    'for (let i = 0; i < 5e4; i++) f(i).catch(() => {}); return 1',
    ANY,
  ),
  attack('calls for ever', 'for (;;) f(1)', ['timed-out', 'out-of-memory', 'exited']),
  attack('calls of a megabyte for ever', 'const big = "x".repeat(1e6); for (;;) f(big)', [
    'timed-out',
    'out-of-memory',
    'exited',
  ]),
  attack('calls one after the other for ever', 'for (;;) await f({ a: 1 })', ['timed-out']),
  attack(
    'a getter in an argument that calls again',
    'const a = { get b() { f(a).catch(() => {}); return 1 } }; await f(a).catch(() => {}); return 1',
    ANY,
  ),
];

const FLOODS: readonly Attack[] = [
  attack('10^6 lines', 'for (let i = 0; i < 1e6; i++) console.log(i)', ANY),
  attack(
    '10^6 empty lines on both streams',
    'for (let i = 0; i < 1e6; i++) { console.log(); console.error() }',
    ANY,
  ),
  attack('one line of 200 MB', 'console.log("x".repeat(2e8))', ANY),
  attack(
    'a line with terminal codes and no text',
    'console.log("\\u001b]0;a\\u0007\\u0000\\ud800"); return 1',
    ENDED,
  ),
  attack(
    'a value that shows itself for ever',
    'console.log({ get a() { return this }, toJSON() { for (;;); } }, new Error("x".repeat(1e6)), Object.assign(new Error(), { stack: { toString() { for (;;); } } }))',
    ANY,
  ),
  attack('10^5 timers', 'for (let i = 0; i < 1e5; i++) setTimeout(() => 1, i)', ANY),
  attack(
    'timers at odd times',
    'for (const t of [-1, NaN, Infinity, 2 ** 40, "1", {}, null]) setTimeout(() => 1, t); clearTimeout(); clearTimeout({}); clearTimeout(-1); return 1',
    ANY,
  ),
  attack(
    'timers that set timers',
    'const t = () => { setTimeout(t); setTimeout(t) }; t(); await new Promise(() => {})',
    ['timed-out', 'out-of-memory', 'exited'],
  ),
];

const THROWN: readonly Attack[] = [
  attack('nothing', 'throw undefined', ENDED),
  attack(
    'a Proxy that loops',
    'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); } })',
    ANY,
  ),
  attack(
    'an error whose name loops',
    'throw Object.defineProperty(new Error(), "name", { get() { for (;;); } })',
    ANY,
  ),
  attack(
    'an error whose stack is an object',
    'throw Object.assign(new Error(), { stack: {}, message: [], name: 7 })',
    ENDED,
  ),
  attack('an error of 50 MB', 'throw new Error("x".repeat(5e7))', ANY),
  attack('a stack that is full', 'const g = () => g(); g()', ENDED, ({ error }) =>
    assert.equal(error?.name, 'RangeError'),
  ),
  attack(
    'a full stack in a getter of the result',
    'const o = { get a() { return o.a } }; return o',
    ANY,
  ),
];

const SOURCES: readonly Attack[] = [
  module('10^5 brackets', `export default ${'('.repeat(1e5)}1${')'.repeat(1e5)}`, ANY),
  module('10^5 arrays', `export default ${'['.repeat(1e5)}${']'.repeat(1e5)}`, ANY),
  module('a text of 5 MB', `export default ${'1+'.repeat(2.5e6)}1`, ANY),
  module('modules of the host', 'export default () => import("node:fs")', ENDED),
  module(
    'a module of the host, statically',
    'import fs from "node:fs"; export default 1',
    ENDED,
    ({ error }) => assert.equal(error?.name, 'ImportError'),
  ),
  module(
    'a source map of the host',
    'export default () => { throw new Error() }\n//# sourceMappingURL=file:///etc/passwd\n//# sourceURL=file:///etc/passwd',
    ENDED,
  ),
  module(
    'a name of the engine’s',
    'globalThis[Symbol.for("caisson:entry")] = () => {}; Object.freeze(globalThis); export default 1',
    ANY,
  ),
  module(
    'an export whose name is a prototype’s',
    'export const constructor = 1; export { constructor as default }',
    ENDED,
  ),
  {
    name: 'an export of every object',
    language: 'javascript',
    source: '({})',
    options: { export: 'constructor' },
    ends: ENDED,
  },
  {
    name: 'bytes that are no text',
    language: 'javascript',
    source: { files: { 'a.js': Uint8Array.of(0xff, 0xfe, 0x80) }, entry: 'a.js' },
    ends: ENDED,
  },
  {
    name: 'files named as prototypes',
    language: 'javascript',
    source: {
      files: {
        ['__proto__']: 'export default 1',
        'a.js': 'import "./__proto__"; import "./constructor"; export default 1',
      },
      entry: 'a.js',
    },
    ends: ENDED,
  },
  {
    name: 'an import map to the host',
    language: 'javascript',
    source: {
      files: { 'a.js': 'import x from "x"; export default x' },
      entry: 'a.js',
      imports: { x: '../../../etc/passwd' },
    },
    ends: ENDED,
  },
  {
    name: '3000 modules in a ring',
    language: 'javascript',
    source: {
      files: Object.fromEntries(
        Array.from({ length: 3000 }, (_, i) => [
          `${i}.js`,
          `import './${(i + 1) % 3000}.js'; export default ${i}`,
        ]),
      ),
      entry: '0.js',
    },
    ends: ANY,
  },
  {
    name: 'a library that loops',
    language: 'javascript',
    source: {
      files: { 'a.js': '1' },
      entry: 'a.js',
      libraries: [{ name: 'l.js', source: 'for (;;);' }],
    },
    ends: ['timed-out', 'exited'],
  },
  {
    name: 'a library that throws',
    language: 'javascript',
    source: {
      files: { 'a.js': '1' },
      entry: 'a.js',
      libraries: [{ name: 'l.js', source: 'throw 1' }],
    },
    ends: ENDED,
  },
  {
    name: 'a library that takes all memory',
    language: 'javascript',
    source: {
      files: { 'a.js': '1' },
      entry: 'a.js',
      libraries: [{ name: 'l.js', source: 'const a = []; for (;;) a.push({})' }],
    },
    ends: ['out-of-memory', 'timed-out'],
  },
  {
    name: 'types of 20,000 levels',
    language: 'typescript',
    source: `type A = ${'['.repeat(20_000)}1${']'.repeat(20_000)}; export default 1`,
    ends: ANY,
  },
  {
    name: 'TypeScript that is none',
    language: 'typescript',
    source: 'enum A { B }; namespace C { export const d = 1 }; let a: = <',
    ends: ENDED,
  },
];

const MEMORY: readonly Attack[] = Object.entries({
  'an array of 10^9': 'return new Array(1e9).fill(1)',
  'objects pushed for ever': 'const a = []; for (;;) a.push({})',
  'WebAssembly memory that grows':
    'const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 }); for (;;) { m.grow(100); new Uint8Array(m.buffer).fill(1); }',
  'many WebAssembly memories':
    'const g = []; for (;;) { const m = new WebAssembly.Memory({ initial: 100 }); new Uint8Array(m.buffer).fill(1); g.push(m); }',
  'a buffer that is resized':
    'const b = new ArrayBuffer(8, { maxByteLength: 2 ** 33 }); let n = 8; const u = new Uint8Array(b); for (;;) { b.resize((n += 2 ** 22)); u.fill(1); }',
  'WebAssembly tables':
    'const g = []; for (;;) g.push(new WebAssembly.Table({ initial: 1e6, element: "externref" }))',
  'many big numbers': 'const g = []; let b = 1n; for (;;) g.push(b = (b << 1000000n) | 1n)',
  'regular expressions':
    'const g = []; for (let i = 0; ; i++) { const r = new RegExp("(" + "a".repeat(1e4) + i + ")+"); r.test("a"); g.push(r) }',
  'external strings':
    'const g = []; for (let i = 0; ; i++) g.push(("x".repeat(1e6) + i).split("").reverse())',
  'clean-up that never comes':
    'const r = new FinalizationRegistry(() => {}); for (;;) r.register({}, {}, {})',
  'proxies of proxies': 'let p = {}; for (;;) p = new Proxy(p, {})',
  'a million closures in a promise chain':
    'let p = Promise.resolve(); for (;;) p = p.then(() => 1)',
}).map(([name, body]) =>
  attack(name, body, ['out-of-memory', 'timed-out', ...(name.includes('Tables') ? ENDED : [])]),
);

const TIME: readonly Attack[] = Object.entries({
  'an endless loop': 'for (;;);',
  'a catch around everything': 'for (;;) try { for (;;); } catch {} finally { for (;;); }',
  'a regular expression': 'return /(a+)+$/.test("a".repeat(50) + "b")',
  'big numbers': 'let b = 3n; for (;;) { b = b ** 3n; b = BigInt.asUintN(1e6, b) + 3n }',
  'a comparator':
    'const a = Array.from({ length: 1e6 }, (_, i) => i); for (;;) a.sort(() => Math.random() - 0.5)',
  'a join of nothing': 'return new Array(2 ** 32 - 1).join("")',
  'an iterator without an end': 'for (const _ of (function* () { for (;;) yield 1 })());',
  JSON: 'const s = "[".repeat(1e6); for (;;) try { JSON.parse(s) } catch {}',
  'a loop in WebAssembly':
    'const m = new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11])); new WebAssembly.Instance(m).exports.f()',
}).map(([name, body]) => attack(name, body, ['timed-out', 'out-of-memory', 'exited']));

export const isolateAttacks: readonly Attack[] = [
  ...REALM,
  ...RESULTS,
  ...PROMISES,
  ...CALLS,
  ...FLOODS,
  ...THROWN,
  ...SOURCES,
  ...MEMORY,
  ...TIME,
];
