/** Python: names, modules, operators, and what the language's own functions do to values. */
import type { Dialect, DialectCall } from '../interpret/dialect.ts';
import { type Exact, Inexact, Thrown } from '../interpret/exact-values.ts';
import { Known, UNKNOWN, withLabels } from '../interpret/known.ts';
import { elementOf } from '../interpret/members.ts';
import { plainDialect } from '../interpret/plain-dialect.ts';
import { isPythonBuiltin } from './builtins.ts';
import { EACH } from './comprehensions.ts';
import { callBuiltin, exactPython, slice } from './exact.ts';
import { FORMAT, SLICE } from './expressions.ts';
import { operate } from './operators.ts';
import { globalPath, memberPath, modulePath } from './paths.ts';
import { textMethod } from './text-methods.ts';

const MOST_KEPT = 10_000;
const MOST_MAPPED = 5000;
const MOST_ITEMS = 20_000;
/** Their values are their argument's. */
const GETTERS = new Set(['__getattribute__', '__getattr__', '__getitem__', 'get']);

const globals = new Map<string, Known>();

export const python: Dialect = {
  ...plainDialect(globalPath),
  globalOf(name) {
    let value = globals.get(name);
    if (value === undefined) {
      value = new Known(undefined, globalPath(name));
      if (globals.size >= MOST_KEPT) globals.clear();
      globals.set(name, value);
    }
    return value;
  },
  isBuiltin: isPythonBuiltin,
  moduleOf: modulePath,
  importedOf: (module, imported) => (imported === '*' ? module : memberPath(module, imported)),
  memberOf: memberPath,
  constructorKey: '__init__',
  callsClasses: true,
  exact: exactPython,
  operate,
  propertyOf(value, key) {
    if (!/^-?\d+$/.test(key)) return undefined;
    const { constant, shape } = value;
    if (typeof constant === 'string' && value.path === undefined) {
      const letter = constant.at(Number(key));
      if (letter === undefined) return undefined;
      return new Known(letter, undefined, value.labels, value.origins, 'computed');
    }
    if (key.startsWith('-') && shape?.rest === undefined) return shape?.list?.at(Number(key));
    return undefined;
  },
  tellsItself: (path) => path.includes('%') || GETTERS.has(lastOf(path)),
  call: callKnown,
};

const lastOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

function callKnown(call: DialectCall): Known | undefined {
  const { path, args, receiver, host, node } = call;
  const method = lastOf(path);
  if (method === EACH) return each(call);
  if (method === SLICE) return sliced(call);
  if (method === FORMAT) return textOf(call, FORMAT) ?? passed(call);
  const [first, second] = args;
  if (GETTERS.has(method) && receiver !== undefined && first !== undefined) {
    // `requests.get(…)` is a call like any other: only of what holds items it takes one.
    const isOf =
      receiver.shape !== undefined ||
      (receiver.path !== undefined && (method !== 'get' || receiver.path === 'py:os.environ'));
    if (isOf) return passesOn(host.member(receiver, first, node), first);
    return method === 'get' ? host.use(node, path, 'call', args, receiver) : undefined;
  }
  if (path === 'py:builtins.getattr' && first !== undefined && second !== undefined) {
    if (typeof second.constant === 'string') {
      return passesOn(host.member(first, second, node), second);
    }
  }
  if (path === 'py:functools.partial') return first;
  if (path === 'py:builtins.eval' || path === 'py:builtins.exec') return named(first?.constant);
  if (path === 'py:builtins.map' && first !== undefined && second !== undefined) {
    return mapped(call, first, second);
  }
  if (path.startsWith('?.') || receiver?.constant !== undefined) return onReceiver(call, method);
  return folded(call, () => callBuiltin(path, args.map(toExact)), 'computed');
}

/** The name was hidden where the text was. */
function passesOn(value: Known, key: Known): Known {
  if (key.hidden === undefined || value.path === undefined) return value;
  return new Known(
    value.constant,
    value.path,
    value.labels,
    value.origins,
    key.hidden,
    value.shape,
    value.closure,
    value.also,
  );
}

/** `eval('os.system')`: what a text of code that is a name alone stands for. */
function named(code: Known['constant']): Known | undefined {
  if (typeof code !== 'string' || code.length > 200) return undefined;
  const [, name] = /^\s*([A-Za-z_]\w*)\s*$/.exec(code) ?? [];
  return name === undefined || !isPythonBuiltin(name) ? undefined : python.globalOf(name);
}

function onReceiver(call: DialectCall, method: string): Known | undefined {
  const { receiver, args, host } = call;
  if (receiver === undefined) return undefined;
  const { shape } = receiver;
  if (typeof receiver.constant === 'string') return textOf(call, method);
  if (shape?.list === undefined) return undefined;
  if (method === 'append') {
    host.append(receiver, args);
    return UNKNOWN;
  }
  if (method === 'extend' && args[0] !== undefined) {
    host.append(receiver, args[0].shape?.list ?? [elementOf(args[0])]);
    return UNKNOWN;
  }
  if (method === 'pop') return elementOf(receiver);
  return undefined;
}

function textOf(call: DialectCall, method: string): Known | undefined {
  const { receiver, args } = call;
  const constant = receiver?.constant;
  if (typeof constant !== 'string') return undefined;
  const how = method === 'join' ? 'split' : isPlain(method) ? undefined : 'computed';
  return folded(call, () => textMethod(constant, method, args.map(toExact)), how);
}

/** They make nothing that does not stand there. */
const isPlain = (method: string): boolean =>
  /^(encode|decode|format|%format|l?strip|rstrip|lower|upper|split|splitlines|startswith|endswith|find|index|count|title|capitalize)$/.test(
    method,
  );

/** What a computation gives, with what is known of its arguments; undefined: it cannot be computed. */
function folded(call: DialectCall, compute: () => Exact, how: Known['hidden']): Known | undefined {
  const { args, receiver, host, node } = call;
  const result = quietly(compute);
  if (result === undefined) return undefined;
  const given = receiver === undefined ? args : [receiver, ...args];
  const hidden = given.find((value) => value.hidden !== undefined)?.hidden ?? how;
  const value = fromExact(call, result, hidden);
  if (value === undefined) return undefined;
  if (typeof value.constant === 'string' && hidden !== undefined) {
    host.tell(node, value.constant, hidden);
  }
  return given.reduce((of, { labels, origins }) => withLabels(of, labels, origins), value);
}

function quietly(compute: () => Exact): Exact {
  try {
    return compute();
  } catch (error) {
    if (error instanceof Inexact || error instanceof Thrown || error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function toExact(value: Known): Exact {
  const { constant, shape, path, also } = value;
  if (also !== undefined) throw new Inexact();
  if (constant !== undefined) return constant;
  if (shape?.list !== undefined && shape.rest === undefined && shape.list.length <= MOST_ITEMS) {
    return shape.list.map(toExact);
  }
  if (path !== undefined) return { path };
  throw new Inexact();
}

function fromExact(call: DialectCall, value: Exact, hidden: Known['hidden']): Known | undefined {
  if (Array.isArray(value)) {
    const items: Known[] = [];
    for (const item of value) {
      const one = fromExact(call, item, hidden);
      if (one === undefined) return undefined;
      items.push(one);
    }
    return call.host.list(items, new Known(undefined, undefined, 0, [], hidden));
  }
  if (typeof value === 'object' && value !== null) return undefined;
  return new Known(value, undefined, 0, [], typeof value === 'string' ? hidden : undefined);
}

function itemsOf(value: Known): readonly Known[] | undefined {
  const { constant, shape } = value;
  if (typeof constant === 'string') {
    if (constant.length > MOST_MAPPED) return undefined;
    return [...constant].map(
      (letter) => new Known(letter, undefined, value.labels, value.origins, value.hidden),
    );
  }
  const list = shape?.rest === undefined ? shape?.list : undefined;
  return list === undefined || list.length > MOST_MAPPED ? undefined : list;
}

/** A comprehension, item by item where each of them can be computed; else its function is called with any item. */
function each(call: DialectCall): Known {
  const { receiver = UNKNOWN, args, host, node } = call;
  const [callee] = args;
  if (callee === undefined) return UNKNOWN;
  const made: Known[] = [];
  const items = receiver.also === undefined ? itemsOf(receiver) : undefined;
  for (const item of items ?? []) {
    const list = host.compute(callee, [item])?.shape?.list;
    if (list === undefined) return host.invoke(callee, [elementOf(receiver)], undefined, node);
    made.push(...list);
    if (made.length > MOST_ITEMS) break;
  }
  if (items === undefined || items.length === 0) {
    return host.invoke(callee, [elementOf(receiver)], undefined, node);
  }
  const { labels, origins } = receiver;
  return host.list(
    made,
    new Known(undefined, undefined, labels, origins, receiver.hidden ?? 'computed'),
  );
}

function mapped(call: DialectCall, callee: Known, over: Known): Known | undefined {
  const { host, node } = call;
  const items = itemsOf(over);
  const made: Known[] = [];
  for (const item of items ?? []) {
    const value =
      callee.closure === undefined
        ? host.invoke(callee, [item], undefined, node)
        : host.compute(callee, [item]);
    if (value?.constant === undefined) break;
    made.push(value);
  }
  if (items !== undefined && items.length > 0 && made.length === items.length) {
    return host.list(made, new Known(undefined, undefined, over.labels, over.origins, 'computed'));
  }
  return host.list([host.invoke(callee, [elementOf(over)], undefined, node)]);
}

function sliced(call: DialectCall): Known {
  const { receiver = UNKNOWN, args, host } = call;
  const done = folded(call, () => slice(toExact(receiver), args.map(toExact)), 'computed');
  if (done !== undefined) return done;
  if (receiver.constant !== undefined) return passed(call);
  const { labels, origins, shape } = receiver;
  return shape === undefined
    ? passed(call)
    : host.list([elementOf(receiver)], new Known(undefined, undefined, labels, origins));
}

/** Nothing more is known than what it was made of. */
function passed({ receiver, args }: DialectCall): Known {
  let value =
    receiver === undefined
      ? UNKNOWN
      : new Known(
          undefined,
          undefined,
          receiver.labels | (receiver.shape?.labels ?? 0),
          receiver.origins,
        );
  for (const { labels, origins, shape } of args) {
    value = withLabels(value, labels | (shape?.labels ?? 0), origins);
  }
  return value;
}
