/** Literals of Python: numbers, texts, byte strings. */
import { constant, through } from '../syntax-lowering.ts';
import type { Constant, Expression } from '../tree.ts';
import type { PythonLowering } from './lowering.ts';

const MOST_DIGITS = 4096;

export function lowerNumber(text: string, start: number, end: number): Expression {
  return constant(numberOf(text), start, end);
}

/** `0x1F`, `0o17`, `0b1`, `1_000`, `10L` and `017` of Python 2; undefined: imaginary, or too long. */
export function numberOf(text: string): number | bigint | undefined {
  const plain = text.replaceAll('_', '').toLowerCase().replace(/l$/, '');
  if (plain.length > MOST_DIGITS) return undefined;
  if (/^0[0-7]+$/.test(plain)) return Number.parseInt(plain, 8);
  if (!/^(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/.test(plain)) {
    return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(plain) ? Number(plain) : undefined;
  }
  const short = Number(plain);
  return Number.isSafeInteger(short) ? short : BigInt(plain);
}

type Inner = (state: PythonLowering, node: number) => Expression;

/** A text whole, or what an f-string is put together of. Byte strings are texts of one letter a byte. */
export function lowerText(state: PythonLowering, node: number, inner: Inner): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const children = tree.namedChildren(node);
  const [first] = children;
  const prefix =
    first === undefined || tree.typeName(first) !== 'string_start'
      ? ''
      : tree.text(first).toLowerCase();
  const parts: Expression[] = [];
  let at = first === undefined ? start : tree.end(first);
  const upTo = (place: number): void => {
    if (place > at) parts.push(constant(decoded(tree.source.slice(at, place), prefix), at, place));
  };
  for (const child of children) {
    const type = tree.typeName(child);
    if (type === 'interpolation') {
      upTo(tree.start(child));
      const expression = tree.child(child, 'expression');
      if (expression >= 0) parts.push(inner(state, expression));
      at = tree.end(child);
    }
  }
  upTo(contentEnd(tree.source, prefix, at, end));
  const [only] = parts;
  if (only === undefined) return constant('', start, end);
  if (parts.length === 1 && only.kind === 'constant') return { ...only, start, end };
  return { kind: 'joined', parts, start, end };
}

/** The node of the closing quotes may begin before them: in `r'\\\\'` the grammar has no content. */
function contentEnd(source: string, prefix: string, from: number, end: number): number {
  const [quotes = ''] = /["']+$/.exec(prefix) ?? [];
  const place = end - quotes.length;
  return place >= from && source.startsWith(quotes, place) ? place : end;
}

/** Texts that stand beside each other are one. */
export function lowerTexts(state: PythonLowering, node: number, inner: Inner): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const parts = tree
    .namedChildren(node)
    .filter((child) => tree.typeName(child) === 'string')
    .map((child) => lowerText(state, child, inner));
  const texts = parts.filter((part): part is Constant => part.kind === 'constant');
  if (texts.length === parts.length) {
    return constant(texts.map(({ value }) => value).join(''), start, end);
  }
  return parts.length === 0
    ? through('error', [], start, end)
    : {
        kind: 'joined',
        parts: parts.flatMap((part) => (part.kind === 'joined' ? part.parts : [part])),
        start,
        end,
      };
}

const ESCAPE =
  /\\(?:\r\n|[\s\S])(?:(?<=\\x)[\da-fA-F]{2}|(?<=\\u)[\da-fA-F]{4}|(?<=\\U)[\da-fA-F]{8}|(?<=\\N)\{[^{}]{1,64}\}|(?<=\\[0-7])[0-7]{1,2})?/g;
const NAMED: Readonly<Record<string, string>> = {
  '\n': '',
  '\r': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** @param prefix letters before the quotes and the quotes, in lower case */
export function decoded(text: string, prefix: string): string {
  const letters = prefix.replace(/["']/g, '');
  let plain = text;
  if (/[ft]/.test(letters) && /\{\{|\}\}/.test(plain)) {
    plain = plain.replaceAll('{{', '{').replaceAll('}}', '}');
  }
  if (letters.includes('r') || !plain.includes('\\')) return plain;
  const bytes = letters.includes('b');
  return plain.replace(ESCAPE, (sequence) => escaped(sequence, bytes));
}

function escaped(sequence: string, bytes: boolean): string {
  const kind = sequence[1] ?? '';
  const digits = sequence.slice(2);
  if (kind === 'x')
    return digits === '' ? sequence : String.fromCharCode(Number.parseInt(digits, 16));
  if (kind >= '0' && kind <= '7') return String.fromCharCode(Number.parseInt(kind + digits, 8));
  if (!bytes && (kind === 'u' || kind === 'U')) {
    const code = Number.parseInt(digits, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : sequence;
  }
  if (digits === '' || kind === '\r') return NAMED[kind] ?? sequence;
  return sequence;
}
