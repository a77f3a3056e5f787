/** Expansions and arithmetic of a shell over constants. */
import type { Value } from '../facts.ts';

type Constant = Value['constant'];

const LONGEST = 1_000_000;

export function operate(operator: string, operands: readonly Constant[]): Constant {
  if (operands.includes(undefined)) return undefined;
  const [first, second, third] = operands;
  if (operator === '+') return operands.map(String).join('');
  const text = String(first);
  if (text.length > LONGEST) return undefined;
  switch (operator) {
    case 'length':
      return String(text.length);
    case 'substring':
      return substring(text, second, third);
    case 'replace':
    case 'replace-all':
      return replaced(text, String(second), String(third), operator === 'replace-all');
    case 'expand^^':
      return text.toUpperCase();
    case 'expand,,':
      return text.toLowerCase();
    case 'expand^':
      return text.slice(0, 1).toUpperCase() + text.slice(1);
    case 'expand,':
      return text.slice(0, 1).toLowerCase() + text.slice(1);
    case 'expand#':
    case 'expand##':
      return isPlain(second) && text.startsWith(String(second))
        ? text.slice(String(second).length)
        : undefined;
    case 'expand%':
    case 'expand%%':
      return isPlain(second) && text.endsWith(String(second))
        ? text.slice(0, text.length - String(second).length)
        : undefined;
    default:
      return arithmetic(operator, first, second);
  }
}

/** Without wildcards. */
const isPlain = (pattern: Constant): boolean => !/[*?[\\]/.test(String(pattern));

const numberOf = (value: Constant): number | undefined => {
  const text = String(value).trim();
  return /^-?(\d{1,15}|0x[\da-f]{1,12})$/i.test(text) ? Number(text) : undefined;
};

function substring(text: string, offset: Constant, length: Constant): string | undefined {
  const from = numberOf(offset);
  if (from === undefined) return undefined;
  const start = from < 0 ? text.length + from : from;
  if (length === undefined) return text.slice(start);
  const count = numberOf(length);
  if (count === undefined) return undefined;
  return text.slice(start, count < 0 ? text.length + count : start + count);
}

function replaced(text: string, from: string, to: string, all: boolean): string | undefined {
  if (from === '' || !isPlain(from) || text.length * (to.length + 1) > LONGEST * 4)
    return undefined;
  return all ? text.replaceAll(from, () => to) : text.replace(from, () => to);
}

function arithmetic(operator: string, first: Constant, second: Constant): string | undefined {
  const a = numberOf(first);
  const b = numberOf(second);
  if (a === undefined || b === undefined) return undefined;
  switch (operator) {
    case 'plus':
      return String(a + b);
    case '-':
      return String(a - b);
    case '*':
      return String(a * b);
    case '/':
      return b === 0 ? undefined : String(Math.trunc(a / b));
    case '%':
      return b === 0 ? undefined : String(a % b);
    case '^':
      return String(a ^ b);
    case '<<':
      return String(a << b);
    case '>>':
      return String(a >> b);
    default:
      return undefined;
  }
}
