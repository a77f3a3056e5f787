/**
 * Values over the wire: JSON, or, where the client asks for it, text of `devalue`, which keeps what JSON loses (Map, Set,
 * Date, BigInt, typed arrays, undefined, cycles). It is parsed, never evaluated.
 */
import { parse, stringify } from 'devalue';
import * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';
import { jsonSizeOf } from './json-size.ts';

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

/** Of a value as JSON: as much as an evaluation may return, with room for how it is written. */
const MOST_JSON_BYTES = 32 * 2 ** 20;

/** @throws REQUEST_INVALID for what cannot be written so, or would be far longer than it is */
export function valueToWire(value: unknown, encoding: Encoding = 'json'): unknown {
  if (encoding === 'json' || value === undefined) {
    requireSized(value);
    return value;
  }
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

/**
 * Of what is written out as JSON: parts that stand in many places in each, holes and bytes one by one.
 *
 * @throws REQUEST_INVALID
 */
export function requireSized(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (jsonSizeOf(value, MOST_JSON_BYTES) !== undefined) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'api',
    message: `the value would have more than ${MOST_JSON_BYTES} bytes as JSON, or no end`,
    hint: 'make it smaller, or take the encoding devalue, which writes each part once',
  });
}

function invalid(message: string, reason: string, cause: unknown): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'api',
    message: `${message}: ${reason}`,
    hint: 'send what structured clone knows, or the encoding json',
    cause,
  });
}
