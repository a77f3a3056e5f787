/** Methods of Python's texts on exact values. */
import { FOLDS } from '../catalogue/decoders.ts';
import { type Exact, Inexact } from '../interpret/exact-values.ts';
import { asValue, itemsOf, known, primitive, textOf } from './exact-items.ts';
import { FORMAT } from './expressions.ts';
import { formatBraces, formatPercent } from './formatting.ts';

const LONGEST = 1_000_000;

/** Methods of texts without arguments that matter. */
const SIMPLE: Readonly<Record<string, (text: string) => string>> = {
  lower: (text) => text.toLowerCase(),
  casefold: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
  swapcase: (text) =>
    text.replace(/[a-z]|[A-Z]/g, (one) =>
      one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase(),
    ),
  capitalize: (text) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase(),
  title: (text) =>
    text
      .toLowerCase()
      .replace(/(^|[^a-z])([a-z])/g, (_, before, one) => before + one.toUpperCase()),
};

export function textMethod(text: string, name: string, args: readonly Exact[]): Exact {
  if (text.length > LONGEST) throw new Inexact();
  const [first, second] = args;
  const simple = Object.hasOwn(SIMPLE, name) ? SIMPLE[name] : undefined;
  if (simple !== undefined) return simple(text);
  switch (name) {
    case 'join': {
      const parts = itemsOf(first).map(textOf);
      if (parts.length * (text.length + 1) > LONGEST) throw new Inexact();
      return parts.join(text);
    }
    case 'replace': {
      const [from, to] = [textOf(first), textOf(second)];
      if (text.length * (to.length + 1) > LONGEST * 4) throw new Inexact();
      return text.replaceAll(from, () => to);
    }
    case 'strip':
    case 'lstrip':
    case 'rstrip':
      return strip(text, name, first === undefined || first === null ? undefined : textOf(first));
    case 'split':
      return first === undefined || first === null
        ? text.split(/\s+/).filter((part) => part !== '')
        : text.split(textOf(first));
    case 'splitlines':
      return text.split(/\r?\n/);
    case 'startswith':
      return text.startsWith(textOf(first));
    case 'endswith':
      return text.endsWith(textOf(first));
    case 'find':
    case 'index':
      return text.indexOf(textOf(first));
    case 'count':
      return text.split(textOf(first)).length - 1;
    case 'isalpha':
      return /^\p{L}+$/u.test(text);
    case 'isdigit':
      return /^\d+$/.test(text);
    case 'isupper':
      return text !== text.toLowerCase() && text === text.toUpperCase();
    case 'islower':
      return text !== text.toUpperCase() && text === text.toLowerCase();
    case 'encode':
    case 'decode':
      return known(FOLDS.decodeAs([text, ...args].map(asValue), undefined));
    case 'hex':
      return Buffer.from(text, 'latin1').toString('hex');
    case 'format':
      return known(formatBraces(text, args.map(primitive)));
    case FORMAT:
      return known(formatPercent(text, args.map(primitive)));
    default:
      throw new Inexact();
  }
}

function strip(text: string, name: string, letters: string | undefined): string {
  const drops = (one: string | undefined): boolean =>
    one !== undefined && (letters === undefined ? /\s/.test(one) : letters.includes(one));
  let start = 0;
  let end = text.length;
  if (name !== 'rstrip') while (start < end && drops(text[start])) start++;
  if (name !== 'lstrip') while (end > start && drops(text[end - 1])) end--;
  return text.slice(start, end);
}
