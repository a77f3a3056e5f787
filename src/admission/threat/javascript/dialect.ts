/** JavaScript: names, modules, operators, and what the language's own functions do to values. */
import type { Dialect, DialectCall } from '../interpret/dialect.ts';
import {
  headsOf,
  isBlank,
  join,
  Known,
  NOTHING,
  ofConstant,
  UNKNOWN,
  withLabels,
} from '../interpret/known.ts';
import { exactJavaScript } from './exact.ts';
import { callLibrary } from './library-calls.ts';
import { listMethod } from './list-methods.ts';
import { operate } from './operators.ts';
import { globalPath, memberPath, modulePath } from './paths.ts';
import { callGlobal, isFolding, numberMethod, replacePattern, textMethod } from './text-methods.ts';

const BUILTINS = new Set(
  'Array ArrayBuffer Atomics BigInt Boolean Buffer DataView Date Error Function Infinity Intl JSON Map Math NaN Number Object Promise Proxy Reflect RegExp Set SharedArrayBuffer String Symbol TypeError Uint8Array URL WeakMap WeakRef WebAssembly WebSocket Worker XMLHttpRequest alert atob btoa clearInterval clearTimeout console crypto decodeURI decodeURIComponent document encodeURI encodeURIComponent escape eval exports fetch global globalThis import importScripts isNaN localStorage location module navigator parseFloat parseInt performance process queueMicrotask require self setImmediate setInterval setTimeout structuredClone undefined unescape window %exports Deno Bun ActiveXObject WScript chrome browser sessionStorage'.split(
    ' ',
  ),
);

/** Calling these with a text loads the module of that name. */
const LOADERS = new Set([
  'global.require',
  'global.import',
  'node:module.createRequire()',
  'node:module._load',
  'node:module.prototype.require',
  'global.process.getBuiltinModule',
  'node:process.getBuiltinModule',
  'global.require.call',
]);
const PASSING = new Set(['call', 'apply', 'bind', 'then', 'catch', 'finally']);
const MAKERS = new Set(['global.Function', '?.constructor.constructor']);
const SELF = new Known(undefined, 'global.module.exports');
const GLOBAL = new Known(undefined, 'global');

const globals = new Map<string, Known>();
const lasts = new Map<string, string>();

/** The last part of a path. */
function lastOf(path: string): string {
  let last = lasts.get(path);
  if (last === undefined) {
    last = path.slice(path.lastIndexOf('.') + 1);
    if (lasts.size >= MOST_KEPT) lasts.clear();
    lasts.set(path, last);
  }
  return last;
}

const MOST_KEPT = 10_000;

export const javascript: Dialect = {
  globalOf(name) {
    let value = globals.get(name);
    if (value === undefined) {
      value = new Known(undefined, globalPath(name));
      if (globals.size >= MOST_KEPT) globals.clear();
      globals.set(name, value);
    }
    return value;
  },
  isBuiltin: (name) => BUILTINS.has(name),
  moduleOf: modulePath,
  importedOf: (module, imported) =>
    imported === '*' || imported === 'default' ? module : memberPath(module, imported),
  memberOf: memberPath,
  self: SELF,
  constructorKey: 'constructor',
  exports: 'global.module.exports',
  callsClasses: false,
  exact: exactJavaScript,
  operate,
  propertyOf(value, key) {
    const { constant, shape } = value;
    if (typeof constant === 'string' && value.path === undefined) {
      if (key === 'length') return ofConstant(constant.length);
      const code = key.charCodeAt(0);
      if (code >= 48 && code <= 57) {
        const letter = constant[Number(key)];
        if (letter !== undefined)
          return new Known(letter, undefined, value.labels, value.origins, 'computed');
      }
    } else if (key === 'length' && shape?.list !== undefined && shape.rest === undefined) {
      return ofConstant(shape.list.length);
    }
    return undefined;
  },
  tellsItself: (path) => LOADERS.has(path) || MAKERS.has(path) || PASSING.has(lastOf(path)),
  call: callKnown,
};

function callKnown(call: DialectCall): Known | undefined {
  const { path, args, receiver, host, node } = call;
  if (LOADERS.has(path)) return load(call);
  const isUnknown = path.charCodeAt(0) === 63;
  if (isUnknown && receiver !== undefined && isBlank(receiver)) {
    return PASSING.has(lastOf(path)) ? callMethod(call, lastOf(path)) : undefined;
  }
  if (isUnknown || receiver?.closure !== undefined) {
    const done = callMethod(call, lastOf(path));
    if (done !== undefined) return done;
  }
  if (!isUnknown) {
    const folded = !isFolding(path)
      ? undefined
      : callGlobal(path, path === 'global.Buffer.from' ? bytesOf(args) : args.map(constantOf));
    if (folded !== undefined) {
      const value = args.find(({ hidden }) => hidden !== undefined);
      return fromFold(call, folded.constant, folded.hidden ?? value?.hidden);
    }
    const last = lastOf(path);
    if (
      last === 'call' ||
      last === 'apply' ||
      last === 'bind' ||
      last === 'then' ||
      last === 'catch'
    ) {
      const done = callMethod(call, last);
      if (done !== undefined) return done;
    }
  }
  if (MAKERS.has(path) && args.length > 0) {
    // The text goes along, so that calling what was made is understood.
    const made = host.use(node, path, node.form === 'new' ? 'new' : 'call', args, receiver);
    const text = args.at(-1)?.constant;
    return typeof text === 'string'
      ? new Known(text, `${path}()`, made.labels, made.origins)
      : made;
  }
  if (path === 'global.eval') {
    const value = named(args[0]?.constant);
    return value;
  }
  if (path === 'global.Function()' || path === '?.constructor.constructor()') {
    return named(call.callee.constant);
  }
  return callLibrary(call);
}

const constantOf = ({ constant }: Known): Known['constant'] => constant;

/** `return this`, `return process`, `process.env`: what a text of code that is a name alone stands for. */
function named(code: Known['constant']): Known | undefined {
  if (typeof code !== 'string' || code.length > 200) return undefined;
  const match = /^\s*(?:return\b)?[\s(]*([\w$.]+)[\s);]*$/.exec(code);
  const name = match?.[1];
  if (name === undefined) return undefined;
  if (name === 'this') return GLOBAL;
  let path: string | undefined;
  for (const part of name.split('.')) {
    path =
      path === undefined ? globalPath(part === 'this' ? 'global' : part) : memberPath(path, part);
  }
  return path === undefined ? undefined : new Known(undefined, path);
}

function load({ args, host, node }: DialectCall): Known | undefined {
  const [what] = args;
  if (what === undefined) return undefined;
  let joined: Known | undefined;
  for (const { constant, hidden } of headsOf(what)) {
    if (typeof constant !== 'string' || constant.length > 1000) continue;
    const path = modulePath(constant);
    host.use(node, path, 'import', hidden === undefined ? [] : [what]);
    joined = join(joined, new Known(undefined, path, what.labels, what.origins, hidden));
  }
  return joined;
}

function fromFold(call: DialectCall, constant: Known['constant'], hidden: Known['hidden']): Known {
  let value = new Known(constant, undefined, 0, NOTHING, hidden);
  for (const arg of call.args) value = withLabels(value, arg.labels, arg.origins);
  if (call.receiver !== undefined) {
    value = withLabels(value, call.receiver.labels, call.receiver.origins);
  }
  if (typeof constant === 'string' && hidden !== undefined)
    call.host.tell(call.node, constant, hidden);
  return value;
}

/** Lists of numbers are the bytes of a text. */
function bytesOf(args: readonly Known[]): readonly Known['constant'][] {
  const list = args[0]?.shape?.list;
  if (list === undefined) return args.map(({ constant }) => constant);
  if (list.length > 100_000 || args[0]?.shape?.rest !== undefined) return [undefined];
  let text = '';
  for (const { constant } of list) {
    if (typeof constant !== 'number') return [undefined];
    text += String.fromCharCode(constant & 255);
  }
  return [Buffer.from(text, 'latin1').toString('base64'), 'base64'];
}

function callMethod(call: DialectCall, method: string): Known | undefined {
  const { receiver, args, host, node } = call;
  if (receiver === undefined) return undefined;
  const { closure, path } = receiver;
  if (closure !== undefined || (path !== undefined && path !== '?' && path !== 'global.Reflect')) {
    if (method === 'call') return host.invoke(receiver, args.slice(1), args[0], node);
    if (method === 'apply') {
      const list = args[1]?.shape?.list;
      return host.invoke(receiver, list ?? args.slice(1), args[0], node);
    }
    if (method === 'bind') return receiver;
  }
  if (method === 'then' || method === 'catch' || method === 'finally') return settle(call, method);
  const { constant, shape } = receiver;
  if (typeof constant === 'string') return callText(call, constant, method);
  if (typeof constant === 'number' || typeof constant === 'bigint') {
    const folded = numberMethod(
      constant,
      method,
      args.map((arg) => arg.constant),
    );
    return folded === undefined ? undefined : fromFold(call, folded, 'computed');
  }
  if (shape?.list !== undefined) return listMethod(call, shape.list, method);
  return undefined;
}

function settle({ receiver, args, host, node }: DialectCall, method: string): Known | undefined {
  const [done] = args;
  const value = receiver as Known;
  if (done === undefined) return value;
  if (method !== 'then') {
    const other = host.invoke(done, [UNKNOWN], undefined, node);
    return method === 'finally' ? value : join(value, other);
  }
  if (args[1] !== undefined) host.invoke(args[1], [UNKNOWN], undefined, node);
  return host.invoke(done, [value], undefined, node);
}

function callText(call: DialectCall, text: string, method: string): Known | undefined {
  const { args, host, receiver } = call;
  if (method === 'split') {
    const between = args[0]?.constant;
    if (typeof between !== 'string' || text.length > 100_000) return undefined;
    return host.list(text.split(between).map(ofConstant), receiver);
  }
  if (method === 'replace' || method === 'replaceAll') {
    const pattern = args[0]?.path === 'regexp' ? args[0].shape?.list : undefined;
    const to = args[1]?.constant;
    if (pattern !== undefined && typeof to === 'string') {
      const result = replacePattern(
        text,
        String(pattern[0]?.constant),
        String(pattern[1]?.constant),
        to,
      );
      return result === undefined ? undefined : fromFold(call, result, 'computed');
    }
  }
  const folded = textMethod(
    text,
    method,
    args.map(({ constant }) => constant),
  );
  if (folded?.constant === undefined) return undefined;
  return fromFold(call, folded.constant, receiver?.hidden ?? folded.hidden);
}
