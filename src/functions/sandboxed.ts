/** A function that looks as before, and runs in a guest. */
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import { type CallOptions, callFunction, type Evaluates } from './call.ts';
import { CALL } from './option-kinds.ts';

/** The same arguments, and a promise of what it returned. */
export type Sandboxed<A extends unknown[], R> = (...args: A) => Promise<Awaited<R>>;

/** @param open what evaluates it, asked for at each call */
export function sandboxedOn<A extends unknown[], R>(
  open: () => Evaluates | Promise<Evaluates>,
  fn: (...args: A) => R,
  options: CallOptions,
): Sandboxed<A, R> {
  requireFunction(fn);
  checkOptions(options, 'sandboxed', CALL, 'functions');
  const wrapper = async (...args: A): Promise<Awaited<R>> => {
    const opened = open();
    const caisson = opened instanceof Promise ? await opened : opened;
    return (await callFunction(caisson, fn, args, options)) as Awaited<R>;
  };
  const { name, length } = fn;
  Object.defineProperties(wrapper, {
    name: { value: name, configurable: true },
    length: { value: length, configurable: true },
  });
  return wrapper;
}

/** @throws REQUEST_INVALID */
function requireFunction(fn: unknown): void {
  if (typeof fn === 'function') return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'functions',
    message: 'what is to be sandboxed is no function',
    hint: 'write sandboxed((a, b) => a + b)',
  });
}
