/** Python's own functions and methods on exact values. Lists, tuples and bytes that are gone through are lists. */
import { FOLDS } from '../catalogue/decoders.ts';
import {
  type Exact,
  type ExactLanguage,
  ExactObject,
  Inexact,
  type Machine,
  spend,
} from '../interpret/exact-values.ts';
import { EACH } from './comprehensions.ts';
import {
  asValue,
  codesToText,
  itemsOf,
  known,
  MOST_ITEMS,
  primitive,
  textOf,
  wholeOf,
} from './exact-items.ts';
import { SLICE } from './expressions.ts';
import { written } from './formatting.ts';
import { textMethod } from './text-methods.ts';

type Invoke = (callee: Exact, args: readonly Exact[]) => Exact;

export const exactPython: ExactLanguage = {
  primitive,
  isTrue(value) {
    if (Array.isArray(value)) return value.length > 0;
    if (typeof value === 'object' && value !== null) throw new Inexact();
    return Boolean(value);
  },
  call: callBuiltin,
  member(value, key) {
    if (/^-?\d+$/.test(key) && (typeof value === 'string' || Array.isArray(value))) {
      return known(value.at(Number(key)) as Exact);
    }
    if (typeof value === 'object' && value !== null && 'path' in value) {
      return { path: `${value.path}.${key}` };
    }
    throw new Inexact();
  },
  method(machine, value, name, args, invoke) {
    if (name === EACH) return each(machine, itemsOf(value), args[0], invoke);
    if (name === SLICE) return slice(value, args);
    if (Array.isArray(value)) return listMethod(value, name, args);
    if (typeof value === 'string') {
      spend(machine, 1 + (value.length >> 6));
      return textMethod(value, name, args);
    }
    throw new Inexact();
  },
};

function each(machine: Machine, items: readonly Exact[], callee: Exact, invoke: Invoke): Exact[] {
  spend(machine, items.length);
  const made: Exact[] = [];
  for (const item of items) {
    const given = invoke(callee, [item]);
    if (!Array.isArray(given)) throw new Inexact();
    for (const one of given) made.push(one);
    if (made.length > MOST_ITEMS) throw new Inexact();
  }
  return made;
}

export function slice(value: Exact, bounds: readonly Exact[]): Exact {
  if (typeof value !== 'string' && !Array.isArray(value)) throw new Inexact();
  const [from = null, to = null, by = null] = bounds;
  const step = by === null ? 1 : wholeOf(by);
  if (step === 0) throw new Inexact();
  if (step === 1) {
    return value.slice(from === null ? 0 : wholeOf(from), to === null ? undefined : wholeOf(to));
  }
  const { length } = value;
  const clip = (bound: Exact, absent: number): number => {
    if (bound === null) return absent;
    const place = wholeOf(bound) + (wholeOf(bound) < 0 ? length : 0);
    return step > 0
      ? Math.min(Math.max(place, 0), length)
      : Math.min(Math.max(place, -1), length - 1);
  };
  const start = clip(from, step > 0 ? 0 : length - 1);
  const end = clip(to, step > 0 ? length : -1);
  const made: Exact[] = [];
  for (let at = start; step > 0 ? at < end : at > end; at += step) made.push(value[at]);
  return typeof value === 'string' ? made.join('') : made;
}

function listMethod(list: Exact[], name: string, args: readonly Exact[]): Exact {
  const [first] = args;
  switch (name) {
    case 'append':
      if (list.length > MOST_ITEMS) throw new Inexact();
      list.push(first);
      return null;
    case 'extend':
      for (const item of itemsOf(first)) list.push(item);
      if (list.length > MOST_ITEMS) throw new Inexact();
      return null;
    case 'pop':
      return known(list.splice(first === undefined ? -1 : wholeOf(first), 1)[0]);
    case 'reverse':
      list.reverse();
      return null;
    case 'index': {
      const index = list.indexOf(first);
      if (index < 0) throw new Inexact();
      return index;
    }
    case 'count':
      return list.filter((item) => item === first).length;
    case 'decode':
      return codesToText(list);
    default:
      throw new Inexact();
  }
}

const DECODERS: Readonly<Record<string, keyof typeof FOLDS>> = {
  'base64.b64decode': 'base64',
  'base64.urlsafe_b64decode': 'base64',
  'base64.b32decode': 'base32',
  'base64.b16decode': 'hex',
  'binascii.unhexlify': 'hex',
  'binascii.a2b_hex': 'hex',
  'binascii.a2b_base64': 'base64',
  'builtins.bytes.fromhex': 'hex',
  'builtins.bytearray.fromhex': 'hex',
  'zlib.decompress': 'unpack',
  'gzip.decompress': 'unpack',
  'codecs.decode': 'decodeAs',
  'urllib.parse.unquote': 'percent',
};

/** @param path with `py:` before it */
export function callBuiltin(path: string, args: readonly Exact[]): Exact {
  const name = path.slice(3);
  const decoder = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined;
  if (decoder !== undefined) return known(FOLDS[decoder](args.map(asValue), undefined));
  if (!name.startsWith('builtins.')) throw new Inexact();
  const [first, second] = args;
  switch (name.slice(9)) {
    case 'chr':
    case 'unichr':
      return codesToText([known(first)]);
    case 'ord': {
      if (typeof first === 'number') return first;
      return known(textOf(first).codePointAt(0));
    }
    case 'int':
      return toWhole(first, second);
    case 'str':
      return Array.isArray(first) ? codesToText(first) : known(written(primitive(first)));
    case 'repr':
      return `'${textOf(first)}'`;
    case 'bytes':
    case 'bytearray':
      return Array.isArray(first) ? codesToText(first) : textOf(first);
    case 'list':
    case 'tuple':
    case 'iter':
      return first === undefined ? [] : [...itemsOf(first)];
    case 'reversed':
      return itemsOf(first).toReversed();
    case 'len':
      return itemsOf(first).length;
    case 'hex':
      return `0x${wholeOf(first).toString(16)}`;
    case 'bin':
      return `0b${wholeOf(first).toString(2)}`;
    case 'abs':
      return Math.abs(wholeOf(first));
    case 'sum':
      return itemsOf(first).reduce((sum: number, item) => sum + wholeOf(item), 0);
    case 'range':
    case 'xrange':
      return range(args.map(wholeOf));
    case 'enumerate':
      return itemsOf(first).map((item, index) => [index, item]);
    case 'zip':
      return zip(args.map(itemsOf));
    case 'map': {
      if (typeof first !== 'object' || first === null || !('path' in first)) throw new Inexact();
      const { path: callee } = first;
      return itemsOf(second).map((item) => callBuiltin(callee, [item]));
    }
    case 'dict':
      return new ExactObject();
    default:
      throw new Inexact();
  }
}

function toWhole(value: Exact, base: Exact): number | bigint {
  if (typeof value === 'number') return Math.trunc(value);
  const text = textOf(value).trim().replaceAll('_', '').toLowerCase();
  const radix = base === undefined ? 10 : wholeOf(base);
  if (radix < 2 || radix > 36 || text.length > 4096) throw new Inexact();
  const digits =
    radix === 16 ? text.replace(/^0x/, '') : radix === 2 ? text.replace(/^0b/, '') : text;
  const short = Number.parseInt(digits, radix);
  if (Number.isNaN(short)) throw new Inexact();
  if (Number.isSafeInteger(short)) return short;
  if (radix === 10 && /^\d+$/.test(digits)) return BigInt(digits);
  if (radix === 16 && /^[\da-f]+$/.test(digits)) return BigInt(`0x${digits}`);
  throw new Inexact();
}

function range(bounds: readonly number[]): number[] {
  const [start, end, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  if (start === undefined || end === undefined || step === 0) throw new Inexact();
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (count > MOST_ITEMS) throw new Inexact();
  return Array.from({ length: count }, (_, index) => start + index * step);
}

function zip(lists: readonly (readonly Exact[])[]): Exact[] {
  const count = Math.min(...lists.map(({ length }) => length));
  if (lists.length === 0 || count > MOST_ITEMS) throw new Inexact();
  return Array.from({ length: count }, (_, index) => lists.map((list) => list[index]));
}
