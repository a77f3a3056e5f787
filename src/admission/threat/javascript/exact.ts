/** JavaScript's own functions on exact values: lists here are lists of the language itself. */
import {
  type Exact,
  ExactFunction,
  type ExactLanguage,
  ExactObject,
  Inexact,
  spend,
} from '../interpret/exact-values.ts';
import { callGlobal, numberMethod, textMethod } from './text-methods.ts';

const MOST_ITEMS = 100_000;

type Constant = string | number | bigint | boolean | null | undefined;

/** Lists within lists within lists are more than any decoder needs, and as many as two to their depth. */
const DEEPEST_LIST = 2;

function primitive(value: Exact, depth = 0): Constant {
  if (Array.isArray(value)) {
    if (depth > DEEPEST_LIST || value.length > 20_000) throw new Inexact();
    const text = value
      .map((item) =>
        item === null || item === undefined ? '' : String(primitive(item, depth + 1)),
      )
      .join(',');
    if (text.length > 1_000_000) throw new Inexact();
    return text;
  }
  if (typeof value === 'object' && value !== null) throw new Inexact();
  return value;
}

export const exactJavaScript: ExactLanguage = {
  primitive,
  isTrue: (value) => (typeof value === 'object' && value !== null ? true : Boolean(value)),
  call(path, args) {
    if (path === 'global.Array') return [];
    const constants = args.map((arg) => primitive(arg));
    const folded = callGlobal(path, constants);
    if (folded === undefined) throw new Inexact();
    return folded.constant;
  },
  member(value, key) {
    if (typeof value === 'string') {
      if (key === 'length') return value.length;
      if (/^\d+$/.test(key)) return value[Number(key)];
    }
    if (Array.isArray(value)) {
      if (key === 'length') return value.length;
      if (/^\d+$/.test(key)) return value[Number(key)];
    }
    if (typeof value === 'object' && value !== null && 'path' in value)
      return { path: `${value.path}.${key}` };
    throw new Inexact();
  },
  method(machine, value, name, args, invoke) {
    if (Array.isArray(value)) {
      spend(machine, 1 + (value.length >> 3));
      return listMethod(value, name, args, invoke);
    }
    const constants = args.map((arg) => primitive(arg));
    if (typeof value === 'string') {
      spend(machine, 1 + (value.length >> 6));
      if (name === 'split' && typeof constants[0] === 'string') return value.split(constants[0]);
      const folded = textMethod(value, name, constants);
      if (folded === undefined) throw new Inexact();
      return folded.constant;
    }
    if (typeof value === 'number' || typeof value === 'bigint') {
      const folded = numberMethod(value, name, constants);
      if (folded !== undefined) return folded;
    }
    throw new Inexact();
  },
};

function listMethod(
  list: Exact[],
  name: string,
  args: readonly Exact[],
  invoke: (callee: Exact, args: readonly Exact[]) => Exact,
): Exact {
  const [first, second] = args;
  const called = (...given: Exact[]): Exact => {
    if (!(first instanceof ExactFunction)) throw new Inexact();
    return invoke(first, given);
  };
  if (list.length > MOST_ITEMS) throw new Inexact();
  switch (name) {
    case 'push':
      return list.push(...args);
    case 'unshift':
      return list.unshift(...args);
    case 'pop':
      return list.pop();
    case 'shift':
      return list.shift();
    case 'reverse':
      return list.reverse();
    case 'slice':
      return list.slice(numberOf(first), numberOf(second));
    case 'splice':
      return second === undefined
        ? list.splice(Number(primitive(first)))
        : list.splice(Number(primitive(first)), Number(primitive(second)), ...args.slice(2));
    case 'concat':
      return list.concat(...(args as Exact[][]));
    case 'join':
      return list
        .map((item) => (item === null || item === undefined ? '' : String(primitive(item))))
        .join(first === undefined ? ',' : String(primitive(first)));
    case 'indexOf':
      return list.indexOf(first);
    case 'includes':
      return list.includes(first);
    case 'at':
      return list.at(Number(primitive(first)));
    case 'map':
      return first instanceof ExactObject
        ? []
        : list.map((item, i) =>
            first instanceof ExactFunction ? called(item, i, list) : invoke(first, [item]),
          );
    case 'filter':
      return list.filter((item, i) => exactJavaScript.isTrue(called(item, i, list)));
    case 'forEach':
      for (const [i, item] of [...list].entries()) called(item, i, list);
      return undefined;
    case 'reduce': {
      const rest = args.length > 1 ? list : list.slice(1);
      let total = args.length > 1 ? second : list[0];
      for (const [i, item] of rest.entries()) total = called(total, item, i);
      return total;
    }
    default:
      throw new Inexact();
  }
}

function numberOf(value: Exact): number | undefined {
  return value === undefined ? undefined : Number(primitive(value));
}
