/** Operators over constants, as the language computes them. */
import type { Value } from '../facts.ts';

type Constant = Value['constant'];
const LONGEST = 1_000_000;

export function operate(operator: string, operands: readonly Constant[]): Constant {
  try {
    if (operands.length === 1) return unary(operator, operands[0]);
    if (operator === '+') return sum(operands);
    return binary(operator, operands[0], operands[1]);
  } catch {
    // Of bigints and numbers together, divisions of bigints by zero: nothing that folds.
    return undefined;
  }
}

function sum(operands: readonly Constant[]): Constant {
  // biome-ignore lint/suspicious/noExplicitAny: the language's own addition is what is wanted.
  let total: any = operands[0];
  if (total === undefined) return undefined;
  for (let i = 1; i < operands.length; i++) {
    const next = operands[i];
    if (next === undefined) return undefined;
    total += next;
    if (typeof total === 'string' && total.length > LONGEST) return undefined;
  }
  return total;
}

function unary(operator: string, value: Constant): Constant {
  if (value === undefined) return undefined;
  switch (operator) {
    case '-':
      return typeof value === 'bigint' ? -value : -Number(value);
    case '+':
      return Number(value);
    case '!':
      return !value;
    case '~':
      return typeof value === 'bigint' ? ~value : ~Number(value);
    case 'typeof':
      return value === null ? 'object' : typeof value;
    default:
      return undefined;
  }
}

function binary(operator: string, left: Constant, right: Constant): Constant {
  if (left === undefined || right === undefined) return undefined;
  // biome-ignore lint/suspicious/noExplicitAny: the language's own conversions are what is wanted.
  const [a, b] = [left, right] as [any, any];
  switch (operator) {
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    case '**':
      // A power of bigints can be of any length.
      return typeof a === 'bigint' ? undefined : a ** b;
    case '|':
      return a | b;
    case '&':
      return a & b;
    case '^':
      return a ^ b;
    case '<<':
      return typeof a === 'bigint' ? undefined : a << b;
    case '>>':
      return a >> b;
    case '>>>':
      return a >>> b;
    case '===':
      return a === b;
    case '!==':
      return a !== b;
    case '==':
      // biome-ignore lint/suspicious/noDoubleEquals: it is the operator that is computed.
      return a == b;
    case '!=':
      // biome-ignore lint/suspicious/noDoubleEquals: it is the operator that is computed.
      return a != b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    default:
      return undefined;
  }
}
