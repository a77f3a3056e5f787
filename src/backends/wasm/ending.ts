/** How an evaluation of WebAssembly ends, apart from what it used. */
import { isCaissonError } from '../../core/error.ts';
import type { GuestError } from '../program.ts';
import { engine } from './engine.ts';

export type Ending =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: GuestError; readonly code: number }
  | { readonly kind: 'timed-out'; readonly clock: 'fuel' };

/** As a shell shows a program that was ended by SIGABRT. */
export const TRAPPED = 134;

/**
 * Of what was thrown: the guest's own counters tell why it was ended; else it trapped, or V8's stack was at its end.
 *
 * @param spent what the guest has none left of
 */
export function thrownEnding(error: unknown, spent: 'fuel' | 'stack' | undefined): Ending {
  if (spent === 'fuel') return { kind: 'timed-out', clock: 'fuel' };
  if (isCaissonError(error)) {
    return { kind: 'error', error: { name: error.code, message: error.message }, code: 1 };
  }
  const { name, message, stack } = error as Error;
  const trapped = error instanceof engine.RuntimeError || error instanceof RangeError;
  const lines = (stack ?? '').split('\n').filter((line) => line.includes('wasm'));
  return {
    kind: 'error',
    error: {
      name: trapped ? 'Trap' : name,
      message: spent === 'stack' ? 'the call stack is exhausted' : message,
      ...(lines.length === 0 ? {} : { stack: lines.join('\n') }),
    },
    code: trapped ? TRAPPED : 1,
  };
}

export function noExport(what: string, name: string, names: readonly string[]): Ending {
  const message = `the ${what} has no function "${name}"; it exports ${names.join(', ') || 'nothing'}`;
  return { kind: 'error', error: { name: 'TypeError', message }, code: 1 };
}
