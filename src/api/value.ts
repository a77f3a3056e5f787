/**
 * Values over the wire: JSON, or, where the client asks for it, text of `devalue`, which keeps what JSON loses (Map, Set,
 * Date, BigInt, typed arrays, undefined, cycles). It is parsed, never evaluated.
 */
import { parse, stringify } from 'devalue';
import * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';

export type Encoding = 'json' | 'devalue';

export const wireValue = z.unknown().check(z.describe('JSON; text where the encoding is devalue'));

/** Errors cross as what they say, never with what else hangs on them. */
const reducers = {
  Error: (value: unknown) =>
    value instanceof Error ? [value.name, value.message, value.stack] : undefined,
};

const revivers = {
  Error: ([name, message, stack]: [string, string, string | undefined]) => {
    const error = new Error(message);
    error.name = name;
    if (stack !== undefined) error.stack = stack;
    return error;
  },
};

/** @throws REQUEST_INVALID for what cannot be written so */
export function valueToWire(value: unknown, encoding: Encoding = 'json'): unknown {
  if (encoding === 'json' || value === undefined) return value;
  try {
    return stringify(value, reducers);
  } catch (cause) {
    throw invalid('the value cannot be sent', (cause as Error).message, cause);
  }
}

/** @throws REQUEST_INVALID for what is no such text */
export function valueFromWire(wire: unknown, encoding: Encoding = 'json'): unknown {
  if (encoding === 'json' || wire === undefined) return wire;
  try {
    if (typeof wire !== 'string') throw new TypeError('it is no text');
    return parse(wire, revivers);
  } catch (cause) {
    throw invalid('a value is not as devalue writes it', (cause as Error).message, cause);
  }
}

function invalid(message: string, reason: string, cause: unknown): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'api',
    message: `${message}: ${reason}`,
    hint: 'send what structured clone knows, or the encoding json',
    cause,
  });
}
