/** Operators of Python over constants. */
import type { Value } from '../facts.ts';

type Constant = Value['constant'];

const LONGEST = 1_000_000;
/** Bits of whole numbers that are computed with. */
const MOST_BITS = 16_384;

export function operate(operator: string, operands: readonly Constant[]): Constant {
  if (operands.length === 1) return single(operator, operands[0]);
  const [a, b] = operands;
  if (operator === '+' && operands.length > 2) {
    if (operands.every((part) => typeof part === 'string')) return operands.join('');
    return operands.reduce((left, right) => binary('+', left, right));
  }
  return operands.length === 2 ? binary(operator, a, b) : undefined;
}

function single(operator: string, value: Constant): Constant {
  if (operator === 'not') {
    return value === undefined ? undefined : !value;
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  if (operator === '-') return -value;
  if (operator === '+') return value;
  if (operator !== '~') return undefined;
  return typeof value === 'bigint' ? -value - 1n : Number.isInteger(value) ? -value - 1 : undefined;
}

function binary(operator: string, a: Constant, b: Constant): Constant {
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'string' || typeof b === 'string') return withText(operator, a, b);
  if (a === null || b === null) return compare(operator, a, b);
  const left = typeof a === 'boolean' ? Number(a) : a;
  const right = typeof b === 'boolean' ? Number(b) : b;
  return compare(operator, left, right) ?? compute(operator, left, right);
}

function withText(operator: string, a: Constant, b: Constant): Constant {
  if (typeof a === 'string' && typeof b === 'string') {
    if (operator === '+') return a + b;
    if (operator === 'in') return b.includes(a);
    if (operator === 'not in') return !b.includes(a);
    return compare(operator, a, b);
  }
  if (operator === '*') {
    const [text, times] = typeof a === 'string' ? [a, b] : [String(b), a];
    if (typeof times !== 'number' || !(text.length * times <= LONGEST)) return undefined;
    return text.repeat(Math.max(0, Math.trunc(times)));
  }
  return operator === '==' ? false : operator === '!=' ? true : undefined;
}

type Ordered = string | number | bigint;

function compare(operator: string, a: Constant, b: Constant): Constant {
  switch (operator) {
    case '==':
    case 'is':
      // biome-ignore lint/suspicious/noDoubleEquals: 1 == 1n, as Python has one kind of whole numbers.
      return a == b;
    case '!=':
    case '<>':
    case 'is not':
      // biome-ignore lint/suspicious/noDoubleEquals: as above.
      return a != b;
    case '<':
      return (a as Ordered) < (b as Ordered);
    case '>':
      return (a as Ordered) > (b as Ordered);
    case '<=':
      return (a as Ordered) <= (b as Ordered);
    case '>=':
      return (a as Ordered) >= (b as Ordered);
    default:
      return undefined;
  }
}

/** Whole numbers of Python have no end: what does not fit a number is a bigint. */
function compute(operator: string, a: number | bigint, b: number | bigint): Constant {
  const fractional =
    (typeof a === 'number' && !Number.isInteger(a)) ||
    (typeof b === 'number' && !Number.isInteger(b));
  if (fractional || operator === '/') return fractions(operator, Number(a), Number(b));
  const left = BigInt(a);
  const right = BigInt(b);
  const result = wholes(operator, left, right);
  if (result === undefined) return undefined;
  const short = Number(result);
  return Number.isSafeInteger(short) ? short : result;
}

function fractions(operator: string, a: number, b: number): Constant {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return b === 0 ? undefined : a / b;
    case '//':
      return b === 0 ? undefined : Math.floor(a / b);
    case '%':
      return b === 0 ? undefined : a - b * Math.floor(a / b);
    case '**':
      return a ** b;
    default:
      return undefined;
  }
}

const bits = (value: bigint): number => value.toString(16).length * 4;

function wholes(operator: string, a: bigint, b: bigint): bigint | undefined {
  if (bits(a) > MOST_BITS || bits(b) > MOST_BITS) return undefined;
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '//':
    case '%': {
      if (b === 0n) return undefined;
      const rest = ((a % b) + b) % b;
      return operator === '%' ? rest : (a - rest) / b;
    }
    case '**':
      return b < 0n || Number(b) * bits(a) > MOST_BITS ? undefined : a ** b;
    case '^':
      return a ^ b;
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '<<':
      return b < 0n || b > MOST_BITS ? undefined : a << b;
    case '>>':
      return b < 0n || b > MOST_BITS ? undefined : a >> b;
    default:
      return undefined;
  }
}
